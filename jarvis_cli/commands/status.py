"""`jarvis status`: the whole homelab at a glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import typer

from jarvis_cli import shapes, views
from jarvis_cli.cells import fold
from jarvis_cli.group import Reading, verb
from jarvis_cli.session import session
from jarvis_cli.state import Picture, picture
from jarvis_cli.style import STATES, Look
from jarvis_cli.table import Cell
from jarvis_daemon.protocol.health import EXIT_CODE, State, assess
from jarvis_daemon.protocol.text import clean

app = verb()

DAY_S: Final = 86400.0
WORDS: Final = {
    "repaired": "repaired", "acting": "under way", "verifying": "under way", "asking": "waiting for your word",
    "refused": "refused", "holding": "held back", "escalated": "handed over", "reported": "reported",
}  # fmt: skip
"""Status of a repair -> the word under which it is counted."""

EXAMPLES = """
jarvis status
jarvis status -o json | jq '.guests[] | select(.status == "unknown") | .name'
jarvis status -q >/dev/null || echo "look at the homelab"
"""


@app.command("status", cls=Reading, epilog=EXAMPLES)
def status(ctx: typer.Context) -> None:
    """The whole homelab at a glance.

    Exits with 0 when it is healthy, 10 when degraded, 11 when critical.
    """
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster", "incidents", "health")
    state, now = found.state, found.now
    document = shapes.status(state, now, simulated=found.simulated)
    run.out.emit(document, lambda look: lines(found, state, now, look))
    raise typer.Exit(EXIT_CODE[document["health"]])


def lines(found: Picture, state: State, now: float, look: Look) -> Iterator[str]:
    """Header, what is wrong, nodes, guests, incidents."""
    yield from header(state, now, look, simulated=found.simulated)
    nodes, guests = shapes.nodes(state, now), shapes.guests(state, now)
    yield ""
    online = f"{sum(node['status'] == 'online' for node in nodes)} of {len(nodes)} online{views.stale_note(nodes)}"
    yield views.title("NODES", look, online if nodes else "none seen")
    if nodes:
        yield from views.node_table(nodes, look, now, indent="  ").lines(look)
    yield ""
    yield views.title("GUESTS", look, views.guest_counts(guests) + views.stale_note(guests) or "none seen")
    if guests:
        yield from views.guest_table(guests, look, now, indent="  ").lines(look)
    opened = shapes.open_incidents(state)
    yield ""
    yield views.title("INCIDENTS", look, f"{len(opened)} open" if opened else "none")
    if opened:
        yield from views.incident_table(opened, look, now, indent="  ").lines(look)
    if autonomy := state.get("autonomy", {}).get("autonomy:main"):
        yield ""
        room = None if look.width is None else max(20, look.width - 10)
        first, *rest = fold(_watchman(autonomy, state, now), room)
        yield views.title("WATCHMAN", look, first)
        yield from (f"{'':<10}{look.paint(look.glyphs(line), 'faint')}" for line in rest)


def _watchman(autonomy: dict[str, Any], state: State, now: float) -> str:
    """The level, and what was done in the last 24 hours, of what came with the picture anyway."""
    level, holds = autonomy.get("level"), autonomy.get("effective")
    told = f"autonomy L{level}"
    if holds is not None and holds != level:
        told += f", but L{holds} holds"
    recent = [r for r in state.get("repairs", {}).values() if (r.get("ended_at") or now) >= now - DAY_S]
    found = Counter(WORDS[status] for r in recent if (status := str(r.get("status"))) in WORDS)
    counts = [f"{found[word]} {word}" for word in dict.fromkeys(WORDS.values()) if found[word]]
    return clean(f"{told} · {', '.join(counts) + ' in 24 h' if counts else 'nothing repaired in 24 h'}")


def header(state: State, now: float, look: Look, *, simulated: bool) -> Iterator[str]:
    """``homelab · ● healthy · quorate 4/4 · data 4 s old · SIMULATED`` and a line for each reason."""
    level, reasons = assess(state, now)
    clusters = list(state.get("clusters", {}).values())
    word = views.state_cell(level, look)
    parts = [Cell(", ".join(str(c.get("name")) for c in clusters) or "no cluster yet", "bold"), word]
    parts += [views.quorum_note(cluster, state, now) for cluster in clusters]
    parts.append(views.age_note(state, now))
    parts += views.killed(state)
    if simulated:
        parts.append(Cell("SIMULATED", "warn"))
    yield views.headline(parts, look)
    glyph, tone = STATES[level]
    opened = {str(i.get("title")) for i in shapes.open_incidents(state)}
    for reason in reasons:
        if reason not in opened:
            yield f"  {look.paint(look.glyphs(glyph), tone)} {clean(reason)}"
    for cluster in clusters:
        if cluster.get("problem_next"):
            yield f"  {look.paint('next:', 'faint')} {clean(str(cluster['problem_next']))}"
        failed = {} if cluster.get("problem") else cluster.get("endpoints_failed") or {}
        for endpoint, why in failed.items():
            if why in reasons:
                continue
            told = str(why) if endpoint in str(why) else f"{endpoint} does not answer: {why}"
            yield look.paint(f"  {told}", "warn")
        if missing := cluster.get("missing_privileges"):
            yield look.paint(f"  The token lacks {', '.join(missing)}: what they show is unknown here.", "warn")
