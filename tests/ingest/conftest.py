"""What the tests of ingestion share: small files written by hand, and an index in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingest.connect.access import Access, Clock
from rag.schema import Change, Chunk, Document, Passage, Where
from tests.ingest.made_pdf import Text, write_pdf

if TYPE_CHECKING:
    import httpx

STATEMENT = [
    (200.0, 740.0, "Consolidated Statements of Income"),
    (200.0, 726.0, "(In millions, except per share data)"),
    (410.0, 700.0, "2022"),
    (510.0, 700.0, "2021"),
    (50.0, 680.0, "Revenue:"),
    (60.0, 666.0, "Products"),
    (390.0, 666.0, "$"),
    (405.0, 666.0, "1,234"),
    (490.0, 666.0, "$"),
    (505.0, 666.0, "1,100"),
    (60.0, 652.0, "Services"),
    (405.0, 652.0, "2,000"),
    (512.0, 652.0, "(30)"),
    (50.0, 638.0, "Net income"),
    (405.0, 638.0, "3,234"),
    (505.0, 638.0, "1,070"),
    (50.0, 624.0, "Diluted net income per share"),
    (390.0, 624.0, "$"),
    (411.0, 624.0, "5.12"),
    (490.0, 624.0, "$"),
    (511.0, 624.0, "4.90"),
]


@pytest.fixture
def make_pdf() -> Callable[..., bytes]:
    return write_pdf


@pytest.fixture
def statement() -> list[Text]:
    return list(STATEMENT)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with one small file of every format."""
    import docx
    import openpyxl

    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "notes.txt").write_text("A first paragraph about aspirin.\n\nA second one, 100 mg a day.\n", "utf-8")
    (folder / "guide.md").write_text(
        "# Dosing\n\nTake with water.\n\n| Drug | Dose |\n|---|---|\n| Aspirin | 100 mg |\n| Warfarin | 5 mg |\n",
        "utf-8",
    )
    (folder / "page.html").write_text(
        "<html><head><title>Sales</title><style>p{}</style></head><body><h1>Sales</h1><p>Up <b>3</b>%.</p>"
        "<script>x()</script><table><caption>Sales (in millions)</caption><tr><th></th><th>2022</th></tr>"
        "<tr><td>Net sales</td><td>$ 1,234</td></tr></table><ul><li>one</li><li>two</li></ul></body></html>",
        "utf-8",
    )
    (folder / "rates.csv").write_text("Item,2022,2021\nRevenue,10,9\nCost,5,4\n", "utf-8")
    (folder / "records.jsonl").write_text(
        '{"_id": "a", "title": "First", "text": "Alpha beta.", "year": 2020}\n{"id": "b", "content": "Gamma delta."}\n',
        "utf-8",
    )
    (folder / "report.pdf").write_bytes(write_pdf([STATEMENT, [(50, 700, "The second page speaks of risk.")]]))
    document = docx.Document()
    document.add_heading("Annual note", level=1)
    document.add_paragraph("Income rose.")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ["", "2022", "Income", "7"], strict=True):
        cell.text = text
    document.save(str(folder / "note.docx"))
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Income"
    for row in [
        ["Income statement (in thousands)"],
        [None, 2022, 2021],
        ["Revenue", 1234, 1100],
        ["Margin", 0.125, 0.1],
    ]:
        sheet.append(row)
    sheet["B4"].number_format = sheet["C4"].number_format = "0.0%"
    book.save(folder / "book.xlsx")
    return folder


@pytest.fixture
def archive() -> Callable[[dict[str, bytes]], bytes]:
    def make(parts: dict[str, bytes]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in parts.items():
                file.writestr(name, data)
        return out.getvalue()

    return make


class MemoryIndex:
    """The writing half of an index, without vectors: what is added is visible after commit."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[Document, list[Chunk], str]] = {}
        self.committed: dict[str, tuple[Document, list[Chunk], str]] = {}
        self.commits = 0
        self.added: list[str] = []

    def unchanged(self, source: str, fingerprint: str) -> bool:
        return source in self.held and self.held[source][2] == fingerprint

    def add(self, document: Document, chunks: Sequence[Chunk], *, fingerprint: str = "") -> Change:
        change: Change = "updated" if document.source in self.held else "added"
        self.held[document.source] = (document, list(chunks), fingerprint)
        self.added.append(document.source)
        return change

    def delete(self, doc_id: str) -> int:
        return sum(self.delete_source(s) for s in [s for s, (d, _, _) in self.held.items() if d.id == doc_id])

    def delete_source(self, source: str) -> int:
        return len(self.held.pop(source)[1]) if source in self.held else 0

    def sources(self, prefix: str = "") -> list[str]:
        return [source for source in self.held if source.startswith(prefix)]

    def commit(self) -> None:
        self.committed = dict(self.held)
        self.commits += 1

    def crash(self) -> None:
        """Forget what was not committed."""
        self.held = dict(self.committed)

    def retrieve(self, query: str, k: int, *, where: Where | None = None) -> list[Passage]:
        raise NotImplementedError

    def __len__(self) -> int:
        return sum(len(chunks) for _, chunks, _ in self.held.values())


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


class Network:
    """Recorded answers in place of a network, and a clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.asked: list[httpx.Request] = []
        self.starts: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def access(self, answer: Callable[[httpx.Request], httpx.Response], **fields: Any) -> Access:
        import httpx

        def send(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            self.starts.append(self.now)
            found = answer(request)
            if not hasattr(found, "_content"):
                return found  # a stream already
            return httpx.Response(found.status_code, headers=found.headers, stream=httpx.ByteStream(found.content))

        clock = Clock(lambda: self.now, self.sleep)
        fields.setdefault("contact", "Jane Doe jane@example.com")
        return Access(transport=httpx.MockTransport(send), clock=clock, **fields)


@pytest.fixture
def network() -> Network:
    return Network()
