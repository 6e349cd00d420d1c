"""The commands that bring documents in: ingest once, follow a folder, fetch from public sources."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.commands import ProgressBar, settings_of
from ingest.options import IngestOptions
from ingest.report import Pace
from ingest.vault import Vault
from rag.errors import UserError
from rag.schema import Embedder
from rag.settings import Settings


def vault_path(settings: Settings, collection: str | None = None) -> Path:
    """Return where the names behind the pseudonyms of a collection are kept: apart from it, for its owner alone."""
    return settings.home.expanduser() / "vaults" / f"{collection or settings.collection}.sqlite"


class PaceBar:
    """A bar on stderr with rate and time left; `with PaceBar() as pace` gives None when stderr is no terminal."""

    def __enter__(self) -> Callable[[Pace], object] | None:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description:40.40}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task("reading", told="")
        return self._show

    def _show(self, pace: Pace) -> None:
        name = Path(pace.source).name
        self._bar.update(
            self._task, completed=pace.files, total=pace.files_in_all, description=name, told=pace_words(pace)
        )

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_bar"):
            self._bar.stop()


def pace_words(pace: Pace) -> str:
    """Return how fast an ingest goes and how long it will take; "" before that can be told."""
    if pace.seconds < 1:
        return ""
    rate = f"{pace.pages / pace.seconds:.1f} pages/s"
    if pace.seconds_left is None:
        return rate
    minutes, seconds = divmod(round(pace.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
    return f"{rate}, {left} left"


@contextmanager
def ingest_options(
    settings: Settings,
    embedder: Embedder,
    *,
    collection: str | None = None,
    prune: bool = False,
    base: Path | None = None,
) -> Iterator[IngestOptions]:
    """Yield how files are read under these settings; the one place where settings become options of an ingest."""
    chosen = settings.ingest
    pseudonyms = chosen.deidentify == "pseudonym"
    with Vault(vault_path(settings, collection)) if pseudonyms else nullcontext() as vault:
        yield _options(settings, embedder, vault, prune=prune, base=base)


def _options(
    settings: Settings, embedder: Embedder, vault: Vault | None, *, prune: bool, base: Path | None
) -> IngestOptions:
    chosen = settings.ingest
    return IngestOptions(
        max_tokens=settings.chunk.max_tokens,
        max_file_mb=settings.chunk.max_file_mb,
        count_tokens=getattr(embedder, "count_tokens", None),
        prune=prune,
        base=base,
        workers=chosen.workers,
        file_seconds=chosen.file_seconds,
        memory_mb=chosen.memory_mb,
        engine=chosen.engine,
        deidentify=chosen.deidentify,
        vault=vault,
        ocr=chosen.ocr,
        duplicates=chosen.duplicates,
        likeness=chosen.likeness,
        boilerplate=chosen.boilerplate,
    )


def ingest_paths(
    paths: Sequence[Path], collection: str | None, domain: str | None, *, prune: bool = False
) -> dict[str, Any]:
    """Read files into a collection, with a progress bar on stderr when a person watches."""
    from ingest.pipeline import ingest
    from rag.assemble import embedder_of, open_collection

    settings = settings_of(domain=domain)
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UserError(f"There is no file or folder {', '.join(missing)}. Check the spelling.")
    embedder = embedder_of(settings)
    with (
        ingest_options(settings, embedder, collection=collection, prune=prune) as options,
        open_collection(settings, collection, writable=True, embedder=embedder) as index,
        PaceBar() as pace,
    ):
        return ingest(paths, index, options=replace(options, pace=pace)).as_json()


def watch_paths(
    paths: Sequence[Path], collection: str | None, domain: str | None, *, every: float
) -> Iterator[dict[str, Any]]:
    """Keep a collection equal to files and folders; yield what each round did. Ctrl-C ends it."""
    from ingest.watch import watch
    from rag.assemble import embedder_of, open_collection

    settings = settings_of(domain=domain)
    embedder = embedder_of(settings)

    def opened() -> Any:
        return open_collection(settings, collection, writable=True, embedder=embedder)

    with ingest_options(settings, embedder, collection=collection) as options:
        for report in watch(paths, opened, options=options, interval=every):
            yield report.as_json()


def restored(text: str, collection: str | None) -> str:
    """Return a text with the originals in place of the pseudonyms of a collection.

    Raises:
        UserError: the collection has no vault.
    """
    from ingest.vault import restore

    path = vault_path(settings_of(), collection)
    if not path.is_file():
        raise UserError(f"There is no vault at {path}: nothing was ingested there with ingest.deidentify = pseudonym.")
    with Vault(path) as vault:
        return restore(text, vault)


def fetch_filings(
    company: str, out: Path, *, forms: Sequence[str], years: str | None, limit: int | None, contact: str = ""
) -> dict[str, Any]:
    """Write filings of a company from EDGAR into a folder; without a `contact` that of the settings is told."""
    from ingest.connect.access import Access
    from ingest.connect.edgar import FilingQuery, fetch_edgar, years_of

    query = FilingQuery(company, tuple(forms) or ("10-K",), years_of(years) if years else None, limit)
    settings = settings_of()
    chosen = settings.fetch
    access = Access(contact=contact or chosen.contact, timeout=chosen.timeout, cache=settings.cache / "fetch")
    with ProgressBar() as bar:
        return fetch_edgar(query, out, access=access, progress=_counted(bar, limit)).as_json()


def fetch_articles(
    words: str, out: Path, *, limit: int, full_text: bool, contact: str = "", api_key: str | None = None
) -> dict[str, Any]:
    """Write articles of PubMed into a folder; without a `contact` and a key those of the settings are told."""
    from ingest.connect.access import Access
    from ingest.connect.pubmed import ArticleQuery, fetch_pubmed

    query = ArticleQuery(words, limit=limit, full_text=full_text)
    chosen = settings_of().fetch
    key = api_key or (chosen.ncbi_api_key.get_secret_value() if chosen.ncbi_api_key else None)
    access = Access(contact=contact or chosen.contact, api_key=key, timeout=chosen.timeout)
    with ProgressBar() as bar:
        told = _counted(bar, limit)
        return fetch_pubmed(query, out, access=access, fresh_days=chosen.fresh_days, progress=told).as_json()


def _counted(bar: Any, most: int | None) -> Callable[[int, str], object] | None:
    """Return what a fetch tells its progress to; how many there are is not known before the end."""
    return None if bar is None else lambda seen, name: bar(seen, max(most or 0, seen), name)


def report_words(report: dict[str, Any]) -> str:
    """Return what an ingest did, in words: the count, then what failed and what a reader should know."""
    lines = [
        f"{report['documents']} documents, {report['chunks']} chunks in {report['seconds']:.1f} s "
        f"({report['pages_per_second']:.0f} pages/s); {report['unchanged']} unchanged, {report['updated']} updated, "
        f"{report['deleted']} deleted, {len(report['failed'])} failed"
    ]
    lines += [f"  failed: {item['source']}: {item['reason']}" for item in report["failed"]]
    lines += [f"  note: {item['source']}: {item['what']}" for item in report["warnings"]]
    for item in report["duplicates"]:
        like = "says the same as" if item["kind"] == "exact" else f"{item['similarity']:.1%} like"
        lines.append(f"  left out: {item['source']}: {like} {item['of']}")
    for item in report["boilerplate"]:
        lines.append(f"  in {item['documents']} documents: {item['line'][:120]}")
    return "\n".join(lines)


def fetched_words(found: dict[str, Any]) -> str:
    """Return what a fetch did, in words."""
    lines = [f"{len(found['written'])} written to {found['folder']}, {len(found['unchanged'])} there already"]
    lines += [f"  failed: {item['name']}: {item['reason']}" for item in found["failed"]]
    if found["stopped"]:
        lines.append(f"  stopped early: {found['stopped']} The same command goes on from there.")
    return "\n".join(lines)
