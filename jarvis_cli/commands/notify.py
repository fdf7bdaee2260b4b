"""`jarvis notify`: what people were told, and whether they can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer

from jarvis_cli import shapes
from jarvis_cli.group import Reading, noun
from jarvis_cli.session import session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look, Tone
from jarvis_cli.table import Cell, Column, Table, fields
from jarvis_cli.values import clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean, clean_block

app = noun("notify", "Telling people by mail and push: what was told, and a test.")

STATUSES: Final = ("queued", "sent", "failed", "skipped")
MESSAGE: Final = (
    "id", "channel", "kind", "severity", "subject", "body", "status", "held", "created_at", "sent_at", "next_at",
    "attempts",
)  # fmt: skip
READ_MAX: Final = 5000
TEST_TIMEOUT_S: Final = 120.0
"""Each channel has a deadline of its own; this only keeps a lost daemon from holding us."""
_LOOKS: Final[dict[str, tuple[str, Tone]]] = {
    "queued": ("◌", "light"), "sent": ("✔", "good"), "failed": ("✖", "bad"), "skipped": ("·", "faint"),
}  # fmt: skip


@app.command("log", cls=Reading, epilog="jarvis notify log\njarvis notify log --status queued")
def log(
    ctx: typer.Context,
    status: str | None = typer.Option(
        None, "--status", help="Only those that are queued, sent, failed or skipped.", metavar="STATUS",
        autocompletion=lambda ctx, args, incomplete: list(STATUSES),
    ),
    limit: int = typer.Option(50, "-n", "--limit", min=1, max=READ_MAX, help="At most so many, the newest."),
) -> None:  # fmt: skip
    """Messages to people, newest last, and what became of each."""
    run = session(ctx)
    if status is not None and status not in STATUSES:
        raise typer.BadParameter(f"{status!r} is none of {', '.join(STATUSES)}", param_hint="--status")
    with run.link() as link:
        found = link.call("notify.log", {"limit": limit, "status": status})["messages"][::-1]
        now, simulated = float(link.welcome.get("now") or 0.0), bool(link.welcome.get("simulated"))
    rows = [shapes.shape(message, MESSAGE) for message in found]
    run.out.emit(
        {"simulated": simulated, "messages": rows}, lambda look: _table(found, now, look).lines(look), rows=rows
    )
    if not found and run.out.is_table:
        run.out.note("Nobody has been told of anything." if status is None else f"None is {status}.")


def _table(messages: list[Entity], now: float, look: Look) -> Table:
    table = Table([
        Column("ID", right=True), Column("AT"), Column("CHANNEL"), Column("STATUS"), Column("SUBJECT", flex=True),
        Column("NOTE", flex=True),
    ])  # fmt: skip
    for message in messages:
        glyph, tone = _LOOKS.get(str(message["status"]), ("·", "plain"))
        table.add(
            str(message["id"]), clock(message.get("created_at"), now), str(message["channel"]),
            Cell(look.glyphs(f"{glyph} {message['status']}"), tone), str(message["subject"]), _note(message, now),
        )  # fmt: skip
    return table


def _note(message: Entity, now: float) -> str:
    held, attempts = str(message.get("held") or ""), int(message.get("attempts") or 0)
    parts = [held] if held else []
    if message["status"] == "queued" and attempts:
        tries = "1 try" if attempts == 1 else f"{attempts} tries"
        parts.append(f"{tries}, next {clock(message.get('next_at'), now)}")
    return "; ".join(parts)


@app.command("show", cls=Reading)
def show(ctx: typer.Context, message: int = typer.Argument(help="Number of the message.")) -> None:
    """One message as it was sent, or will be."""
    run = session(ctx)
    with run.link() as link:
        found = link.call("notify.log", {"limit": READ_MAX})["messages"]
        now, simulated = float(link.welcome.get("now") or 0.0), bool(link.welcome.get("simulated"))
    one: Entity | None = next((row for row in found if row["id"] == message), None)
    if one is None:
        raise JarvisError("not_found", f"There is no message {message}", next="`jarvis notify log`.")

    def lines(look: Look) -> Iterator[str]:
        glyph, tone = _LOOKS.get(str(one["status"]), ("·", "plain"))
        yield from fields(
            [
                ("subject", Cell(str(one["subject"]), "bold")), ("channel", str(one["channel"])),
                ("status", Cell(f"{glyph} {one['status']}", tone)), ("note", _note(one, now) or None),
                ("of", clock(one.get("created_at"), now)), ("sent", clock(one.get("sent_at"), now)),
            ],
            look,
        )  # fmt: skip
        yield ""
        yield from clean_block(str(one["body"]), limit=1_000_000).splitlines()

    run.out.emit({"simulated": simulated, **shapes.shape(one, MESSAGE)}, lines)


@app.command("test", cls=Reading, epilog="jarvis notify test\njarvis notify test email")
def try_out(
    ctx: typer.Context,
    channel: str | None = typer.Argument(None, help="Which one; without it, all."),
) -> None:
    """Send a test message now; exits with 1 when a channel does not take it."""
    run = session(ctx)
    with run.link(role="operator") as link:
        link.settimeout(max(run.timeout_s, TEST_TIMEOUT_S))
        answer: dict[str, Any] = link.call("notify.test", {"channel": channel})
        simulated = bool(link.welcome.get("simulated"))
    results: dict[str, str] = answer["results"]
    rows = [{"channel": name, "sent": _is_sent(text), "text": clean(text)} for name, text in results.items()]

    def lines(look: Look) -> Iterator[str]:
        for name, text in results.items():
            tone: Tone = "good" if _is_sent(text) else "bad"
            glyph = look.glyphs("✔" if _is_sent(text) else "✖")
            yield f"{look.paint(glyph, tone)} {clean(name)}: {clean(text)}"

    run.out.emit({"simulated": simulated, "ok": bool(answer["ok"]), "channels": rows}, lines, rows=rows)
    if not answer["ok"]:
        raise typer.Exit(1)


def _is_sent(text: str) -> bool:
    return text == "sent" or text.startswith("sent, ")
