"""`jarvis approvals`: what waits for the operator's word, and with ``-f`` what comes to wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import typer

from jarvis_cli import outcome, shapes, views
from jarvis_cli.group import Reading, verb
from jarvis_cli.output import json_text
from jarvis_cli.session import Session, session
from jarvis_cli.shapes import Entity
from jarvis_cli.state import picture
from jarvis_cli.style import Look, Tone
from jarvis_cli.table import Cell, Column, Table
from jarvis_cli.values import clock, span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.protocol.text import clean

app = verb()

_TONE: dict[str, Tone] = {
    "pending": "warn",
    "approved": "good",
    "denied": "bad",
    "expired": "faint",
    "void": "faint",
}


@app.command("approvals", cls=Reading, epilog="jarvis approvals\njarvis approvals -f -o jsonl")
def approvals(
    ctx: typer.Context,
    follow: bool = typer.Option(False, "-f", "--follow", help="Go on with what comes, until Ctrl-C."),
    all_: bool = typer.Option(False, "--all", "-a", help="Those that were answered just now, too."),
) -> None:
    """What waits for your word, and the kill switch."""
    run = session(ctx)
    if follow and run.out.format in {"json", "yaml"}:
        raise JarvisError("invalid_params", f"-f has no end, and {run.out.format} needs one", next="Use -o jsonl.")
    if follow:
        _follow(run, all_=all_)
        return
    with run.link() as link:
        found = picture(link, "approvals")
    waiting = waits(found.state, all_=all_)
    rows = [shapes.shape(entry, shapes.APPROVAL) for entry in waiting]
    switch = shapes.killswitch(found.state)
    document = {"simulated": found.simulated, "killswitch": switch, "approvals": rows}

    def lines(look: Look) -> Iterator[str]:
        if waiting:
            yield from table(waiting, look, found.now).lines(look)
        else:
            yield look.glyphs("✔ Nothing waits.")
        yield from views.footer(look, found.state, found.now, simulated=found.simulated)

    run.out.emit(document, lines, rows=rows)


def waits(state: dict[str, dict[str, Any]], *, all_: bool) -> list[Entity]:
    """Approvals, the oldest first."""
    found = sorted(state.get("approvals", {}).values(), key=lambda a: (a.get("asked_at") or 0.0, str(a.get("id"))))
    return [entry for entry in found if all_ or entry.get("status") == "pending"]


def table(found: list[Entity], look: Look, now: float) -> Table:
    out = Table([
        Column("ID"), Column("TIER"), Column("STATUS"), Column("WHAT", flex=True), Column("ASKED BY", flex=True),
        Column("ASKED"), Column("LEFT", right=True),
    ])  # fmt: skip
    for entry in found:
        status = str(entry.get("status"))
        left = span((entry.get("expires_at") or now) - now) if status == "pending" else None
        out.add(
            Cell(str(entry.get("id")), "bold"), outcome.tier_cell(str(entry.get("tier"))),
            Cell(status, _TONE.get(status, "plain")), str(entry.get("summary")), str(entry.get("asked_by")),
            clock(entry.get("asked_at"), now), left,
        )  # fmt: skip
    return out


def find(link: PlainClient, wanted: str) -> Entity:
    """An approval by its id. Raises ``not_found`` naming those that wait."""
    state = picture(link, "approvals").state
    entry = state.get("approvals", {}).get(wanted)
    if entry is None:
        waiting = ", ".join(str(a["id"]) for a in waits(state, all_=False))
        raise JarvisError(
            "not_found", f"There is no approval {clean(wanted, limit=40)!r}",
            why=f"there waits {waiting}" if waiting else "nothing waits", next="`jarvis approvals` shows them.",
        )  # fmt: skip
    return dict(entry)


def card(entry: Entity, look: Look) -> Iterator[str]:
    """What an answer would decide upon: what, to what, what else, by whom."""
    yield look.paint(clean(str(entry.get("summary") or "")), "bold")
    args = json_text(entry.get("args") or {})
    yield f"  {entry.get('tool')} {clean(args)} ({str(entry.get('tier')).upper()})"
    for effect in entry.get("effects") or []:
        yield f"  {clean(str(effect))}"
    yield f"  asked by {clean(str(entry.get('asked_by') or ''))}"


# --- following ------------------------------------------------------------------------------------------


def _follow(run: Session, *, all_: bool) -> None:
    """Each approval when it comes to wait and when it is answered; the kill switch when it changes."""
    from jarvis_cli.follow import again

    seen: dict[str, Any] = {}

    def attached(link: PlainClient) -> None:
        link.subscribe(["approvals"])
        link.settimeout(None)
        for _ in link.notifications():
            link.notes.clear()
            answer = link.call("state.get", {"topics": ["approvals"]})
            state = answer["topics"]["approvals"]["state"]
            for line in _news(run, state, float(answer["now"]), seen, all_=all_):
                run.out.line(line)
            if run.out.closed:
                return

    again(run, attached)


def _news(run: Session, state: dict[str, Any], now: float, seen: dict[str, Any], *, all_: bool) -> Iterator[str]:
    first = not seen
    switch = shapes.killswitch(state)
    if switch is not None and switch["engaged"] != seen.get("killswitch", False):
        yield _killed_line(run, switch)
    seen["killswitch"] = switch["engaged"] if switch else False
    for entry in waits(state, all_=True):
        key, status = str(entry["id"]), (entry.get("status"), entry.get("outcome"))
        if seen.get(key) == status:
            continue
        told = key in seen or entry.get("status") == "pending" or all_ or not first
        seen[key] = status
        if told:
            yield _line(run, entry, now)


def _line(run: Session, entry: Entity, now: float) -> str:
    if run.out.format == "jsonl":
        return json_text(shapes.shape(entry, shapes.APPROVAL))
    look, status = run.out.look, str(entry.get("status"))
    at = entry.get("answered_at") if status != "pending" else entry.get("asked_at")
    word = look.paint(f"{entry['id']} {status}", _TONE.get(status, "plain"))
    tail = f" by {entry['answered_by']}" if entry.get("answered_by") else ""
    tail += f" ({entry['outcome']})" if entry.get("outcome") else ""
    who = f", asked by {entry.get('asked_by')}" if status == "pending" else ""
    return f"{clock(at, now or time.time())} {word} {clean(str(entry.get('summary')) + who + tail)}"


def _killed_line(run: Session, switch: Entity) -> str:
    if run.out.format == "jsonl":
        return json_text({"killswitch": switch})
    word = "KILLED: nothing acts" if switch["engaged"] else "The kill switch is released"
    return run.out.look.paint(f"{word}. {clean(str(switch.get('reason') or ''))}".rstrip(), "bad")
