"""The extra ``mcp``: whether it is installed, and how it gets there. Standard library only."""

from __future__ import annotations

import importlib.util
import sys

from jarvis_daemon.protocol.errors import JarvisError


def require() -> None:
    """Raises ``unavailable`` with the command that installs what is missing."""
    missing = [name for name in ("mcp", "httpx2", "starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        pip = f"{sys.executable} -m pip install"
        if importlib.util.find_spec("pip") is None:  # a folder that uv has made
            pip = f"uv pip install --python {sys.executable}"
        raise JarvisError(
            "unavailable", "MCP is not installed", why=f"the extra `mcp` is missing ({', '.join(missing)})",
            next=f"Run `{pip} 'mcp>=2.3,<2.4'`.",
        )  # fmt: skip
