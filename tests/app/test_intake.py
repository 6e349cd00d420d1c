"""What a person is told while documents come in, and who is told to public sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.intake import PaceBar, fetch_articles, fetch_filings, pace_words, report_words
from ingest.report import Pace, Report


def pace(seconds: float, left: float | None) -> Pace:
    return Pace(3, 10, "a/报告.pdf", documents=3, chunks=40, pages=30, seconds=seconds, seconds_left=left)


@pytest.mark.parametrize(
    ("seconds", "left", "words"),
    [
        (0.2, None, ""),
        (10.0, None, "3.0 pages/s"),
        (10.0, 41.4, "3.0 pages/s, 41 s left"),
        (15.0, 125.0, "2.0 pages/s, 2 min 05 s left"),
        (15.0, 7320.0, "2.0 pages/s, 2 h 02 min left"),
    ],
)
def test_rate_and_time_left(seconds: float, left: float | None, words: str) -> None:
    assert pace_words(pace(seconds, left)) == words


def test_the_bar_shows_file_and_pace_to_a_person_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with PaceBar() as nobody:
        assert nobody is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "140")
    with PaceBar() as bar:
        assert bar is not None
        bar(pace(10.0, 41.4))
    shown = capsys.readouterr().err
    assert "报告.pdf" in shown and "3/10" in shown and "3.0 pages/s, 41 s left" in shown


def test_the_words_tell_duplicates_and_repeated_lines() -> None:
    report = Report()
    report.duplicates = [
        {"source": "b", "of": "a", "similarity": 1.0, "kind": "exact"},
        {"source": "c", "of": "a", "similarity": 0.987, "kind": "near"},
    ]
    report.repeated({"请遵医嘱。": 7})
    words = report_words(report.as_json())
    assert "b: says the same as a" in words
    assert "c: 98.7% like a" in words
    assert "in 7 documents: 请遵医嘱。" in words


def test_a_fetch_tells_what_the_settings_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []

    class Saved:
        def as_json(self) -> dict[str, Any]:
            return {}

    def fetched(query: object, out: Path, *, access: Any, **more: Any) -> Saved:
        told.append({"contact": access.contact, "key": access.api_key, "timeout": access.timeout, **more})
        return Saved()

    monkeypatch.setattr("ingest.connect.edgar.fetch_edgar", fetched)
    monkeypatch.setattr("ingest.connect.pubmed.fetch_pubmed", fetched)
    for name, value in {
        "CONTACT": "Jane jane@example.com",
        "NCBI_API_KEY": "abcdef123456",
        "TIMEOUT": "5",
        "FRESH_DAYS": "2",
    }.items():
        monkeypatch.setenv(f"CONSILIUM_FETCH__{name}", value)
    fetch_filings("AMZN", tmp_path, forms=["10-K"], years=None, limit=None)
    fetch_articles("hypertension", tmp_path, limit=3, full_text=False)
    fetch_articles(
        "hypertension", tmp_path, limit=3, full_text=False, contact="bob@example.com", api_key="fedcba654321"
    )
    assert [each["contact"] for each in told] == ["Jane jane@example.com", "Jane jane@example.com", "bob@example.com"]
    assert [each["key"] for each in told] == [None, "abcdef123456", "fedcba654321"]
    assert {each["timeout"] for each in told} == {5.0}
    assert [each.get("fresh_days") for each in told] == [None, 2, 2]
