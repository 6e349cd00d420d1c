"""Uploaded files: names made safe, nothing left behind; and the flags of the server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from app.web.launch import ENTRY, streamlit_args
from app.web.uploads import apart, on_disk, safe_name
from rag.settings import load_settings


@dataclass
class Upload:
    name: str
    body: bytes = b"text"

    def getbuffer(self) -> memoryview:
        return memoryview(self.body)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("年报 2022.pdf", "年报 2022.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/absolute/a.md", "a.md"),
        ("a\x00b\n.txt", "ab.txt"),
        ("..", "document"),
        ("", "document"),
        (".hidden", "hidden"),
        ("safe\u202efdp.exe", "safefdp.exe"),
        ("a:b?.md", "ab.md"),
    ],
)
def test_a_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_long_name_keeps_its_ending_and_fits_a_file_system() -> None:
    name = safe_name("病" * 400 + ".docx")
    assert name.endswith(".docx") and len(name.encode()) <= 200


def test_equal_names_are_told_apart() -> None:
    assert apart(["a.pdf", "A.pdf", "a.pdf", "b"]) == ["a.pdf", "A (2).pdf", "a (3).pdf", "b"]
    assert apart(["a.csv.gz", "a.csv.gz"]) == ["a.csv.gz", "a (2).csv.gz"]


def test_files_lie_in_a_folder_that_is_gone_afterwards() -> None:
    with on_disk([Upload("../a.md", b"one"), Upload("a.md", b"two")]) as paths:
        assert [path.name for path in paths] == ["a.md", "a (2).md"]
        assert [path.read_bytes() for path in paths] == [b"one", b"two"]
        assert len({path.parent for path in paths}) == 1
    assert not paths[0].parent.exists()


def test_the_folder_is_gone_after_a_fault_too() -> None:
    kept: list[Path] = []
    with pytest.raises(RuntimeError), on_disk([Upload("a.md")]) as paths:
        kept += paths
        raise RuntimeError
    assert not kept[0].parent.exists()


def test_the_server_is_private_and_silent_by_default() -> None:
    args = streamlit_args(load_settings())
    assert args[:2] == ["run", str(ENTRY)] and ENTRY.is_file()
    for flag in (
        "--server.address=127.0.0.1",
        "--browser.gatherUsageStats=false",
        "--server.headless=true",
        "--client.showErrorDetails=none",
        "--server.allowedHosts=127.0.0.1",
    ):
        assert flag in args


def test_another_address_and_port_are_passed_on() -> None:
    args = streamlit_args(load_settings(chunk={"max_file_mb": 7}), host="0.0.0.0", port=9000)
    assert {"--server.address=0.0.0.0", "--server.port=9000", "--server.maxUploadSize=7"} <= set(args)
    assert not [arg for arg in args if "allowedHosts" in arg]


def test_streamlit_knows_every_flag() -> None:
    config = pytest.importorskip("streamlit.config")
    known = config.get_config_options()
    flags = [arg[2:].partition("=")[0] for arg in streamlit_args(load_settings())[2:]]
    assert [flag for flag in flags if flag not in known] == []


def test_no_file_of_the_pages_hides_another_module() -> None:
    import importlib.metadata
    import sys

    taken = set(sys.stdlib_module_names) | set(importlib.metadata.packages_distributions())
    assert {path.stem for path in ENTRY.parent.glob("*.py")} & taken == set()
