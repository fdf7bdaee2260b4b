"""`jarvis feed`: what happened, and with ``-f`` what happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import typer

from jarvis_cli import shapes, views
from jarvis_cli.follow import again
from jarvis_cli.group import Reading, verb
from jarvis_cli.output import json_text
from jarvis_cli.session import Session, session
from jarvis_cli.style import Look
from jarvis_cli.values import parse_duration
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient

app = verb()


@app.command("feed", cls=Reading, epilog="jarvis feed --since 1h\njarvis feed -f -o jsonl")
def feed(
    ctx: typer.Context,
    follow: bool = typer.Option(False, "-f", "--follow", help="Go on with what happens, until Ctrl-C."),
    since: str | None = typer.Option(None, "--since", help="Only what is younger, like 10m or 2h.", metavar="TIME"),
    limit: int | None = typer.Option(
        None, "-n", "--limit", min=0, help="At most so many past events (50, with --since 1000)."
    ),
) -> None:
    """What happened, newest last."""
    run = session(ctx)
    count = limit if limit is not None else 1000 if since is not None else 50
    since_s = _since(since)
    if follow and run.out.format in {"json", "yaml"}:
        raise JarvisError("invalid_params", f"-f has no end, and {run.out.format} needs one", next="Use -o jsonl.")
    with run.link() as link:
        now = float(link.welcome.get("now") or time.time())
        params: dict[str, Any] = {"topic": "feed", "limit": count}
        if since_s is not None:
            params["since_at"] = now - since_s
        answer = link.call("history", params)
        events = answer["events"]
        simulated = bool(link.welcome.get("simulated"))
    if not follow:
        rows = [shapes.shape(event, shapes.EVENT) for event in events]
        document = {"simulated": simulated, "events": rows}

        def lines(look: Look) -> Iterator[str]:
            yield from (views.event_line(event, look, now) for event in events)
            yield from views.footer(look, {}, now, simulated=simulated)

        run.out.emit(document, lines, rows=rows)
        if not events and run.out.is_table:
            run.out.note("Nothing happened yet." if since_s is None else "Nothing happened since.")
        return
    _print(run, events)
    _follow(run, int(answer.get("last_seq") or 0))


def _since(text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None


def _print(run: Session, events: list[dict[str, Any]]) -> None:
    if run.out.format == "jsonl":
        run.out.lines(json_text(shapes.shape(event, shapes.EVENT)) for event in events)
    else:
        look, now = run.out.look, time.time()
        run.out.lines(views.event_line(event, look, now) for event in events)


def _follow(run: Session, last_seq: int) -> None:
    """Follow from ``last_seq`` on, across restarts of the daemon: nothing is missed and nothing told twice."""

    def attached(link: PlainClient) -> None:
        nonlocal last_seq
        link.subscribe(["feed"], since={"feed": last_seq})
        link.settimeout(None)
        for note in link.notifications():
            method, params = note.get("method"), note.get("params") or {}
            if method == "event" and int(params["event"]["seq"]) > last_seq:
                last_seq = int(params["event"]["seq"])
                _print(run, [params["event"]])
            elif method == "lagged":
                link.subscribe(["feed"], since={"feed": last_seq})
            if run.out.closed:
                return

    again(run, attached, patient=True)
