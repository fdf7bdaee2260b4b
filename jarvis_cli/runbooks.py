"""What the commands about runbooks share. Standard library only."""

from __future__ import annotations

from typing import Any, Final

from jarvis_cli import names
from jarvis_cli.group import nearest
from jarvis_cli.shapes import Entity
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.health import State
from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.protocol.text import clean

WHICH: Final = "Name of the runbook."


def plain(value: Any) -> str:
    """Any text on one line."""
    return clean(" ".join(str(value or "").split()), limit=1000)


def find(link: PlainClient, name: str) -> Entity:
    """What is known of a runbook. Raises ``not_found`` with the nearest names."""
    found = {str(info.get("name")): dict(info) for info in link.call("runbook.list")["runbooks"]}
    if name in found:
        return found[name]
    near = nearest(name, list(found))
    raise JarvisError(
        "not_found", f"There is no runbook {clean(name, limit=60)!r}",
        why=f"did you mean {' or '.join(near)}?" if near else "", next="`jarvis runbook list` shows all.",
    )  # fmt: skip


def target(state: State, info: Entity, wanted: str) -> str:
    """The entity id of what a person names; ``HOST/NAME`` is of the kind that the runbook is about."""
    kind = "container" if str(info.get("condition")).startswith("docker-") else "service"
    return names.target(state, wanted, kind=kind)
