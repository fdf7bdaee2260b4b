"""`jarvis status` of a cluster that cannot be watched: one sentence, what to do, and nothing that looks fresh."""

from __future__ import annotations

import copy
from typing import Any

from jarvis_cli.commands.status import lines
from jarvis_cli.state import Picture
from jarvis_cli.style import Look

NOW = 1_800_000_000.0
PROBLEM = "Proxmox VE does not accept the API token a@pve!b: no such token"
SOURCE: dict[str, Any] = {"cluster": "homelab", "ok_at": NOW - 2, "stale_after_s": 60.0}
STATE: dict[str, dict[str, dict[str, Any]]] = {
    "clusters": {
        "cluster:homelab": {
            "id": "cluster:homelab", "cluster": "homelab", "name": "homelab", "quorate": True, "nodes_online": 1,
            "nodes_total": 1,
        }
    },
    "nodes": {"node:pve": {"id": "node:pve", "name": "pve", "status": "online", "source": "r"}},
    "guests": {
        "guest:100": {"id": "guest:100", "vmid": 100, "name": "a", "kind": "vm", "status": "running", "source": "r"}
    },
    "sources": {
        "r": {"id": "r", "what": "resources", **SOURCE}, "s": {"id": "s", "what": "status", **SOURCE},
    },
    "incidents": {},
}  # fmt: skip


def told(state: dict[str, Any]) -> str:
    return "\n".join(lines(Picture(state=state, now=NOW), state, NOW, Look(width=120)))


def test_nothing_is_marked_while_it_is_fresh() -> None:
    assert "(stale)" not in told(STATE)


def test_one_sentence_the_next_step_and_every_sum_marked_as_old() -> None:
    state = copy.deepcopy(STATE)
    state["clusters"]["cluster:homelab"] |= {
        "problem": PROBLEM, "problem_next": "Run `jarvis setup`.",
        "endpoints_failed": {"https://a:8006": "refused", "https://b:8006": "refused"},
    }  # fmt: skip
    for source in state["sources"].values():
        source["ok_at"] = NOW - 90
    text = told(state)
    assert "quorate 1/1 (stale)" in text
    assert "1 of 1 online (stale)" in text
    assert "1 running (stale)" in text
    assert text.splitlines()[1:4] == [f"  ✖ {PROBLEM}", "  next: Run `jarvis setup`.", ""]
