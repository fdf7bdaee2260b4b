"""`jarvis node show`: where SSH does not get in, it says why no temperature is known."""

from __future__ import annotations

from typing import Any

from jarvis_cli.commands.node import lines
from jarvis_cli.style import Look

NOW = 1_800_000_000.0
NODE: dict[str, Any] = {"id": "node:pve", "name": "pve", "cluster": "homelab", "status": "online"}


def told(error: str | None, target: str = "pve") -> str:
    source = {"what": "sensors", "cluster": "homelab", "target": target, "error": error}
    return "\n".join(lines(NODE, [], [], {"sources": {"s": source}}, NOW, Look(width=120)))


def test_why_nothing_is_read_by_ssh() -> None:
    why = "The SSH host key of pve is not known: seen SHA256:x, none is pinned"
    assert f"ssh           {why}" in told(why)
    assert "ssh " not in told(None)
    assert "ssh " not in told(why, target="agent")
