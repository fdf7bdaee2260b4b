"""`jarvis history`: what Jarvis repaired or left alone, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import typer

from jarvis_cli import complete, shapes, stories, views
from jarvis_cli.group import Reading, verb
from jarvis_cli.session import session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look
from jarvis_cli.values import clock, parse_since, rfc3339
from jarvis_daemon.protocol.errors import JarvisError

app = verb()

EXAMPLES = """
jarvis history                          the last 24 hours
jarvis history --since yesterday
jarvis history --incident 12
jarvis history --since 7d -o jsonl | jq 'select(.status == "refused") | .decided'
"""


@app.command("history", cls=Reading, epilog=EXAMPLES)
def history(
    ctx: typer.Context,
    since: str | None = typer.Option(
        None, "--since", help="Like 12h, yesterday or 2026-11-19; the last 24 hours without.", metavar="TIME"
    ),
    incident: str | None = typer.Option(
        None,
        "--incident",
        help="Only those of this incident, however old.",
        metavar="N",
        autocompletion=complete.incidents,
    ),
    limit: int = typer.Option(200, "-n", "--limit", min=1, max=999, help="At most so many, the newest."),
) -> None:
    """What was repaired or left alone, and why: saw, decided, did, verified, with times; oldest first."""
    run = session(ctx)
    _since(since, time.time(), everything=True)  # what is no moment is told before a daemon is asked
    with run.link() as link:
        now = float(link.welcome.get("now") or time.time())
        simulated = bool(link.welcome.get("simulated"))
        since_at = _since(since, now, everything=incident is not None)
        params: dict[str, Any] = {"limit": limit + 1}
        if since_at is not None:
            params["since_at"] = since_at
        if incident is not None:
            params["incident"] = incident.lstrip("#")
        newest = link.call("repair.list", params)["repairs"]
        if incident is not None and not newest:
            _known(link.call("incident.list", {"limit": 1000})["incidents"], params["incident"])
    more = len(newest) > limit
    found = stories.in_order(newest[:limit])
    rows = [shapes.repair(repair) for repair in found]
    document = {"simulated": simulated, "since_at": rfc3339(since_at), "repairs": rows}

    def lines(look: Look) -> Iterator[str]:
        for repair in found:
            yield from stories.lines(repair, look, now)
            yield ""
        if more:
            yield look.paint(f"Older ones are left out: -n {min(999, limit * 5)} shows more.", "faint")
        yield _sum(found, since_at, now)
        yield from views.footer(look, {}, now, simulated=simulated)

    run.out.emit(document, lines, rows=rows)


def _since(text: str | None, now: float, *, everything: bool) -> float | None:
    if text is None:
        return None if everything else now - 86400.0
    try:
        return parse_since(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None


def _known(incidents: list[Entity], wanted: str) -> None:
    """Raises ``not_found`` for a number that no incident has."""
    if all(str(incident.get("id")) != wanted for incident in incidents):
        raise JarvisError(
            "not_found", f"There is no incident {wanted!r}", next="`jarvis incident list --all` shows all."
        )


def _sum(found: list[Entity], since_at: float | None, now: float) -> str:
    period = f" since {clock(since_at, now)}" if since_at is not None else ""
    if not found:
        return f"Nothing had to be repaired{period}."
    return f"{len(found)} {'story' if len(found) == 1 else 'stories'}{period}: {stories.counts(found)}."
