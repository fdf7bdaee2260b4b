"""`jarvis memory`: what is remembered; search, add, forget, edit as a page."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from jarvis_cli import calling, shapes, views
from jarvis_cli.group import Reading, noun
from jarvis_cli.output import json_text
from jarvis_cli.session import Session, session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look, Tone
from jarvis_cli.table import Cell, Column, Table
from jarvis_cli.values import clock, parse_since, span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

app = noun("memory", "What Jarvis remembers: list, search, add, forget, edit.")

MEMORY: Final = (
    "id", "tier", "kind", "subject", "text", "source", "trust", "happened_at", "created_at", "used_at", "uses",
    "expires_at", "superseded_by",
)  # fmt: skip
TIERS: Final = ("working", "conversation", "episodic", "lasting")
KINDS: Final = ("fact", "preference", "event", "incident", "summary")
PAGE_MAX_BYTES: Final = 700_000
"""A frame to the daemon holds 1 MiB, and quoting makes text longer."""
_TRUST: Final[dict[str, Tone]] = {"operator": "good", "system": "plain", "tainted": "warn"}
_DIFF: Final[dict[str, Tone]] = {"+": "good", "-": "bad", "~": "warn"}


@app.command("list", cls=Reading, epilog="jarvis memory list\njarvis memory list --kind preference")
def list_(
    ctx: typer.Context,
    tier: str | None = typer.Option(None, "--tier", help=f"Only one of {', '.join(TIERS)}.", metavar="TIER"),
    kind: str | None = typer.Option(None, "--kind", help=f"Only one of {', '.join(KINDS)}.", metavar="KIND"),
    all_: bool = typer.Option(False, "--all", "-a", help="What a newer one took the place of, too."),
    limit: int = typer.Option(100, "-n", "--limit", min=1, max=10_000, help="At most so many."),
) -> None:
    """What is remembered, the newest first."""
    run = session(ctx)
    wanted = {"tier": _one_of(tier, TIERS, "--tier"), "kind": _one_of(kind, KINDS, "--kind")}
    params = {name: value for name, value in wanted.items() if value is not None}
    _show(run, "memory.list", {**params, "limit": limit, "all": all_}, none="Nothing is remembered.")


@app.command(
    "search", cls=Reading, epilog="jarvis memory search nas\njarvis memory search backups --since 7d -o jsonl"
)
def search(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(help="What it is about.", metavar="WORDS")],
    since: str | None = typer.Option(None, "--since", help="Not older, like 7d or 2026-11-19.", metavar="TIME"),
    until: str | None = typer.Option(None, "--until", help="Not younger.", metavar="TIME"),
    limit: int = typer.Option(10, "-n", "--limit", min=1, max=1000, help="At most so many."),
) -> None:
    """What is remembered of something, the best first."""
    run = session(ctx)
    now = time.time()
    bounds = {"since_at": _moment(since, now, "--since"), "until_at": _moment(until, now, "--until")}
    params = {name: value for name, value in bounds.items() if value is not None}
    query = " ".join(words)
    if not query.strip():
        raise JarvisError("invalid_params", "What is to be searched for?", next="`jarvis memory list` shows all.")
    _show(run, "memory.search", {"query": query, "limit": limit, **params}, none="Nothing of that is remembered.")


def _show(run: Session, method: str, params: dict[str, Any], *, none: str) -> None:
    with run.link(role="operator") as link:
        found = list(link.call(method, params)["memories"])
        simulated, now = bool(link.welcome.get("simulated")), float(link.welcome.get("now") or 0.0)
    rows = [shapes.shape(one, MEMORY) for one in found]

    def lines(look: Look) -> Iterator[str]:
        yield from _table(found, look, now) if found else [none]
        yield from views.footer(look, {}, now, simulated=simulated)

    run.out.emit({"simulated": simulated, "memories": rows}, lines, rows=rows)


def _table(found: list[Entity], look: Look, now: float) -> list[str]:
    table = Table([
        Column("ID", right=True), Column("KIND"), Column("TIER", optional=1), Column("TRUST", optional=2),
        Column("WHEN"), Column("LEFT", right=True, optional=3), Column("ABOUT", flex=True, optional=4),
        Column("TEXT", flex=True),
    ])  # fmt: skip
    for one in found:
        trust, end = str(one.get("trust")), one.get("expires_at")
        over = one.get("superseded_by")
        text = str(one.get("text")) + (f" (now {over})" if over is not None else "")
        table.add(
            Cell(str(one.get("id")), "bold"), str(one.get("kind")), Cell(str(one.get("tier")), "faint"),
            Cell(trust, _TRUST.get(trust, "warn")), clock(one.get("happened_at") or one.get("created_at"), now),
            None if end is None else span(end - now), str(one.get("subject") or "") or None,
            Cell(clean(text, limit=2000), "faint" if over is not None else "plain"),
        )  # fmt: skip
    return table.lines(look)


def _one_of(word: str | None, words: tuple[str, ...], option: str) -> str | None:
    if word is not None and word not in words:
        raise typer.BadParameter(f"{word!r} is none of {', '.join(words)}", param_hint=option)
    return word


def _moment(text: str | None, now: float, option: str) -> float | None:
    try:
        return None if text is None else parse_since(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


# --- adding and forgetting ------------------------------------------------------------------------------


@app.command(
    "add", cls=Reading,
    epilog='jarvis memory add "the NAS is called tank"\njarvis memory add --kind preference "temperatures in °C"',
)  # fmt: skip
def add(
    ctx: typer.Context,
    text: Annotated[list[str], typer.Argument(help="What is to be remembered.", metavar="TEXT")],
    kind: str | None = typer.Option(
        None, "--kind", help="fact or preference; without it the words tell.", metavar="KIND"
    ),
    about: str | None = typer.Option(
        None, "--about", help="What it is about: an id like guest:104, or a word.", metavar="SUBJECT"
    ),
) -> None:
    """Remember something, for good."""
    run = session(ctx)
    given = {"kind": _one_of(kind, ("fact", "preference"), "--kind"), "subject": about}
    args = {"text": " ".join(text), **{name: value for name, value in given.items() if value is not None}}
    calling.order(run, calling.Wish("remember", args), command="jarvis memory add")


@app.command("forget", cls=Reading)
def forget(
    ctx: typer.Context,
    memory: int = typer.Argument(help="Its number.", metavar="ID", min=1),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask; what destroys asks anyway."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the plan; change nothing."),
) -> None:
    """Forget one thing."""
    wish = calling.Wish("forget_memory", {"memory": memory}, dry_run=dry_run, yes=yes)
    calling.order(session(ctx), wish, command="jarvis memory forget")


# --- as a page ------------------------------------------------------------------------------------------


@app.command("export", cls=Reading, epilog="jarvis memory export > memory.md")
def export(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; without it standard output.", metavar="[FILE]")
    ] = None,
) -> None:
    """All that is remembered, as Markdown: edit it, then import it."""
    run = session(ctx)
    with run.link(role="operator") as link:
        found = link.call("memory.export", {})
    text = str(found.get("markdown") or "")
    if file is not None:
        _keep(file.expanduser(), text)
        run.out.note(f"{found.get('memories')} memories are in {clean(str(file))}.")
        return
    document = {"memories": found.get("memories"), "markdown": text}
    run.out.emit(document, lambda look: [text.rstrip("\n")])


def _keep(path: Path, text: str) -> None:
    """Written for its owner only: a household's memories are nobody else's. Raises ``invalid_params``."""
    import os

    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as stream:
            stream.write(text)
    except OSError as error:
        raise JarvisError(
            "invalid_params", f"{clean(str(path))} cannot be written", why=error.strerror or str(error)
        ) from None


@app.command(
    "import", cls=Reading, epilog="jarvis memory import memory.md --dry-run\njarvis memory import memory.md"
)
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="An edited export; - reads standard input.", metavar="FILE")],
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask; what destroys asks anyway."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would change; change nothing."),
) -> None:
    """Take over an edited export: shows what would change, and asks."""
    run = session(ctx)
    text = _page(file)
    with run.link(role="operator") as link:
        found = link.call("memory.compare", {"markdown": text})
        simulated = bool(link.welcome.get("simulated"))
    mine = hashlib.sha256(text.encode()).hexdigest()
    changes = [clean(str(line), limit=2000) for line in found.get("diff") or []]
    told = {name: int(found.get(name) or 0) for name in ("added", "changed", "forgotten")}
    if dry_run or not changes:
        document = {"simulated": simulated, **told, "sha256": found.get("sha256") or mine, "diff": changes}
        run.out.emit(document, lambda look: [*_changes(changes, look), *_sum(told)])
        return
    look = run.out.look
    for line in (*_changes(changes, look), *_sum(told)):
        run.out.note(line)
    if not yes:
        run.need_input("--yes", "Whether to take it over")
        if not typer.confirm("Take it over?", default=False, err=True):
            raise JarvisError("cancelled", "Nothing was changed")
    args = {"markdown": text, "sha256": str(found.get("sha256") or mine)}
    calling.order(run, calling.Wish("import_memories", args, yes=True), command="jarvis memory import")


def _page(file: Path) -> str:
    """The text of an edited export. Raises ``invalid_params``."""
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.expanduser().read_bytes()
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise JarvisError("invalid_params", f"{clean(str(file))} cannot be read", why=str(why)) from None
    if len(json_text(text)) > PAGE_MAX_BYTES:
        raise JarvisError(
            "invalid_params", f"{clean(str(file))} is too long", why=f"at most {PAGE_MAX_BYTES:,} bytes"
        )
    return text


def _changes(changes: list[str], look: Look) -> Iterator[str]:
    for line in changes:
        yield look.paint(line, _DIFF.get(line[:1], "plain"))


def _sum(told: dict[str, int]) -> Iterator[str]:
    if not any(told.values()):
        yield "Nothing would change."
        return
    yield ", ".join(f"{count} {word}" for word, count in told.items() if count) + "."
