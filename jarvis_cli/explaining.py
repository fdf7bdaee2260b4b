"""`jarvis incident explain`: why an incident is, from its evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jarvis_cli import views
from jarvis_cli.cells import fold
from jarvis_cli.outcome import TIER_TONE
from jarvis_cli.prose import Prose
from jarvis_cli.shapes import Entity, shape
from jarvis_cli.style import Look, Tone
from jarvis_cli.verbs import command_line
from jarvis_daemon.protocol.text import clean, clean_block

CAUSE: Final = ("text", "speaks_for", "against")
ADVICE: Final = ("text", "tool", "args", "tier", "command")


def document(found: Entity, *, simulated: bool) -> Entity:
    """The shape *explanation* of docs/output.md."""
    return {
        "simulated": simulated,
        **shape(found, ("id", "title", "evidence")),
        "causes": [shape(cause, CAUSE) for cause in found.get("causes") or []],
        "advice": [{**shape(advice, ADVICE), "command": _command(advice)} for advice in found.get("advice") or []],
        **shape(found, ("prose", "backend")),
    }


def lines(found: Entity, look: Look) -> Iterator[str]:
    """The evidence first, then likely causes with what speaks for and against, then what could be done."""
    yield look.paint(f"#{clean(str(found.get('id')))} {clean(str(found.get('title') or ''))}", "bold")
    if prose := clean_block(str(found.get("prose") or "")).strip():
        yield ""
        teller = Prose(look)
        yield from (teller.feed(prose) + teller.end()).splitlines()
        yield look.paint(
            look.glyphs(f"· told by {clean(str(found.get('backend') or 'a model'))}, from what is below"), "faint"
        )
    yield from _part("EVIDENCE", [*_listed(found.get("evidence"), "-", "plain", look)], look)
    causes: list[str] = []
    for number, cause in enumerate(found.get("causes") or [], 1):
        causes += _wrapped(f"{number}. {clean(str(cause.get('text')), limit=2000)}", look, indent="     ")
        causes += _listed(cause.get("speaks_for"), "+", "good", look, indent="     ")
        causes += _listed(cause.get("against"), "-", "warn", look, indent="     ")
    yield from _part("LIKELY CAUSES", causes or ["  none that the evidence speaks for"], look)
    advised: list[str] = []
    for number, advice in enumerate(found.get("advice") or [], 1):
        tier = str(advice.get("tier") or "")
        told = _wrapped(f"{number}. {clean(str(advice.get('text')), limit=2000)}", look, indent="     ")
        told[-1] += f" {look.paint(tier.upper(), TIER_TONE.get(tier, 'bad'))}" if tier else ""
        advised += told
        if command := _command(advice):
            advised.append("     " + look.paint(clean(command, limit=2000), "light"))
    yield from _part("WHAT COULD BE DONE", advised or ["  nothing that a tool of mine does"], look)


def _command(advice: Entity) -> str | None:
    """As it is told, else the command line for its tool and arguments."""
    if advice.get("command"):
        return str(advice["command"])
    return command_line(str(advice["tool"]), dict(advice.get("args") or {})) if advice.get("tool") else None


def _part(heading: str, told: list[str], look: Look) -> Iterator[str]:
    yield ""
    yield views.title(heading, look)
    yield from told


def _listed(items: Any, mark: str, tone: Tone, look: Look, *, indent: str = "  ") -> list[str]:
    out: list[str] = []
    for item in items or []:
        first, *rest = _wrapped(clean(str(item), limit=2000), look, indent=indent + "  ", first=indent + "  ")
        out += [indent + look.paint(mark, tone) + first[len(indent) + 1 :], *rest]
    return out


def _wrapped(text: str, look: Look, *, indent: str, first: str = "  ") -> list[str]:
    room = None if look.width is None else max(20, look.width - len(indent))
    head, *rest = fold(look.glyphs(text), room)
    return [first + head, *(indent + line for line in rest)]
