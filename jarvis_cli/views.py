"""Tables for people, made of the same entities as the JSON shapes. Standard library only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from jarvis_cli.shapes import Entity, as_of
from jarvis_cli.style import STATES, Look, Tone
from jarvis_cli.table import Cell, Column, Table, Value
from jarvis_cli.values import clock, ratio, share, size, span
from jarvis_daemon.protocol.health import State, source_freshness

DATA_OLD_S: Final = 30.0
"""Data older than this is marked in the header."""


def state_cell(word: str, look: Look, *, freshness: str | None = None) -> Cell:
    """``● running``; a state from a stale source says so."""
    text, tone = look.state(word)
    if freshness == "stale" and word not in {"offline", "unknown"}:
        return Cell(f"{text} (stale)", "warn")
    return Cell(text, tone)


def load(value: float | None, warn: float, bad: float) -> Value:
    """A share 0..1 coloured by thresholds."""
    if value is None:
        return None
    tone: Tone = "bad" if value >= bad else "warn" if value >= warn else "plain"
    return Cell(share(value) or "", tone)


def of(used: float | None, total: float | None) -> Value:
    """``17.8/24.0 GiB`` with one unit, that of the total."""
    if used is None or total is None:
        return size(total) if total is not None else size(used)
    whole, unit = (size(total) or "").split()
    factor = 1024 ** ("B", "KiB", "MiB", "GiB", "TiB").index(unit)
    digits = len(whole.partition(".")[2])
    return f"{used / factor:.{digits}f}/{whole} {unit}"


def node_table(nodes: Sequence[Entity], look: Look, now: float, *, indent: str = "") -> Table:
    table = Table(
        [
            Column("NODE", flex=True), Column("STATE"), Column("CPU", right=True), Column("MEM", right=True),
            Column("MEMORY", right=True, optional=2), Column("TEMP", right=True), Column("UPTIME", right=True),
            Column("ADDRESS", optional=3), Column("PVE", optional=1),
        ],
        indent=indent,
    )  # fmt: skip
    for node in nodes:
        up = node.get("status") == "online"
        used, total = node.get("memory_used_bytes"), node.get("memory_total_bytes")
        degrees = node.get("temperature_c") if up else None
        table.add(
            Cell(str(node.get("name")), "bold"),
            state_cell(str(node.get("status")), look, freshness=node.get("freshness")),
            load(node.get("cpu"), 0.85, 0.95) if up else None,
            load(ratio(used, total), 0.85, 0.95) if up else None,
            of(used, total) if up else None,
            warmth(degrees),
            _uptime(node, now) if up else _last_seen(node, now),
            node.get("ip"),
            node.get("pve_version"),
        )  # fmt: skip
    return table


def warmth(degrees: float | None) -> Value:
    if degrees is None:
        return None
    return Cell(f"{degrees:.0f}°C", "bad" if degrees >= 92 else "warn" if degrees >= 80 else "plain")


def _uptime(entity: Entity, now: float) -> str | None:
    started = entity.get("started_at")
    return None if started is None else span(now - started)


def _last_seen(entity: Entity, now: float) -> Value:
    seen_at = entity.get("last_seen_at")
    return None if seen_at is None else Cell(f"seen {span(now - seen_at)} ago", "faint")


def guest_state(guest: Entity, look: Look) -> Cell:
    if guest.get("template"):
        return state_cell("template", look)
    cell = state_cell(str(guest.get("status")), look, freshness=guest.get("freshness"))
    if guest.get("lock"):
        return Cell(look.glyphs(f"{cell.text} ⏸ {guest['lock']}"), "warn")
    return cell


def guest_table(guests: Sequence[Entity], look: Look, now: float, *, indent: str = "") -> Table:
    table = Table(
        [
            Column("VMID", right=True), Column("NAME", flex=True), Column("KIND"), Column("NODE"), Column("STATE"),
            Column("CPU", right=True), Column("MEM", right=True), Column("MEMORY", right=True, optional=1),
            Column("UPTIME", right=True), Column("TAGS", flex=True, optional=2),
        ],
        indent=indent,
    )  # fmt: skip
    for guest in guests:
        on = guest.get("status") == "running"
        used, total = guest.get("memory_used_bytes"), guest.get("memory_total_bytes")
        table.add(
            str(guest.get("vmid")), Cell(str(guest.get("name") or ""), "bold"), str(guest.get("kind")),
            str(guest.get("node")), guest_state(guest, look),
            load(guest.get("cpu"), 0.9, 0.98) if on else None,
            load(ratio(used, total), 0.9, 0.97) if on else None,
            of(used, total) if on else Cell(size(total) or "-", "faint"),
            _uptime(guest, now) if on else None,
            Cell(" ".join(guest.get("tags") or []) or "-", "faint"),
        )  # fmt: skip
    return table


def storage_table(storages: Sequence[Entity], look: Look) -> Table:
    table = Table([
        Column("STORAGE", flex=True), Column("NODE"), Column("TYPE"), Column("STATE"), Column("USED", right=True),
        Column("SPACE", right=True), Column("FREE", right=True, optional=1),
        Column("CONTENT", flex=True, optional=2),
    ])  # fmt: skip
    for storage in storages:
        used, total = storage.get("used_bytes"), storage.get("total_bytes")
        table.add(
            Cell(str(storage.get("name")), "bold"),
            Cell("shared", "faint") if storage.get("shared") else str(storage.get("node") or "-"),
            str(storage.get("type")),
            state_cell(str(storage.get("status")), look, freshness=storage.get("freshness")),
            load(ratio(used, total), 0.9, 0.95), of(used, total),
            size(total - used) if used is not None and total is not None else None,
            Cell(" ".join(storage.get("content") or []) or "-", "faint"),
        )  # fmt: skip
    return table


def task_table(tasks: Sequence[Entity], look: Look, now: float) -> Table:
    table = Table([
        Column("STARTED"), Column("NODE"), Column("TASK"), Column("TARGET"), Column("STATE"),
        Column("TOOK", right=True), Column("USER", flex=True, optional=1), Column("RESULT", flex=True, optional=2),
    ])  # fmt: skip
    for task in tasks:
        started, ended = task.get("started_at") or now, task.get("ended_at")
        running = task.get("status") == "running"
        progress = share(task.get("progress")) if running else None
        table.add(
            clock(started, now), str(task.get("node")), Cell(str(task.get("type")), "bold"),
            str(task.get("target") or "-"), state_cell(str(task.get("status")), look),
            span((ended or now) - started) if ended or running else None, Cell(str(task.get("user")), "faint"),
            progress or str(task.get("exit_text") or "-"),
        )  # fmt: skip
    return table


def incident_table(incidents: Sequence[Entity], look: Look, now: float, *, indent: str = "") -> Table:
    table = Table(
        [
            Column("ID", right=True), Column("SEVERITY"), Column("SINCE"), Column("FOR", right=True, optional=2),
            Column("INCIDENT", flex=True), Column("NOTE", optional=1),
        ],
        indent=indent,
    )  # fmt: skip
    for incident in incidents:
        opened, closed = incident.get("opened_at") or now, incident.get("closed_at")
        word = "closed" if incident.get("status") == "closed" else str(incident.get("severity"))
        table.add(
            str(incident.get("id")), state_cell(word, look), clock(opened, now), span((closed or now) - opened),
            str(incident.get("title")), Cell(incident_note(incident, now) or "-", "faint"),
        )  # fmt: skip
    return table


def incident_note(incident: Entity, now: float) -> str:
    notes = []
    if incident.get("acked_at"):
        notes.append(f"seen by {incident.get('acked_by') or 'somebody'}")
    if (incident.get("silenced_until") or 0) > now:
        notes.append(f"silenced until {clock(incident['silenced_until'], now)}")
    if incident.get("close_reason"):
        notes.append(str(incident["close_reason"]))
    return ", ".join(notes)


def guest_counts(guests: Sequence[Entity]) -> str:
    """``15 running · 2 stopped · 1 template``."""
    counts = Counter("template" if g.get("template") else str(g.get("status")) for g in guests)
    order = ("running", "stopped", "paused", "suspended", "unknown", "template")
    return " · ".join(f"{counts[word]} {word}{'s' if word == 'template' and counts[word] > 1 else ''}"
                      for word in order if counts[word])  # fmt: skip


def stale_note(rows: Sequence[Entity]) -> str:
    """`` (stale)`` where no row is fresh: a sum of old facts is an old fact."""
    return " (stale)" if rows and all(row.get("freshness") != "fresh" for row in rows) else ""


def age_note(state: State, now: float) -> Cell:
    at = as_of(state)
    if at is None:
        return Cell("no data yet", "warn")
    age = now - at
    return Cell(f"data {span(age)} old", "warn" if age > DATA_OLD_S else "faint")


def footer(look: Look, state: State, now: float, *, simulated: bool) -> Iterator[str]:
    """The last lines of a table: how old the picture is, and whether it is a real one."""
    parts = [age_note(state, now)] if "sources" in state else []
    parts += killed(state)
    if simulated:
        parts.append(Cell("SIMULATED", "warn"))
    if parts:
        yield ""
        yield headline(parts, look)


def killed(state: State) -> list[Cell]:
    """``KILLED`` while the kill switch is engaged."""
    switch = state.get("killswitch", {}).get("killswitch:main") or {}
    return [Cell("KILLED", "bad")] if switch.get("engaged") else []


def quorum_note(cluster: Entity, state: State, now: float) -> Cell:
    """What is known of the quorum, and whether that is old."""
    if cluster.get("standalone"):
        return Cell("single node", "faint")
    online, total = cluster.get("nodes_online"), cluster.get("nodes_total")
    votes = f" {online}/{total}" if online is not None and total is not None else ""
    if cluster.get("quorate") is None:
        return Cell(f"quorum unknown{votes}", "warn")
    if not cluster["quorate"]:
        return Cell(f"QUORUM LOST{votes}", "bad")
    told = [
        source_freshness(source, now) for source in state.get("sources", {}).values()
        if source.get("what") == "status" and source.get("cluster") == cluster.get("cluster")
    ]  # fmt: skip
    old = bool(told) and "fresh" not in told
    return Cell(f"quorate{votes}{' (stale)' if old else ''}", "warn" if old else "plain")


def paint(cell: Cell, look: Look) -> str:
    return look.paint(look.glyphs(cell.text), cell.tone)


def headline(parts: Sequence[Cell], look: Look) -> str:
    return look.paint(look.glyphs(" · "), "faint").join(paint(part, look) for part in parts)


def title(text: str, look: Look, note: str = "") -> str:
    line = look.paint(text, "light")
    return f"{line}  {look.paint(look.glyphs(note), 'faint')}" if note else line


SEVERITY_TONE: Final[dict[str, Tone]] = {
    "info": "plain", "ok": "good", "warning": "warn", "error": "bad", "critical": "bad",
}  # fmt: skip


def event_line(event: dict[str, Any], look: Look, now: float) -> str:
    """One line of the feed: local time, glyph, text."""
    from jarvis_daemon.protocol.text import clean

    severity = str(event.get("severity") or "info")
    glyph = STATES.get(severity, ("·", "plain"))[0]
    at = look.paint(clock(event.get("at"), now) or "-", "faint")
    text = f"{glyph} {clean(str(event.get('text') or ''))}"
    return f"{at} {look.paint(look.glyphs(text), SEVERITY_TONE.get(severity, 'plain'))}"
