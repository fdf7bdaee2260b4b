"""What the watchman's tests share: a person in PVE's own interface, the audit, the feed."""

from __future__ import annotations

import json
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.integration.house import House


class Polls:
    """Counts polls of the cluster, on the wire, from the one that first shows a fault to the end of its repair."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.told: list[tuple[int, str]] = []

    def of(self, fault: str, target: str, path: str) -> dict[str, int]:
        """Break it, and wait for the repair. Answers in which poll it was ``detected`` and ``verified``."""
        polls, seen = 0, dict[str, int]()
        with self.house.client(timeout_s=60) as link:
            link.subscribe(["cluster", "incidents"], max_hz=50)
            self.house.fault(fault, target)
            for note in link.notifications():
                changes = note["params"].get("set", {})
                shown = changes.get(path, {}).get("status") == "stopped"
                if shown or (polls and "ok_at" in changes.get("sources/source:homelab/resources", {})):
                    polls += 1
                said = [f"{p} {c.get('status', '')} {c.get('text', '')}".strip() for p, c in changes.items()]
                self.told.append((polls, ", ".join(said)))
                for key, change in changes.items():
                    if key.startswith("incidents/") and change.get("condition") == "guest-crashed":
                        seen.setdefault("detected", polls)
                    if key.startswith("repairs/") and change.get("status") == "repaired":
                        seen.setdefault("verified", polls)
                        return seen
                assert polls < 30, self.told
        return seen


def by_person(house: House, path: str, **data: str) -> str:
    """As somebody does in PVE's own interface; answers the UPID."""
    told = json.loads((house.places.simulator_dir / "sim.json").read_text())
    token = told["person"]
    request = urllib.request.Request(
        f"{told['endpoints'][0]}/api2/json{path}", urllib.parse.urlencode(data).encode(), method="POST",
        headers={"Authorization": f"PVEAPIToken={token['token_id']}={token['token_secret']}"},
    )  # fmt: skip
    blind = ssl._create_unverified_context()
    with urllib.request.urlopen(request, context=blind) as answer:
        return str(json.load(answer)["data"])


def audit(house: House, tool: str | None = None) -> list[dict[str, Any]]:
    """Rows of the audit, the oldest first."""
    with house.client() as link:
        rows = link.call("audit.list", {"limit": 1000} | ({"tool": tool} if tool else {}))["rows"]
    return list(reversed(rows))


def acts(house: House) -> list[str]:
    """What runbooks were let do: the tools of their intents."""
    return [r["tool"] for r in audit(house) if r["kind"] == "intent" and r["principal"].startswith("runbook:")]


def tell(house: House, after: int, *texts: str, timeout_s: float = 40) -> dict[str, Any]:
    """The first line of a repair after a number of the feed that says all of ``texts``."""
    deadline = time.monotonic() + timeout_s
    lines: list[dict[str, Any]] = []
    with house.client(timeout_s=timeout_s) as link:
        link.subscribe(["feed", "cluster"])
        while time.monotonic() < deadline:
            lines = [e for e in repairs_told(house, after) if all(text in e["text"] for text in texts)]
            if lines:
                return lines[0]
            next(link.notifications())  # something changed
            link.notes.clear()
    told = [e["text"] for e in house.feed() if e["seq"] > after]
    raise AssertionError(f"nobody said {texts!r}; the feed: {told}")


def repairs_told(house: House, after: int) -> list[dict[str, Any]]:
    return [e for e in house.feed() if e["seq"] > after and e["kind"].startswith("repair.")]


def polls(house: House, count: int) -> None:
    """Wait until the cluster was looked at so often."""
    with house.client(timeout_s=60) as link:
        link.subscribe(["cluster"], max_hz=50)
        for note in link.notifications():
            if "ok_at" in note["params"].get("set", {}).get("sources/source:homelab/resources", {}):
                count -= 1
            if count <= 0:
                return


def settled(state: dict[str, Any]) -> bool:
    return (
        all(n["status"] == "online" and not n["freshness"] for n in state["nodes"].values())
        and len(state["nodes"]) == 4
        and not [i for i in state["incidents"].values() if i["status"] == "open"]
        and len([g for g in state["guests"].values() if g["status"] == "running"]) == 15
        and not [c for c in state["clusters"].values() if c["endpoints_failed"]]
        and not [r for r in state["repairs"].values() if r["status"] in {"acting", "verifying", "asking"}]
    )


def confirmed(house: House, tool: str, **args: Any) -> dict[str, Any]:
    """Call a tool as the operator does: look at the plan, confirm it, type the target's name."""
    with house.client(timeout_s=60) as link:
        plan = link.call("tool.call", {"name": tool, "args": args, "dry_run": True})
        given = {"name": tool, "args": args, "confirm": plan["digest"], "typed": plan["target_name"]}
        outcome = dict(link.call("tool.call", given))
    assert outcome["outcome"] == "verified", outcome
    return outcome


def story_of(
    house: House, check: Callable[[dict[str, Any]], Any], what: str, *, timeout_s: float = 60
) -> dict[str, Any]:
    """Wait for a story that fits; answers it."""

    def found(state: dict[str, Any]) -> Any:
        return next((r for r in state["repairs"].values() if check(r)), None)

    story: dict[str, Any] = house.until(found, what, timeout_s=timeout_s)
    return story


def truth(house: House) -> dict[str, Any]:
    """The world as it is, not as the API tells it."""
    return house.sim("world")
