"""Files as they must not be: mutated copies of the samples, and files made to hang, crash or flood who reads them.

Everything follows from a seed. `write_files(folder, count, seed)` writes them and tells what kind each is.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measure import ROOT

SUFFIXES = (  # of other formats
    ".pdf", ".docx", ".xlsx", ".pptx", ".html", ".md", ".txt", ".csv", ".jsonl", ".json", ".xml", ".epub", ".eml",
)  # fmt: skip
_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def samples() -> list[Path]:
    """Return the sample documents."""
    return sorted(path for name in ("medical", "financial") for path in (ROOT / "examples" / name).iterdir())


def _truncated(data: bytes, luck: random.Random, _: bytes) -> bytes:
    return data[: luck.randrange(len(data))]


def _flipped(data: bytes, luck: random.Random, _: bytes) -> bytes:
    out = bytearray(data)
    for _bit in range(luck.choice((1, 5, 50, 500))):
        out[luck.randrange(len(out))] ^= 1 << luck.randrange(8)
    return bytes(out)


def _overwritten(data: bytes, luck: random.Random, _: bytes) -> bytes:
    start = luck.randrange(len(data))
    length = min(len(data) - start, luck.choice((16, 512, 8192)))
    block = luck.choice((bytes(length), b"\xff" * length, luck.randbytes(length)))
    return data[:start] + block + data[start + length :]


def _cut_out(data: bytes, luck: random.Random, _: bytes) -> bytes:
    start, end = sorted(luck.randrange(len(data)) for _end in range(2))
    return data[:start] + data[end:]


def _doubled(data: bytes, luck: random.Random, _: bytes) -> bytes:
    start, end = sorted(luck.randrange(len(data)) for _end in range(2))
    return data[:end] + data[start:end] * luck.choice((1, 3)) + data[end:]


def _spliced(data: bytes, luck: random.Random, other: bytes) -> bytes:
    return data[: luck.randrange(len(data))] + other[luck.randrange(len(other)) :]


def _digits(data: bytes, luck: random.Random, _: bytes) -> bytes:
    """Put huge numbers where numbers were: lengths, counts and places of the format among them."""
    out = data
    for _time in range(3):
        place = luck.randrange(len(out))
        while place < len(out) and not 48 <= out[place] <= 57:
            place += 1
        out = out[:place] + luck.choice((b"99999999999999999999", b"-1", b"4294967295", b"1e309")) + out[place + 1 :]
    return out


def _zipped_again(data: bytes, luck: random.Random, _: bytes) -> bytes:
    """Mutate inside an archive, so that its checksums hold; other files are flipped."""
    if not data.startswith(b"PK"):
        return _flipped(data, luck, b"")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = luck.choice(sorted(name for name in parts if parts[name]))
    change = luck.choice((_truncated, _flipped, _cut_out, _doubled, _digits, _overwritten))
    parts[name] = change(parts[name], luck, b"")
    if luck.random() < 0.3:
        del parts[luck.choice(sorted(parts))]
    return _archive(parts)


MUTATIONS: dict[str, Callable[[bytes, random.Random, bytes], bytes]] = {
    "truncated": _truncated,
    "bits flipped": _flipped,
    "block overwritten": _overwritten,
    "block cut out": _cut_out,
    "block doubled": _doubled,
    "spliced": _spliced,
    "huge numbers": _digits,
    "inside the archive": _zipped_again,
    "wrong suffix": lambda data, *_: data,
}


def _archive(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


def _docx(body: str, head: str = "") -> bytes:
    main = f"{head}<w:document xmlns:w='{_W}'><w:body>{body}</w:body></w:document>"
    types = (
        "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'><Default Extension='rels' "
        "ContentType='application/vnd.openxmlformats-package.relationships+xml'/>"
        f"<Override PartName='/word/document.xml' ContentType='{_DOCX}'/></Types>"
    )
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    relations = (
        "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>"
        f"<Relationship Id='r1' Type='{relation}' Target='word/document.xml'/></Relationships>"
    )
    parts = {"[Content_Types].xml": types, "_rels/.rels": relations, "word/document.xml": main}
    return _archive({name: text.encode() for name, text in parts.items()})


def _xlsx(rows: str, strings: bytes = b"") -> bytes:
    """Put rows into the first sheet of a sample workbook."""
    with zipfile.ZipFile(ROOT / "examples/medical/statins.xlsx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = next(name for name in parts if "worksheets/sheet" in name)
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    parts[sheet] = f"<worksheet xmlns='{space}'><sheetData>{rows}</sheetData></worksheet>".encode()
    if strings:
        parts["xl/sharedStrings.xml"] = strings
    return _archive(parts)


def _pdf(content: bytes, extra: bytes = b"", kids: bytes = b"[3 0 R]", count: int = 1) -> bytes:
    """Write a PDF without a table of places: readers have to repair it."""
    return (
        b"%%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n2 0 obj <</Type/Pages/Kids %s/Count %d>> endobj\n"
        b"3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>"
        b"%s>> endobj\n4 0 obj <</Length %d>> stream\n%s\nendstream endobj\n"
        b"5 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj\n"
        b"trailer <</Root 1 0 R>>\n%%%%EOF" % (kids, count, extra, len(content), content)
    )


def _laughs(depth: int = 12) -> str:
    entities = "".join(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, depth))
    return f"<!DOCTYPE x [<!ENTITY a0 'laugh '>{entities}]>"


def _understated(data: bytes) -> bytes:
    """Let the archive say that its largest part unpacks to 1,000 bytes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        most = max(part.file_size for part in archive.infolist())
    return data.replace(most.to_bytes(4, "little"), (1000).to_bytes(4, "little"))


