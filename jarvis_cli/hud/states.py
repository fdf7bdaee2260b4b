"""What a state is called and how it looks: a glyph and a word, never a colour alone."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from jarvis_cli.hud.units import clock_s, span

Entity = dict[str, Any]

UNICODE: Final = {
    "run": "●", "stop": "○", "unknown": "◌", "warn": "▲", "down": "✖", "lock": "⏸", "template": "◆", "stale": "◐",
    "ok": "✔", "act": "►", "info": "·", "dash": "─", "dot": "·", "up": "▴", "fall": "▾", "more": "…",
}  # fmt: skip
ASCII: Final = {
    "run": "*", "stop": "o", "unknown": "?", "warn": "!", "down": "x", "lock": "#", "template": "+", "stale": "%",
    "ok": "v", "act": ">", "info": "-", "dash": "-", "dot": "-", "up": "^", "fall": "v", "more": "~",
}  # fmt: skip


class State(NamedTuple):
    """``mark`` is a key of the glyph table; ``note`` goes where there is room."""

    mark: str
    word: str
    role: str
    note: str = ""


WARNING_WORDS: Final = (("temp", "warm"), ("heat", "warm"), ("memory", "full"), ("cpu", "busy"), ("skew", "skew"))


def node_state(node: Entity, freshness: str, now: float, incident: Entity | None = None) -> State:
    """A node as it may be believed. ``incident`` is the gravest open one about it."""
    status = node.get("status")
    if status == "offline":
        seen = node.get("last_seen_at")
        note = f"last seen {clock_s(seen)} ({span(now - seen)})" if seen else "never seen"
        return State("down", "DOWN", "bad", note)
    if status != "online" or freshness == "unknown":
        seen = node.get("last_seen_at")
        return State("unknown", "unknown", "faint", f"last seen {clock_s(seen)}" if seen else "")
    if freshness == "stale":
        seen = node.get("last_seen_at")
        return State("stale", "stale", "faint", f"was online {clock_s(seen)}" if seen else "was online")
    if incident is not None:
        condition = str(incident.get("condition", ""))
        word = next((word for part, word in WARNING_WORDS if part in condition), "warn")
        return State("warn", word, "bad" if incident.get("severity") == "critical" else "warn")
    if not node.get("stats_visible", True):
        return State("run", "online", "good", "no right to see numbers")
    return State("run", "online", "good")


def guest_state(guest: Entity, freshness: str) -> State:
    """A guest as it may be believed: never green when its state is not known."""
    if guest.get("template"):
        return State("template", "template", "faint")
    status = guest.get("status")
    if status == "unknown" or freshness == "unknown":
        return State("unknown", "unknown", "faint")
    if freshness == "stale":
        return State("stale", "stale", "faint", f"was {status}")
    if guest.get("lock"):
        return State("lock", "lock", "warn", str(guest["lock"]))
    if status == "running":
        return State("run", "run", "good")
    if status in {"paused", "suspended"}:
        return State("lock", str(status), "warn")
    return State("stop", "stop", "faint")


def storage_state(storage: Entity, freshness: str) -> State:
    status = storage.get("status")
    if status == "unknown" or freshness == "unknown":
        return State("unknown", "unknown", "faint")
    if freshness == "stale":
        return State("stale", "stale", "faint", "what it held when it was last read")
    if status == "inactive":
        return State("down", "offline", "bad")
    share = share_of(storage.get("used_bytes"), storage.get("total_bytes"))
    if share is not None and share > 0.95:
        return State("warn", "full", "bad")
    if share is not None and share > 0.90:
        return State("warn", "filling", "warn")
    return State("run", "online", "good")


TASK_STATES: Final = {
    "running": State("run", "running", "light"),
    "ok": State("ok", "ok", "good"),
    "warnings": State("warn", "warnings", "warn"),
    "failed": State("down", "failed", "bad"),
}
SEVERITIES: Final = {
    "critical": State("down", "critical", "bad"),
    "error": State("down", "error", "bad"),
    "warning": State("warn", "warning", "warn"),
    "ok": State("ok", "ok", "good"),
    "info": State("info", "info", "faint"),
}
SEVERITY_ORDER: Final = {"critical": 0, "error": 1, "warning": 2, "info": 3, "ok": 4}


REPAIRS: Final = {
    "acting": State("act", "repairing", "light"),
    "verifying": State("act", "verifying", "light"),
    "asking": State("warn", "asks you", "warn"),
    "holding": State("unknown", "held back", "faint"),
    "refused": State("stop", "left alone", "faint"),
    "recommended": State("warn", "recommended", "warn"),
    "repaired": State("ok", "repaired", "good"),
    "failed": State("down", "not mended", "bad"),
    "escalated": State("down", "yours now", "bad"),
    "reported": State("info", "reported", "faint"),
    "cancelled": State("stop", "called off", "warn"),
    "over": State("ok", "gone", "faint"),
}


def repair_state(repair: Entity) -> State:
    """A repair; one of a newer daemon by its own word."""
    status = str(repair.get("status"))
    return REPAIRS.get(status) or State("info", status, "text")


def event_state(event: Entity) -> State:
    """A line of the feed by its severity; what the watchman does stands out from what merely happens."""
    room, _, status = str(event.get("kind")).partition(".")
    if room == "repair" and event.get("severity") in {"info", None}:
        return REPAIRS.get(status, REPAIRS["acting"])
    return severity_state(event.get("severity"))


def task_state(task: Entity) -> State:
    return TASK_STATES.get(str(task.get("status")), State("unknown", "unknown", "faint"))


def severity_state(severity: str | None) -> State:
    return SEVERITIES.get(str(severity), SEVERITIES["info"])


def share_of(used: float | None, total: float | None) -> float | None:
    return None if used is None or not total else used / total
