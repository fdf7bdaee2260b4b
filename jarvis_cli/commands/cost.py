"""`jarvis cost`: what models cost, and how much of the caps is left."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from jarvis_cli import shapes, views
from jarvis_cli.group import Reading, verb
from jarvis_cli.session import session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look, Tone
from jarvis_cli.table import Cell, Column, Table, fields

app = verb()

ROW = (
    "day", "model", "calls", "failed", "input_tokens", "cached_tokens", "written_tokens", "output_tokens", "usd",
    "first_token_ms", "total_ms",
)  # fmt: skip
NEAR = 0.8
"""Share of a cap from which on it is told in amber."""


@app.command("cost", cls=Reading, epilog="jarvis cost\njarvis cost --days 7 -o jsonl | jq .usd")
def cost(
    ctx: typer.Context,
    days: float = typer.Option(30.0, "--days", min=0.1, max=3660, help="How far it looks back.", metavar="DAYS"),
) -> None:
    """What models cost by day and model, and what of the caps is used up."""
    run = session(ctx)
    with run.link(role="operator") as link:
        answer = link.call("cost.show", {"days": days})
        simulated = bool(link.welcome.get("simulated"))
    found = list(answer.get("rows") or [])
    rows = [shapes.shape(row, ROW) for row in found]
    names = ("today_usd", "month_usd", "daily_cap_usd", "monthly_cap_usd", "prices")
    document = {"simulated": simulated, "days": days, **shapes.shape(answer, names), "rows": rows}

    def lines(look: Look) -> Iterator[str]:
        if found:
            yield from _table(found, look)
            yield ""
        else:
            yield from ("No model was asked in that time.", "")
        yield from fields(
            [
                ("today", cap_cell(answer.get("today_usd"), answer.get("daily_cap_usd"))),
                ("this month", cap_cell(answer.get("month_usd"), answer.get("monthly_cap_usd"))),
                ("prices", str(answer.get("prices") or "") or None),
            ],
            look,
        )
        yield from views.footer(look, {}, 0.0, simulated=simulated)

    run.out.emit(document, lines, rows=rows)


def _table(found: list[Entity], look: Look) -> list[str]:
    table = Table([
        Column("DAY"), Column("MODEL", flex=True), Column("CALLS", right=True),
        Column("FAILED", right=True, optional=2), Column("IN", right=True),
        Column("CACHED", right=True, optional=1), Column("OUT", right=True), Column("USD", right=True),
        Column("FIRST", right=True, optional=3), Column("TOTAL", right=True, optional=4),
    ])  # fmt: skip
    for row in found:
        failed = int(row.get("failed") or 0)
        table.add(
            str(row.get("day")), str(row.get("model")), str(row.get("calls")),
            Cell(str(failed), "warn" if failed else "faint"), tokens(row.get("input_tokens")),
            Cell(tokens(row.get("cached_tokens")), "faint"), tokens(row.get("output_tokens")), usd(row.get("usd")),
            millis(row.get("first_token_ms")), millis(row.get("total_ms")),
        )  # fmt: skip
    if len(found) > 1:
        sums = {name: sum(float(row.get(name) or 0) for row in found) for name in ROW[2:9]}
        table.add(
            Cell("all", "bold"), Cell("", "plain"), str(int(sums["calls"])), str(int(sums["failed"])),
            tokens(sums["input_tokens"]), Cell(tokens(sums["cached_tokens"]), "faint"),
            tokens(sums["output_tokens"]), Cell(usd(sums["usd"]), "bold"), None, None,
        )  # fmt: skip
    return table.lines(look)


def tokens(count: float | None) -> str:
    """``873`` ``12.4k`` ``3.10M``"""
    value = float(count or 0)
    if value < 10_000:
        return f"{value:.0f}"
    return f"{value / 1e3:.1f}k" if value < 1e6 else f"{value / 1e6:.2f}M"


def usd(amount: float | None) -> str:
    """Four digits behind the point below a dollar: a question costs less than a cent."""
    value = float(amount or 0.0)
    return f"{value:.2f}" if value >= 1 or value == 0 else f"{value:.4f}"


def millis(value: float | None) -> str | None:
    if value is None:
        return None
    if value < 10:
        return f"{value:.1f} ms"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def cap_cell(spent: float | None, cap: float | None) -> Cell:
    """``$0.0312 of $10.00``, in red where nothing is left."""
    used, limit = float(spent or 0.0), float(cap or 0.0)
    tone: Tone = "bad" if used >= limit else "warn" if used >= NEAR * limit else "plain"
    return Cell(f"${usd(used)} of ${usd(limit)}" + (", used up" if used >= limit else ""), tone)
