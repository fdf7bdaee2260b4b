"""`jarvis trace`: where the time of an answer went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import typer

from jarvis_cli import shapes, views
from jarvis_cli.cells import fit, pad, width
from jarvis_cli.commands.cost import millis
from jarvis_cli.group import Reading, verb
from jarvis_cli.session import session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look
from jarvis_cli.values import clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

app = verb()

SPAN: Final = ("name", "began_ms", "lasted_ms", "note")
BAR_MAX: Final = 48
BAR_MIN: Final = 10


@app.command("trace", cls=Reading, epilog="jarvis trace\njarvis trace 41 -o json")
def trace(
    ctx: typer.Context,
    turn: str = typer.Argument("last", help="Number of the turn, or last.", metavar="[TURN]"),
) -> None:
    """Where the time of an answer went: understanding, context, queue, first token, tools."""
    run = session(ctx)
    if turn != "last" and not turn.isdigit():
        raise JarvisError(
            "invalid_params", f"{clean(turn, limit=40)!r} is no turn", why="it is a number, or last",
            next="`jarvis chat show -o json` has the numbers.",
        )  # fmt: skip
    with run.link(role="operator") as link:
        found = link.call("trace.show", {} if turn == "last" else {"turn": int(turn)})
        simulated, now = bool(link.welcome.get("simulated")), float(link.welcome.get("now") or 0.0)
    spans = [shapes.shape(span, SPAN) for span in found.get("spans") or []]
    told = shapes.shape(found, ("id", "turn", "at", "asked", "backend"))
    document = {"simulated": simulated, **told, "spans": spans}

    def lines(look: Look) -> Iterator[str]:
        asked = clean(str(found.get("asked") or ""), limit=200)
        at = look.paint(clock(found.get("at"), now) or "-", "faint")
        yield f"{at} {look.paint(f'> {asked}', 'light')}"
        yield look.paint(
            look.glyphs(f"turn {found.get('turn')} · {clean(str(found.get('backend') or '-'))}"), "faint"
        )
        yield ""
        yield from trace_lines(found, look)
        yield from views.footer(look, {}, now, simulated=simulated)

    run.out.emit(document, lines, rows=spans)


def trace_lines(found: Entity, look: Look) -> list[str]:
    """A bar for each span, where it lies in the whole."""
    spans = list(found.get("spans") or [])
    if not spans:
        return ["Nothing was measured."]
    end = max(_number(span, "began_ms") + _number(span, "lasted_ms") for span in spans) or 1.0
    label = max(width(clean(str(span.get("name")))) for span in spans)
    times = [millis(_number(span, "lasted_ms")) or "-" for span in spans]
    time_width = max(map(len, times))
    room = BAR_MAX if look.width is None else look.width - label - time_width - 6
    cells = max(BAR_MIN, min(BAR_MAX, room))
    out = []
    for span, took in zip(spans, times, strict=True):
        first = min(cells - 1, int(_number(span, "began_ms") / end * cells))
        long = max(1, min(cells - first, round(_number(span, "lasted_ms") / end * cells)))
        block = "█" if look.unicode else "#"
        bar = look.paint(block * long, "light" if span.get("name") != "total" else "faint")
        line = (
            f"{look.paint(pad(clean(str(span.get('name'))), label), 'faint')}  {' ' * first}{bar}"
            f"{' ' * (cells - first - long)}  {pad(took, time_width, right=True)}"
        )
        note = clean(str(span.get("note") or ""))
        left = None if look.width is None else look.width - label - cells - time_width - 6
        if note and (left is None or left > BAR_MIN):
            line += "  " + look.paint(note if left is None else fit(note, left, ellipsis=look.glyphs("…")), "faint")
        out.append(line.rstrip())
    return out


def _number(span: Entity, name: str) -> float:
    return max(0.0, float(span.get(name) or 0.0))
