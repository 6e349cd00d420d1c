"""A served page and a real browser, for the tests that press keys."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next((p for p in (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser")) if p.is_file()), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync", "--no-first-run"]
ROOT = Path(__file__).parents[2]

Serve = Callable[[Callable[[int], Sequence[str]], Mapping[str, str], Path], AbstractContextManager[str]]
Context = Callable[..., AbstractContextManager[Any]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.15)
    pytest.fail(f"the page did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def plain_environment() -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CONSILIUM_", "STREAMLIT_"))}


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Run a server and give its address: `serve(command of a port, environment, log file)`, a context manager."""

    @contextmanager
    def run(command: Callable[[int], Sequence[str]], environment: Mapping[str, str], log: Path) -> Iterator[str]:
        port = free_port()
        with log.open("wb") as sink:
            server = subprocess.Popen(
                list(command(port)),
                env=dict(environment),
                cwd=ROOT,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                wait_until_up(f"http://127.0.0.1:{port}", server, log)
                yield f"http://127.0.0.1:{port}"
            finally:
                os.killpg(server.pid, 15)
                server.wait(timeout=20)

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium; without one, or without the packages, the test is skipped with the reason."""
    if CHROMIUM is None:
        pytest.skip("no Chromium at /usr/bin/chromium; install Debian's package chromium to run this test")
    for package in ("playwright", "streamlit"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; pip install 'consilium[ui,dev]' to run this test")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Context:
    """Open a page that must stay on this machine: `visit(address, **context options)`. Its last sight is kept."""

    @contextmanager
    def run(site: str, **options: Any) -> Iterator[Any]:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}, "locale": "en-US"} | options))
        tab = context.new_page()
        tab.set_default_timeout(30_000)
        strangers: list[str] = []
        tab.on("request", lambda request: strangers.append(request.url))
        tab.goto(site)
        try:
            yield tab
        finally:
            tab.screenshot(path=str(tmp_path / "last.png"))
            context.close()
        known = (site, site.replace("http", "ws"), "data:", "blob:")
        assert [url for url in strangers if not url.startswith(known)] == []

    return run
