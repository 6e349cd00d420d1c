"""Build the PDF, DOCX and XLSX samples from their Markdown sources.

`sources/medical/metformin.pdf.md` becomes `medical/metformin.pdf`, and so on: the name says the format. Markdown, HTML,
CSV and text samples are written by hand where they lie. Run from the repository root, with the project installed:

    python examples/build.py              # everything
    python examples/build.py metformin    # the sources whose name contains the word

PDF pages are printed by Chromium (`$CHROMIUM`, or the one on the path); Chinese needs the Noto CJK fonts. The built
files differ from run to run in their dates only, so commit them only when a source changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent
UNRULED = "<!-- unruled -->"  # a source that says so prints its tables without lines, as annual reports do
SOFT_BREAK = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\n(?=[\u4e00-\u9fff])")  # a wrapped Chinese line: no space
STYLE = """
@page { size: A4; margin: 20mm 18mm 22mm; @bottom-center { content: counter(page); font: 9pt sans-serif; } }
body { font: 10pt/1.4 "Liberation Sans", Arial, "Noto Sans CJK SC", sans-serif; color: #111; }
html[lang=zh-CN] h1, html[lang=zh-CN] h2, html[lang=zh-CN] th { font-weight: normal; }  /* one face embedded */
h1 { font-size: 17pt; margin: 0 0 8pt; } h2 { font-size: 13pt; margin: 14pt 0 4pt; } h3 { font-size: 11pt; }
h1, h2, h3 { break-after: avoid; } table, tr { break-inside: avoid; }
table { border-collapse: collapse; width: 100%; margin: 6pt 0 10pt; font-size: 9pt; }
th, td { border: 0.6pt solid #888; padding: 2pt 4pt; text-align: left; vertical-align: top; }
.unruled th, .unruled td { border: 0; padding: 1.5pt 4pt; }
.unruled td + td, .unruled th + th { text-align: right; white-space: nowrap; }
"""


class Rows(HTMLParser):
    """Reads the cells of one rendered table; `rows` holds their text, header first."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a row or a cell."""
        if tag == "tr":
            self.rows.append([])
        self.inside = self.inside or tag in ("td", "th")
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Close a cell."""
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        """Take the text of a cell."""
        if self.inside:
            self.rows[-1][-1] += data


def blocks(text: str) -> list[tuple[str, str | list[list[str]]]]:
    """The source as (kind, content): h1, h2, h3, p, bullet, number with text, and table with rows of cells."""
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(text)
    found: list[tuple[str, str | list[list[str]]]] = []
    lists: list[str] = []
    kind = "p"
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.type == "table_open":
            end = next(j for j in range(i, len(tokens)) if tokens[j].type == "table_close")
            found.append(("table", table_rows(parser, tokens[i : end + 1])))
            i = end
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            lists.append("bullet" if token.type.startswith("bullet") else "number")
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
        elif token.type == "heading_open":
            kind = token.tag
        elif token.type == "inline":
            plain = "".join(child.content or " " for child in token.children or [] if child.type != "html_inline")
            found.append((kind if kind != "p" else (lists or ["p"])[-1], plain))
            kind = "p"
        i += 1
    return found


def table_rows(parser: MarkdownIt, tokens: list[Token]) -> list[list[str]]:
    """The cells of one table as text, header first."""
    reader = Rows()
    reader.feed(parser.renderer.render(tokens, parser.options, {}))
    return reader.rows


def build_pdf(text: str, target: Path) -> None:
    """Print the source by headless Chromium, so that fonts are embedded and the text can be read out again."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("chromium was not found on the path: install it, or name it in $CHROMIUM")
    body = MarkdownIt("commonmark").enable("table").render(text)
    language = "zh-CN" if ".zh." in target.name else "en"
    title = text.split("# ", 1)[1].splitlines()[0]
    look = "unruled" if UNRULED in text else "ruled"
    page = (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f'<style>{STYLE}</style></head><body class="{look}">{body}</body></html>'
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--disable-pdf-tagging"]
        command = [chromium, *flags, f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}", source.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def build_docx(text: str, target: Path) -> None:
    """Write headings, paragraphs, lists and tables with Word's own styles."""
    import docx

    styles = {"p": "Normal", "bullet": "List Bullet", "number": "List Number"}
    document = docx.Document()
    for kind, content in blocks(text):
        if isinstance(content, list):
            table = document.add_table(rows=0, cols=len(content[0]), style="Table Grid")
            for row in content:
                for cell, value in zip(table.add_row().cells, row, strict=True):
                    cell.text = value
        elif kind.startswith("h"):
            document.add_heading(content, level=int(kind[1]))
        else:
            document.add_paragraph(content, style=styles[kind])
    document.core_properties.title = str(blocks(text)[0][1])
    document.core_properties.author = "Consilium samples"
    document.save(str(target))


def build_xlsx(text: str, target: Path) -> None:
    """One sheet for each first-level heading; cells that are plain numbers are stored as numbers."""
    import openpyxl
    from openpyxl.styles import Alignment, Font

    book = openpyxl.Workbook()
    book.remove(book.active)
    for kind, content in blocks(text):
        if kind == "h1":
            sheet = book.create_sheet(str(content))
        elif isinstance(content, list):
            sheet.append([])
            for row in content:
                sheet.append(row if row is content[0] else [as_number(value) for value in row])
                for cell in sheet[sheet.max_row]:
                    cell.font = Font(bold=row is content[0])
                    cell.alignment = Alignment(wrap_text=True, vertical="top")
                    if isinstance(cell.value, (int, float)):
                        cell.number_format = "#,##0.00" if isinstance(cell.value, float) else "#,##0"
        else:
            sheet.append([content])
    for sheet in book:
        for column in sheet.columns:
            sheet.column_dimensions[column[0].column_letter].width = 44 if column[0].column == 1 else 24
    lines = [content for kind, content in blocks(text) if kind == "p"]
    book.properties.title = re.split(r" \(|（|。|\. (?=[A-Z])", str(lines[0]))[
        0
    ]  # the first sentence, without its unit
    book.properties.creator = "Consilium samples"
    book.save(target)


def as_number(text: str) -> str | int | float | None:
    """`1,234` and `(1,234)` as numbers, everything else as it stands; an empty cell is None."""
    match = re.fullmatch(r"(-|\()?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?\)?", text)
    if not match:
        return text or None
    sign = -1 if match[1] else 1
    whole = match[2].replace(",", "")
    return sign * (float(whole + match[3]) if match[3] else int(whole))


BUILDERS = {".pdf": build_pdf, ".docx": build_docx, ".xlsx": build_xlsx}


def main(words: list[str]) -> None:
    """Build the sources whose name contains one of the words, or all of them."""
    for source in sorted((ROOT / "sources").glob("*/*.md")):
        if words and not any(word in source.name for word in words):
            continue
        target = ROOT / source.parent.name / source.stem
        text = SOFT_BREAK.sub("", source.read_text(encoding="utf-8"))
        BUILDERS[target.suffix](text, target)
        print(f"{target.relative_to(ROOT)}  {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
