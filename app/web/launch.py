"""The command line of the Streamlit server: the theme and the safe defaults, wherever `consilium chat` is started."""

from __future__ import annotations

from pathlib import Path

from rag.settings import Settings

ENTRY = Path(__file__).with_name("chat.py")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FONT = '"Source Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif'

# No statistics are sent, no developer's menu is shown, no traceback reaches the browser, no file is watched.
_FIXED: dict[str, str] = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "global.developmentMode": "false",
    "runner.magicEnabled": "false",
    "theme.font": _FONT,
    "theme.baseRadius": "0.5rem",
    "theme.light.primaryColor": "#0b5f63",
    "theme.light.backgroundColor": "#fdfdfc",
    "theme.light.secondaryBackgroundColor": "#f0f4f4",
    "theme.light.textColor": "#1c2428",
    "theme.dark.primaryColor": "#6fcac6",
    "theme.dark.backgroundColor": "#12181b",
    "theme.dark.secondaryBackgroundColor": "#1f272b",
    "theme.dark.textColor": "#e7ecec",
}


def streamlit_args(settings: Settings, *, host: str = "127.0.0.1", port: int = 8501, page: Path = ENTRY) -> list[str]:
    """Return what follows `python -m streamlit`: the page (the chat, unless another is named) and its flags.

    On a loopback address only loopback names are accepted as host, which stops DNS rebinding; on another address any
    name is, because a reverse proxy may stand before it. The page itself has no sign-in.
    """
    flags = {
        **_FIXED,
        "server.address": host,
        "server.port": str(port),
        "server.maxUploadSize": str(settings.chunk.max_file_mb),
        "server.maxMessageSize": str(max(200, settings.chunk.max_file_mb)),
    }
    command = ["run", str(page), *(f"--{name}={value}" for name, value in flags.items())]
    if host in _LOOPBACK:
        command += [f"--server.allowedHosts={name}" for name in ("localhost", "127.0.0.1", "[::1]")]
    return command
