"""`jarvis audit`: the hash-chained record of what was asked, done and refused."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from jarvis_cli import shapes
from jarvis_cli.group import Reading, noun
from jarvis_cli.output import json_text
from jarvis_cli.session import session
from jarvis_cli.shapes import AUDIT, Entity
from jarvis_cli.style import Look, Tone
from jarvis_cli.table import Cell, Column, Table, Value, fields
from jarvis_cli.values import clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.protocol.text import clean

app = noun("audit", "What was asked, done and refused, and by whom.")

PAGE: Final = 200
"""Rows asked for at once: their arguments may be long, and a frame has 16 MiB."""
_TONE: Final[dict[str, Tone]] = {"refused": "warn", "open_intent": "bad", "kill": "bad", "read": "faint"}


@app.command("list", cls=Reading)
def list_(
    ctx: typer.Context,
    limit: int = typer.Option(50, "-n", "--limit", min=1, max=10000, help="At most so many rows."),
    before: int | None = typer.Option(None, "--before", help="Only rows older than this one.", metavar="ROW"),
    tool: str | None = typer.Option(None, "--tool", help="Only rows of this tool.", metavar="NAME"),
    reads: bool = typer.Option(False, "--reads", help="What was only read, too."),
) -> None:
    """The newest rows, newest last."""
    run = session(ctx)
    with run.link(role="operator") as link:
        found, head = _rows(link, limit, before=before, tool=tool, reads=reads)
        now, simulated = float(link.welcome.get("now") or 0.0), bool(link.welcome.get("simulated"))
    rows = [shapes.shape(row, AUDIT) for row in found]

    def lines(look: Look) -> Iterator[str]:
        yield from _table(found, now).lines(look)
        yield ""
        yield look.paint(f"head {head}", "faint")

    run.out.emit({"simulated": simulated, "head": head, "rows": rows}, lines, rows=rows)


def _rows(
    link: PlainClient, limit: int, *, before: int | None, tool: str | None, reads: bool
) -> tuple[list[Entity], str]:
    """The newest ``limit`` rows that are wanted, the oldest first, and the head of the chain."""
    found: list[Entity] = []
    head = ""
    while len(found) < limit:
        answer = link.call("audit.list", {"limit": PAGE, "before": before, "tool": tool})
        head = head or str(answer["head"])
        page = answer["rows"]
        found += [row for row in page if reads or row["kind"] != "read"]
        if len(page) < PAGE:
            break
        before = int(page[-1]["id"])
    return found[:limit][::-1], head


def _table(rows: list[Entity], now: float) -> Table:
    table = Table([
        Column("ROW", right=True), Column("AT"), Column("KIND"), Column("CALL"),
        Column("BY", flex=True, optional=1), Column("TOOL"), Column("TIER"), Column("TARGET"),
        Column("NOTE", flex=True),
    ])  # fmt: skip
    for row in rows:
        kind, tier = str(row["kind"]), str(row.get("tier") or "")
        table.add(
            str(row["id"]), clock(row.get("at"), now), Cell(kind, _TONE.get(kind, "plain")), str(row["call_id"]),
            str(row["principal"]), str(row["tool"]), tier.upper(), str(row.get("target") or ""), note(row),
        )  # fmt: skip
    return table


def note(row: Entity) -> str:
    """The one thing of a row that a person looks for."""
    data: dict[str, Any] = row.get("data") or {}
    for name in ("text", "why", "step", "answer", "reason"):
        if data.get(name):
            return str(data[name])
    plan = data.get("plan")
    return str(plan[0]) if isinstance(plan, list) and plan else str(data.get("rule") or "")


@app.command("show", cls=Reading)
def show(ctx: typer.Context, call: str = typer.Argument(help="Id of the call, as in `jarvis audit list`.")) -> None:
    """All rows of one call: asked, answered, intended, each step, what became of it."""
    run = session(ctx)
    with run.link(role="operator") as link:
        found = link.call("audit.list", {"limit": 10000, "call_id": call})["rows"][::-1]
        now, simulated = float(link.welcome.get("now") or 0.0), bool(link.welcome.get("simulated"))
    if not found:
        raise JarvisError(
            "not_found", f"There is no call {clean(call, limit=40)!r} in the audit", next="`jarvis audit list`."
        )
    rows = [shapes.shape(row, AUDIT) for row in found]

    def lines(look: Look) -> Iterator[str]:
        first = found[0]
        shared: list[tuple[str, Value]] = [(name, str(first[name])) for name in ("tool", "target") if first[name]]
        yield from fields([("call", Cell(call, "bold")), *shared, ("arguments", json_text(first["args"]))], look)
        for row in found:
            yield ""
            yield look.paint(f"{clock(row['at'], now)} {row['kind']}", "light")
            yield from (f"  {line}" for line in fields(_row_fields(row), look))

    run.out.emit({"simulated": simulated, "call_id": call, "rows": rows}, lines, rows=rows)


def _row_fields(row: Entity) -> list[tuple[str, Value]]:
    data = {key: value for key, value in (row.get("data") or {}).items() if value not in ("", None, [])}
    told = [(key, value if isinstance(value, str) else json_text(value)) for key, value in data.items()]
    return [
        ("row", str(row["id"])),
        ("by", str(row["principal"])),
        ("tier", str(row.get("tier") or "") or None),
        *told,
    ]


@app.command("verify", cls=Reading, epilog="jarvis audit verify\njarvis audit verify --head 4f1c…")
def verify(
    ctx: typer.Context,
    head: str | None = typer.Option(
        None,
        "--head",
        help="A head noted earlier (log, daily mail): it has to stand in the chain still.",
        metavar="HASH",
    ),
) -> None:
    """Recompute the whole chain; exits with 1 naming the first row that does not fit."""
    run = session(ctx)
    with run.link(role="operator") as link:
        link.settimeout(max(run.timeout_s, 600.0))
        answer = link.call("audit.verify", {"head": head})
        simulated = bool(link.welcome.get("simulated"))

    def lines(look: Look) -> Iterator[str]:
        yield look.glyphs(f"✔ The audit is whole: {answer['rows']} rows.")
        yield look.paint(f"head {answer['head']}", "faint")

    if answer["ok"] or not run.out.is_table:
        run.out.emit({"simulated": simulated, **answer}, lines)
    if not answer["ok"]:
        row = answer.get("broken_row")
        where = f" at row {row}" if row is not None else ""
        raise JarvisError(
            "store_failed", f"The audit is broken{where}", why=clean(str(answer.get("why") or "")),
            next="Compare with a backup of the database; nothing before that row is in doubt."
            if row is not None else "Compare with a backup of the database, and with the noted head.",
        )  # fmt: skip


@app.command("export", cls=Reading, epilog="jarvis audit export audit.jsonl\njarvis audit export | gzip > audit.gz")
def export(
    ctx: typer.Context,
    file: str | None = typer.Argument(None, help="Where to; without it, standard output."),
) -> None:
    """All rows, the oldest first, one JSON document a line, with the hashes of the chain."""
    run = session(ctx)
    with run.link(role="operator") as link:
        link.settimeout(max(run.timeout_s, 60.0))
        found, head = _rows(link, sys.maxsize, before=None, tool=None, reads=True)
    rows = (json_text(shapes.shape(row, AUDIT)) for row in found)
    if file is None:
        run.out.lines(rows)
        return
    count = _write(Path(file), rows)
    run.out.note(f"{count} rows in {file}; head {head}")


def _write(path: Path, rows: Iterator[str]) -> int:
    """Whole or not at all, 0600. Raises ``store_failed``."""
    part = path.with_name(f".{path.name}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            count = sum(bool(out.write(f"{row}\n")) for row in rows)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise JarvisError(
            "store_failed", f"{path} cannot be written", why=error.strerror or str(error),
            next="Name a file in a folder that you may write.",
        ) from None  # fmt: skip
    return count
