"""`jarvis runbook test`: what a runbook would do, with each guardrail's verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer

from jarvis_cli import complete, runbooks, shapes, views
from jarvis_cli.runbooks import WHICH, plain
from jarvis_cli.session import session
from jarvis_cli.shapes import Entity
from jarvis_cli.state import picture
from jarvis_cli.stories import VERDICTS
from jarvis_cli.style import Look, Tone
from jarvis_cli.table import Cell, Column, Table
from jarvis_cli.values import clock, rfc3339
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

EXAMPLES: Final = """
jarvis runbook test guest-crashed pihole
jarvis runbook test guest-crashed --incident 12
"""
DECISIONS: Final[dict[str, tuple[str, Tone, str]]] = {
    "act": ("✔", "good", "it would act"),
    "report": ("✔", "good", "it would gather evidence and report"),
    "ask": ("▲", "warn", "it would ask you first"),
    "hold": ("◌", "warn", "it would wait"),
    "recommend": ("▲", "warn", "it would recommend it to you, and do nothing"),
    "refuse": ("✖", "bad", "it would do nothing"),
    "hand_over": ("✖", "bad", "it would hand it over to you"),
    "nothing": ("○", "faint", "it would do nothing"),
}
ACTS: Final = frozenset({"act", "report"})
"""Decisions with which `jarvis runbook test` ends well."""


def trial(
    ctx: typer.Context,
    name: str = typer.Argument(help=WHICH, autocompletion=complete.runbooks),
    target: str | None = typer.Argument(
        None, help="As if its condition were seen there now: a name or an id.", autocompletion=complete.targets
    ),
    incident: str | None = typer.Option(
        None,
        "--incident",
        help="As it was at this recorded incident.",
        metavar="N",
        autocompletion=complete.incidents,
    ),
) -> None:
    """What it would do, with each guardrail's verdict. Nothing is done.

    Exits with 0 when it would act or report, with 5 when something stands against it.
    """
    run = session(ctx)
    if (target is None) == (incident is None):
        raise JarvisError(
            "invalid_params", "Where is it to be tried?",
            why="give a target or --incident" + (", not both" if target else ""),
            next="`jarvis runbook test -h` has examples.",
        )  # fmt: skip
    with run.link() as link:
        info = runbooks.find(link, name)
        found = picture(link, "cluster")
        params: dict[str, Any] = {"name": name}
        if incident is not None:
            params["incident"] = incident.lstrip("#")
        else:
            params["target"] = runbooks.target(found.state, info, str(target))
        tested = link.call("runbook.test", params)
    document = {"simulated": found.simulated, **_tested(tested)}

    def lines(look: Look) -> Iterator[str]:
        yield from _verdicts(tested, found.now, look)
        yield from views.footer(look, {}, found.now, simulated=found.simulated)

    run.out.emit(document, lines)
    if tested.get("decision") not in ACTS:
        raise typer.Exit(5)


def _tested(tested: Entity) -> Entity:
    fields = ("runbook", "target", "target_name", "replayed", "decision", "text", "steps")
    return {
        **{key: tested.get(key) for key in fields},
        "facts_at": rfc3339(tested.get("facts_at") or None),
        "when": [shapes.shape(check, shapes.CHECK) for check in tested.get("when") or []],
        "checks": [shapes.shape(check, shapes.CHECK) for check in tested.get("checks") or []],
    }


def _verdicts(tested: Entity, now: float, look: Look) -> Iterator[str]:
    """Preconditions, guardrails in their order, steps, and what it comes to."""
    name = clean(str(tested.get("target_name") or tested.get("target") or "?"))
    at = clock(tested.get("facts_at") or None, now) or "now"
    told = f"as it was at {at}" if tested.get("replayed") else f"as it is now ({at})"
    yield look.paint(clean(str(tested.get("runbook"))), "bold") + f" on {name}, {told}"
    for title, note, checks in (
        ("PRECONDITIONS", "of the runbook", tested.get("when")),
        ("GUARDRAILS", "in their order", tested.get("checks")),
    ):
        yield ""
        yield views.title(title, look, note if checks else "none")
        yield from _checks(checks or [], look)
    yield ""
    steps = tested.get("steps") or []
    yield views.title("STEPS", look, "that would be taken" if tested.get("decision") in ACTS else "of the runbook")
    yield from (f"  {number}. {plain(step)}" for number, step in enumerate(steps, 1))
    glyph, tone, word = DECISIONS.get(str(tested.get("decision")), ("·", "plain", str(tested.get("decision"))))
    yield ""
    text = plain(tested.get("text"))
    yield look.paint(look.glyphs(f"{glyph} {word[0].upper()}{word[1:]}."), tone) + (f" {text}" if text else "")


def _checks(checks: list[Entity], look: Look) -> Iterator[str]:
    table = Table([Column("VERDICT"), Column("GUARDRAIL"), Column("WHY", flex=True)], indent="  ")
    for found in checks:
        verdict = str(found.get("verdict"))
        glyph, tone = VERDICTS.get(verdict, ("·", "plain"))
        table.add(Cell(f"{glyph} {verdict}", tone), str(found.get("guardrail")), plain(found.get("text")) or None)
    if checks:
        yield from table.lines(look)[1:]
