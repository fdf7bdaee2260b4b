"""`jarvis report`: the health report, as it is sent each morning."""

from __future__ import annotations

import typer

from jarvis_cli.group import Reading, verb
from jarvis_cli.session import session
from jarvis_daemon.protocol.text import clean, clean_block

app = verb()
PROSE_S = 300.0
"""How long a model may take."""


@app.command(
    "report", cls=Reading,
    epilog="jarvis report\njarvis report --hours 168\njarvis report --send\njarvis report --prose",
)  # fmt: skip
def report(
    ctx: typer.Context,
    hours: float = typer.Option(24.0, "--hours", min=0.1, max=744, help="How far it looks back.", metavar="HOURS"),
    send: bool = typer.Option(False, "--send", help="Send it too, to the channels that get the daily one."),
    prose: bool = typer.Option(False, "--prose", help="Told by a language model too, from the report only."),
) -> None:
    """What happened, what was repaired, what grows, what needs you."""
    run = session(ctx)
    with run.link(role="operator" if send or prose else "viewer") as link:
        if prose:
            link.settimeout(PROSE_S)
        answer = link.call("report.daily", {"hours": hours, "send": send, "prose": prose})
        simulated = bool(link.welcome.get("simulated"))
    subject, text = clean(str(answer["subject"])), clean_block(str(answer["text"]), limit=1_000_000)
    sections = {name: [clean(line) for line in lines] for name, lines in answer["sections"].items()}
    told, backend = clean_block(str(answer.get("prose") or "")), clean(str(answer.get("backend") or ""))
    document = {"simulated": simulated, "hours": hours, "subject": subject, "text": text, "sections": sections}
    if prose:
        document |= {"prose": told, "backend": backend}
    rows = [{"section": name, "text": line} for name, lines in sections.items() for line in lines]
    above = [*told.splitlines(), f"({backend})", ""] if told else []
    run.out.emit(
        document, lambda look: [look.paint(subject, "bold"), "", *above, *text.rstrip("\n").splitlines()], rows=rows
    )
    if prose and not told:
        run.out.note("No language model told it; this is the report as it is: `jarvis model list` tells why.")
    if send:
        run.out.note("It is on its way: `jarvis notify log` tells whether it arrived.")
