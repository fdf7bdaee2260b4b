"""`jarvis drill`: the simulated homelab is broken at random, and what was repaired, refused and why is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

import typer

from jarvis_cli import complete, shapes, stories, views
from jarvis_cli.child import Child
from jarvis_cli.group import Reading, verb
from jarvis_cli.session import session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import STATES, Look
from jarvis_cli.values import clock, rfc3339
from jarvis_daemon.protocol.text import clean

app = verb()

EXAMPLES: Final = """
jarvis drill
jarvis drill --minutes 240 --seed 7
jarvis drill --power-cut
jarvis drill --runbook guest-crashed -o json
"""
TITLES: Final = (
    ("repaired", "REPAIRED"), ("asked", "ASKED FOR"), ("refused", "LEFT ALONE"), ("escalated", "FOR A PERSON"),
)  # fmt: skip
"""Keys of the report that hold stories, with what they are called."""


@app.command("drill", cls=Reading, epilog=EXAMPLES)
def drill(
    ctx: typer.Context,
    minutes: int = typer.Option(60, "--minutes", min=1, max=10_080, help="How much simulated time."),
    seed: int | None = typer.Option(None, "--seed", min=0, help="The same number breaks the same things."),
    runbook: str | None = typer.Option(
        None,
        "--runbook",
        help="One fault that this one answers, played to its end.",
        metavar="NAME",
        autocompletion=complete.runbooks,
    ),
    power_cut: bool = typer.Option(
        False, "--power-cut", help="Instead of faults at random: all nodes go down and come back one by one."
    ),
) -> None:
    """Break a simulated homelab at random and watch what is repaired. Touches nothing real.

    Exits with 1 when an act went against a guardrail.
    """
    run = session(ctx)
    run.local_only("drill")
    words = ["--minutes", str(minutes)]
    words += [] if seed is None else ["--seed", str(seed)]
    words += [] if runbook is None else ["--runbook", runbook]
    words += ["--power-cut"] if power_cut else []
    told = sys.stderr.isatty() and not run.out.quiet
    with Child("drill", *words) as child:
        for line in child.progress():
            if told:
                run.out.note(clean(line))
        report = child.answer().get("report") or {}
    run.out.emit(_document(report), lambda look: _lines(report, look))
    if report.get("violations"):
        raise typer.Exit(1)


def _document(report: Entity) -> Entity:
    return {
        "simulated": True,
        **{key: report.get(key) for key in ("seed", "minutes")},
        "faults": [{**fault, "at": rfc3339(fault.get("at"))} for fault in report.get("faults") or []],
        **{key: [shapes.repair(one) for one in report.get(key) or []] for key, _ in TITLES},
        "open": [shapes.shape(incident, shapes.INCIDENT) for incident in report.get("open") or []],
        "violations": report.get("violations") or [],
    }


def _lines(report: Entity, look: Look) -> Iterator[str]:
    now = _end(report)
    faults = report.get("faults") or []
    minutes = float(report.get("minutes") or 0)
    yield views.title("BROKEN", look, f"{len(faults)} faults in {minutes:g} simulated minutes")
    for fault in faults:
        yield f"  {clock(fault.get('at'), now) or '-'}  {clean(str(fault.get('name')))}  " + clean(
            str(fault.get("target") or "")
        )
    for key, title in TITLES:
        found = report.get(key) or []
        yield ""
        yield views.title(title, look, str(len(found)) if found else "none")
        for one in found:
            yield from ("  " + line for line in stories.lines(one, _narrower(look), now, hints=False))
    if still := report.get("open") or []:
        yield ""
        yield views.title("STILL OPEN", look, str(len(still)))
        yield from views.incident_table(still, look, now, indent="  ").lines(look)
    yield ""
    yield from _verdict(report, look)


def _verdict(report: Entity, look: Look) -> Iterator[str]:
    violations = report.get("violations") or []
    for violation in violations:
        yield look.paint(look.glyphs(f"{STATES['fail'][0]} {clean(str(violation))}"), "bad")
    if violations:
        count = f"{len(violations)} act{'s' * (len(violations) != 1)} went against a guardrail."
        yield look.paint(count, "bad") + f" Seed {report.get('seed')} breaks the same again."
        return
    found = [one for key, _ in TITLES for one in report.get(key) or []]
    faults = len(report.get("faults") or [])
    sums = stories.counts(found) or "nothing had to be done"
    told = f"{faults} fault{'s' * (faults != 1)}: {sums}. No act went against a guardrail."
    yield look.paint(look.glyphs(f"{STATES['ok'][0]} {told}"), "good") + f" Seed {report.get('seed')}."


def _narrower(look: Look) -> Look:
    return Look(look.colors, look.unicode, None if look.width is None else look.width - 2)


def _end(report: Entity) -> float:
    """The last moment that is told of: times are told relative to it."""
    moments: list[Any] = [fault.get("at") for fault in report.get("faults") or []]
    for key, _ in TITLES:
        moments += [one.get("ended_at") or one.get("seen_at") for one in report.get(key) or []]
    return max((float(at) for at in moments if at), default=0.0)
