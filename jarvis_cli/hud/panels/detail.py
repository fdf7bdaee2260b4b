"""Lines that describe one thing: a guest, an incident, an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jarvis_cli import stories
from jarvis_cli.hud.states import ASCII, UNICODE, Entity, repair_state, severity_state, share_of
from jarvis_cli.hud.units import clock_s, day, percent, size, span
from jarvis_cli.hud.widgets.cells import wrap
from jarvis_cli.hud.widgets.lines import Line, Run, join
from jarvis_daemon.protocol.errors import JarvisError

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model

MOMENTS = (
    ("observed", "observed_at"),
    ("opened", "opened_at"),
    ("announced", "announced_at"),
    ("seen", "acked_at"),
    ("silent until", "silenced_until"),
    ("closed", "closed_at"),
)
CONFIG_FIRST = (
    "cores",
    "sockets",
    "cpu",
    "memory",
    "balloon",
    "swap",
    "ostype",
    "onboot",
    "boot",
    "agent",
    "protection",
)


STORIES_MAX = 3
"""Of one incident; `jarvis history --incident N` has all."""
_TO_ASCII = str.maketrans({UNICODE[name]: ASCII[name] for name in UNICODE})


def pair(label: str, value: object, role: str = "text") -> Line:
    return join((f"  {label:<14.14} ", "faint"), (str(value), role))


def section(title: str) -> list[Line]:
    return [(), join((f" {title}", "light"))]


def of_guest(model: Model, guest: Entity) -> list[Line]:
    """What is known without asking."""
    state = model.guest_state(guest)
    now = model.now()
    memory = share_of(guest.get("memory_used_bytes"), guest.get("memory_total_bytes"))
    kind = "VM" if guest.get("kind") == "vm" else "container"
    disk = size(guest.get("disk_used_bytes")) if guest.get("kind") == "ct" else "n/a"
    believed = state.word != "unknown"
    role, before = ("text", "") if believed else ("faint", " before")
    cores = guest.get("cpu_count") or 0
    lines = [
        pair("state", f"{model.glyphs[state.mark]} {state.word} {state.note}".rstrip(), state.role),
        pair("what", f"{kind} on {guest.get('node')}"),
        pair("cpu", f"{percent(guest.get('cpu'))} of {cores:g} core{'s' * (cores != 1)}{before}", role),
        pair("memory", f"{size(guest.get('memory_used_bytes'))} of {size(guest.get('memory_total_bytes'))} "
             f"({percent(memory)}){before}", role),
        pair("disk", f"{disk} of {size(guest.get('disk_total_bytes'))}{before}", role),
        pair("network", f"in {size(guest.get('net_in_bytes'))}, out {size(guest.get('net_out_bytes'))}{before}",
             role),
    ]  # fmt: skip
    if guest.get("started_at") and state.word in {"run", "lock"}:
        lines.append(pair("up", span(now - guest["started_at"])))
    for label, key in (("HA", "ha_state"), ("pool", "pool"), ("lock", "lock")):
        if guest.get(key):
            lines.append(pair(label, guest[key]))
    if guest.get("tags"):
        lines.append(pair("tags", " ".join(guest["tags"])))
    if (freshness := model.freshness(guest)) != "fresh":
        seen = guest.get("last_seen_at")
        lines.append(pair("seen", f"{clock_s(seen)} ({freshness})", "warn"))
    if (incident := model.incident_of(guest["id"])) is not None:
        lines.append(pair("incident", incident.get("title"), severity_state(incident.get("severity")).role))
    return lines


def of_description(answer: dict[str, Any], model: Model) -> list[Line]:
    """What ``guest.describe`` told."""
    lines = section("ADDRESSES")
    addresses = answer.get("addresses")
    if addresses:
        lines += [join((f"  {address}", "text")) for address in addresses]
    else:
        lines.append(join((f"  not known: {answer.get('addresses_why') or 'nothing was told'}", "faint")))
    lines += section("CONFIGURATION")
    config = answer.get("config") or {}
    first = [key for key in CONFIG_FIRST if key in config]
    lines += [pair(key, config[key]) for key in [*first, *sorted(set(config) - set(first) - {"digest"})]]
    snapshots = answer.get("snapshots") or []
    lines += section(f"SNAPSHOTS {len(snapshots)}")
    for snapshot in snapshots:
        at = snapshot.get("snaptime")
        when = f"{day(at)} {clock_s(at)}" if isinstance(at, int | float) else ""
        lines.append(pair(str(snapshot.get("name")), f"{when} {snapshot.get('description') or ''}".strip()))
    return lines


def of_incident(model: Model, incident: Entity, width: int) -> list[Line]:
    """Title, course and evidence of an incident."""
    state = severity_state(incident.get("severity"))
    now = model.now()
    wrapped = wrap(str(incident.get("detail") or ""), max(20, width - 3), 4)
    lines = [
        join((f" {model.glyphs[state.mark]} {incident.get('title')}", state.role)),
        *(join((f"   {part}", "text")) for part in wrapped if part),
        (),
        pair("condition", incident.get("condition")),
        pair("target", incident.get("target")),
    ]  # fmt: skip
    for label, key in MOMENTS:
        at = incident.get(key)
        if at:
            ago = f" ({span(now - at)} ago)" if at <= now else ""
            by = f" by {incident['acked_by']}" if key == "acked_at" and incident.get("acked_by") else ""
            lines.append(pair(label, f"{day(at)} {clock_s(at)}{ago}{by}"))
    for repair in model.repairs_of(str(incident.get("id")))[-STORIES_MAX:]:
        lines += of_repair(model, repair, width)
    evidence = incident.get("evidence") or {}
    if evidence:
        lines += section("EVIDENCE")
        lines += [_evidence(str(key), value, now) for key, value in sorted(evidence.items())]
    return lines


def of_repair(model: Model, repair: Entity, width: int) -> list[Line]:
    """The story of a repair: saw, decided, did, verified, or why not."""
    state = repair_state(repair)
    attempt = f" {model.glyphs['dot']} attempt {repair['attempt']}" if (repair.get("attempt") or 0) > 1 else ""
    head = f"   runbook {repair.get('runbook')}, L{repair.get('level')}{attempt}"
    lines: list[Line] = [
        (),
        join((" REPAIR", "light"), (f"  {model.glyphs[state.mark]} {state.word}", state.role), (head, "faint")),
    ]
    for label, at, text, tone in stories.rows_of(repair, model.now()):
        first, *rest = wrap(_glyphs(text, model), max(20, width - 25), 3)
        role = {"plain": "text"}.get(tone, tone)
        lines.append(join((f"  {label:<10} {clock_s(at) if at else '':<9}", "faint"), (first, role)))
        lines += [join((" " * 22 + part, role)) for part in rest]
    return lines


def _glyphs(text: str, model: Model) -> str:
    return text.translate(_TO_ASCII) if model.ascii_only else text


def of_error(error: JarvisError, width: int) -> list[Line]:
    lines: list[Line] = [join((f"  {part}", "warn")) for part in wrap(error.sentence(), max(20, width), 4)]
    return [*lines, *(join((f"  {part}", "faint")) for part in wrap(error.next, max(20, width), 3))]


def task_note(status: str, exit_text: object, model: Model) -> tuple[Run, ...]:
    if status == "running":
        return ((f"{model.glyphs['run']} live", "light"),)
    role = {"ok": "good", "failed": "bad", "warnings": "warn"}.get(status, "faint")
    return ((f"{status} {exit_text if exit_text and status != 'ok' else ''}".strip(), role),)


def _evidence(key: str, value: object, now: float) -> Line:
    """One fact; a moment is told as one."""
    if key.endswith("_at") and isinstance(value, float):
        told = f"{day(value)} {clock_s(value)} ({span(now - value)} ago)"
        return pair(key.removesuffix("_at").replace("_", " "), told)
    return pair(key, _plain(value))


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