def hostile() -> Iterator[tuple[str, str, bytes]]:
    """Yield (kind, name, content) of files made on purpose, each once."""
    blank = b" " * 120_000_000
    for suffix, part in (
        (".docx", "word/document.xml"),
        (".xlsx", "xl/workbook.xml"),
        (".pptx", "ppt/presentation.xml"),
        (".epub", "OEBPS/a.xhtml"),
    ):
        bomb = _archive({"[Content_Types].xml": b"<Types/>", part: blank})
        yield "zip bomb", f"bomb{suffix}", bomb
        yield "zip bomb", f"understated{suffix}", _understated(bomb)
        yield "zip bomb", f"many{suffix}", _archive({f"{part}{i}": b"" for i in range(20_000)})
    del blank
    yield "zip bomb", "zeros.txt.gz", gzip.compress(bytes(400_000_000), 1)
    yield "zip bomb", "words.csv.gz", gzip.compress(b"a,b,c\n" * 20_000_000, 1)
    yield "zip bomb", "laughs.docx", _docx("<w:p><w:r><w:t>&a11;</w:t></w:r></w:p>", _laughs())
    yield "zip bomb", "laughs.xml", f"<?xml version='1.0'?>{_laughs()}<x>&a11;</x>".encode()
    yield "zip bomb", "laughs.html", f"{_laughs()}<html><body><p>&a11;</p></body></html>".encode()
    for depth in (2_000, 200_000):
        yield "nested", f"div-{depth}.html", b"<html><body>" + b"<div>" * depth + b"Aspirin 100 mg."
        yield "nested", f"table-{depth}.html", b"<html><body>" + b"<table><tr><td>" * depth + b"Aspirin 100 mg."
        yield "nested", f"span-{depth}.html", b"<html><body><p>" + b"<b><i>" * depth + b"Aspirin 100 mg."
        yield "nested", f"list-{depth}.md", b"".join(b" " * (2 * i % 4000) + b"- item\n" for i in range(depth // 20))
        yield "nested", f"quote-{depth}.md", b"> " * depth + b"Aspirin 100 mg."
        yield "nested", f"json-{depth}.json", b'{"text": ' + b"[" * depth + b"]" * depth + b"}"
        yield "nested", f"json-{depth}.jsonl", b'{"text": ' + b"[" * depth + b"]" * depth + b"}\n"
        yield "nested", f"xml-{depth}.xml", b"<?xml version='1.0'?>" + b"<a>" * depth + b"x" + b"</a>" * depth
        yield "nested", f"deep-{depth}.docx", _docx("<w:tbl><w:tr><w:tc>" * depth + "</w:tc></w:tr></w:tbl>" * depth)
    for mark in ("[", "*", "_", "`", "![", "<", "[a](", "**a ", "&", "|"):
        yield "long lines", f"marks-{ord(mark[0])}-{len(mark)}.md", (mark * 60_000).encode()
    yield (
        "wide",
        "columns.csv",
        ",".join(f"c{i}" for i in range(1_000_000)).encode() + b"\n" + b",".join([b"1"] * 1_000_000),
    )
    yield "wide", "columns.tsv", b"\t" * 1_000_000 + b"\n1"
    yield "wide", "columns.xlsx", _xlsx("<row>" + "".join(f"<c><v>{i}</v></c>" for i in range(1_000_000)) + "</row>")
    yield "wide", "rows.xlsx", _xlsx("<row><c><v>1</v></c><c><v>2</v></c></row>" * 300_000)
    yield "wide", "far.xlsx", _xlsx("<row r='1048576'><c r='XFD1048576'><v>1</v></c></row>")
    yield "wide", "farther.xlsx", _xlsx("<row r='99999999'><c r='ZZZZZ99999999'><v>1</v></c></row>" * 3)
    cells = b"<td>1</td>" * 300_000
    yield "wide", "columns.html", b"<html><body><table><tr>" + cells + b"</tr></table>"
    yield "wide", "span.html", b"<html><body><table><tr><td colspan=99999999 rowspan=99999999>1</td></tr><tr><td>2"
    yield "wide", "columns.md", b"|" + b" a |" * 100_000 + b"\n|" + b"---|" * 100_000 + b"\n|" + b" 1 |" * 100_000
    span = "<w:tr><w:tc><w:tcPr><w:gridSpan w:val='99999999'/></w:tcPr><w:p><w:r><w:t>1</w:t></w:r></w:p></w:tc></w:tr>"
    yield "wide", "span.docx", _docx(f"<w:tbl>{span * 3}</w:tbl>")
    for suffix in (".txt", ".md", ".csv", ".html"):
        yield "long lines", f"words{suffix}", b"word " * 1_000_000
        yield "long lines", f"letters{suffix}", b"x" * 5_000_000
        yield "long lines", f"han{suffix}", "增长".encode() * 500_000
        yield "nul bytes", f"nul{suffix}", b"Aspirin\x00 100\x00 mg.\n" * 2000
        yield "nul bytes", f"zeros{suffix}", bytes(100_000)
        yield "huge numbers", f"digits{suffix}", b"value,x\n" + b"9" * 500_000 + b",1\n"
        yield "empty", f"empty{suffix}", b""
        yield "empty", f"mark{suffix}", b"\xef\xbb\xbf"
        yield "empty", f"blank{suffix}", b" \n\t" * 100
        yield "encoding", f"utf16{suffix}", "阿司匹林 100 mg".encode("utf-16") + b"\x00"
        yield "encoding", f"half{suffix}", "二甲双胍".encode()[:-1] + b"\xff\xfe\x80"
    yield "huge numbers", "digits.jsonl", b'{"text": "x", "n": ' + b"9" * 100_000 + b"}\n"
    yield "huge numbers", "power.jsonl", b'{"text": "x", "n": 1e999999}\n{"text": "y", "n": NaN}\n'
    yield "huge numbers", "digits.xlsx", _xlsx(f"<row><c><v>{'9' * 5000}</v></c><c><v>1e999</v></c></row>" * 20)
    yield "encoding", "half.jsonl", b'{"id": "a", "text": "half \\ud800 character"}\n{"id": "b", "text": "whole"}\n'
    yield "long lines", "letters.jsonl", b'{"text": "' + b"x" * 5_000_000 + b'"}\n'
    yield "nested", "loop.pdf", _pdf(b"BT /F 9 Tf (x) Tj ET", kids=b"[2 0 R 3 0 R]", count=2)
    yield (
        "huge numbers",
        "pages.pdf",
        _pdf(b"BT /F 9 Tf 9 700 Td (Aspirin) Tj ET", kids=b"[" + b"3 0 R " * 20_000 + b"]", count=20_000),
    )
    yield "huge numbers", "count.pdf", _pdf(b"BT /F 9 Tf 9 700 Td (Aspirin) Tj ET", count=2_000_000_000)
    yield (
        "huge numbers",
        "box.pdf",
        _pdf(b"BT /F 9e30 Tf 9 700 Td (Aspirin) Tj ET", extra=b"/MediaBox[-9e30 0 9e30 1e38]"),
    )
    yield "long lines", "text.pdf", _pdf(b"BT /F 1 Tf 9 700 Td " + b"(word word) Tj 0 0 Td " * 300_000 + b" ET")
    yield "nested", "graphics.pdf", _pdf(b"q " * 500_000 + b"BT /F 9 Tf 9 700 Td (Aspirin) Tj ET")
    yield (
        "wide",
        "lines.pdf",
        _pdf(b"".join(b"%d %d m 600 %d l S " % (i % 600, i % 790, i % 790) for i in range(200_000))),
    )


def _odd_places(folder: Path) -> Iterator[tuple[str, str]]:
    """Make what is no file, or one of an odd name; yield kind and name."""
    (folder / "folder.pdf").mkdir()
    (folder / "folder.pdf" / "inside.txt").write_text("Aspirin 100 mg.", "utf-8")
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    (folder / "up").symlink_to(folder, target_is_directory=True)
    (folder / "dead.pdf").symlink_to(folder / "nowhere.pdf")
    os.mkfifo(folder / "pipe.txt")
    yield "odd place", "folder.pdf/inside.txt"
    odd = (
        b"n\xff\xfe.txt",
        b"new\nline.txt",
        b"n" * 240 + b".txt",
        b"a#b.txt",
        "名字 .txt".encode(),
        b"%PDF-.txt",
    )
    for name in odd:
        (folder / os.fsdecode(name)).write_text(f"Aspirin 100 mg, {name!r}.", "utf-8")
        yield "odd place", os.fsdecode(name)
    closed = folder / "closed.txt"
    closed.write_text("Nobody may read this.", "utf-8")
    closed.chmod(0)
    yield "odd place", closed.name


def write_files(folder: Path, count: int, seed: int, *, only: int | None = None) -> dict[str, str]:
    """Write `count` files: those made on purpose (at most `only`), the rest mutated samples; return kind by name."""
    luck = random.Random(seed)
    kinds = {name: kind for kind, name in _odd_places(folder)}
    made = list(enumerate(hostile())) if only is None else luck.sample(list(enumerate(hostile())), only)
    for number, (kind, name, data) in made:
        (folder / f"h{number:03}-{name}").write_bytes(data)
        kinds[f"h{number:03}-{name}"] = kind
    sources = [(path.name, path.read_bytes()) for path in samples()]
    while len(kinds) < count:
        name, data = luck.choice(sources)
        mutation = luck.choice(sorted(MUTATIONS))
        suffix = luck.choice(SUFFIXES) if mutation == "wrong suffix" else ""
        name = f"m{len(kinds):04}-{name}{suffix}"
        (folder / name).write_bytes(MUTATIONS[mutation](data, luck, luck.choice(sources)[1]))
        kinds[name] = mutation
    return kinds
