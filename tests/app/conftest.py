"""The command line, called as a person or a script calls it."""

import json
from typing import Any

import pytest

from app.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def _run(*arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        printed = capsys.readouterr()
        out = json.loads(printed.out) if "--json" in arguments else printed.out
        return int(stop.value.code or 0), out, printed.err

    return _run
