"""What the commands about runbooks share. Standard library only."""

from __future__ import annotations

from typing import Any, Final

from jarvis_cli.group import nearest
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.protocol.text import clean

WHICH: Final = "Name of the runbook."


def plain(value: Any) -> str:
    """Any text on one line."""
    return clean(" ".join(str(value or "").split()), limit=1000)


def nearest_runbook(link: PlainClient, name: str, error: JarvisError) -> JarvisError:
    """The same error, naming the runbooks that may have been meant."""
    if error.code != "not_found":
        return error
    known = [str(info.get("name")) for info in link.call("runbook.list")["runbooks"]]
    if name in known:
        return error
    near = nearest(name, known)
    return JarvisError(
        "not_found", f"There is no runbook {clean(name, limit=60)!r}",
        why=f"did you mean {' or '.join(near)}?" if near else "", next="`jarvis runbook list` shows all.",
    )  # fmt: skip
