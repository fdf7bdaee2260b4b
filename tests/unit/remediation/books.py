"""What the tests of runbooks share: the real registry, a sound runbook to break, and cases with known facts."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from jarvis_daemon.admin.runbook_check import known_tools
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.state import Cluster, Guest, Incident, Node, Storage
from jarvis_daemon.remediation import reading
from jarvis_daemon.remediation.facts import Case, Facts, Past
from jarvis_daemon.remediation.runbook import Kept, Runbook
from jarvis_daemon.tools import Registry

SOUND = """\
name: test-book
about: Start what stopped.
condition: guest-crashed
scope: guest
when:
  - {fact: guest.status, is: stopped}
steps:
  - tool: start_vm
    args: {guest: "{guest.vmid}"}
    say: start {guest.name}
verify:
  facts:
    - {fact: guest.status, is: running}
  within_s: 120
cool_down_min: [10, 30, 60]
attempts: 3
escalate:
  severity: error
  say: "{guest.name} does not stay up."
"""
NOW = 1_800_000_000.0


@cache
def registry() -> Registry:
    """All tools as the daemon registers them; nothing is started. Made on a loop and thread of its own."""
    nowhere = Path("/nonexistent")
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, known_tools(Places(nowhere, nowhere, nowhere, nowhere))).result()


def book(text: str = SOUND) -> Runbook:
    return reading.read(text.encode(), "test-book.yaml", registry())


def fault(**evidence: Any) -> Incident:
    """pihole's incident with this evidence, seen twelve minutes ago."""
    return Incident(
        id="7", condition="guest-crashed", target="guest:105", observed_at=NOW - 720, severity="error",
        evidence=evidence,
    )  # fmt: skip


def case(text: str = SOUND, *, incident: Incident | None = None, age_s: float = 0.0, **facts: Any) -> Case:
    """A case over pihole, which stopped on agent; ``facts`` replaces what ``Facts`` is made of."""
    guest = Guest(id="guest:105", vmid=105, name="pihole", kind="ct", node="agent", status="stopped", tags=["dns"])
    node = Node(id="node:agent", name="agent", status="online", temperatures={"coretemp/Package": 61.5})
    given = {
        "cluster": Cluster(id="cluster:homelab", name="homelab", quorate=True),
        "guests": {guest.id: guest}, "nodes": {node.id: node},
        "storages": {"storage:agent/local": Storage(id="storage:agent/local", name="local", node="agent")},
    } | facts  # fmt: skip
    incident = incident or fault(node="agent", memory_share=None, seen_at=NOW, lines=["a", "b"], more={"x": 1})
    kept = Kept(runbook=reading.read(text.encode(), "a"), sha256="", path="a", shipped=False, trusted=True)
    return Case(Facts(NOW, 1000.0, **given), incident, kept, Past(age_s=age_s))
