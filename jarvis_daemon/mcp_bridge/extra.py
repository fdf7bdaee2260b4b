"""The extra ``mcp``: whether it is installed, and how it gets there. Standard library only."""

from __future__ import annotations

import importlib.util
import sys

from jarvis_daemon.protocol.errors import JarvisError


def require() -> None:
    """Raises ``unavailable`` with the command that installs what is missing."""
    missing = [name for name in ("mcp", "httpx2", "starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise JarvisError(
            "unavailable", "MCP is not installed", why=f"the extra `mcp` is missing ({', '.join(missing)})",
            next=f"Run `{sys.executable} -m pip install 'mcp>=2.3,<2.4'`.",
        )  # fmt: skip
