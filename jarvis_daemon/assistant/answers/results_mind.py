"""Results of reads of the assistant's own room: memories, costs."""

from __future__ import annotations

from jarvis_daemon.assistant.answers.results import (
    ROWS,
    Answer,
    Result,
    Row,
    capital,
    count,
    formatter,
    moment,
    safe,
)

WORDS = {"operator": "you told me", "system": "I saw it", "tainted": "text from outside is in it"}


@formatter("search_memory", "list_memories")
def memories(result: Result) -> Answer:
    rows = [row for row in result.rows("memories") if row.get("superseded_by") is None]
    about = safe(result.args.get("query", ""), 120)
    if not rows:
        of = f" of {about}" if about else ""
        if not about:
            return Answer(
                "I remember nothing so far", ways=("Nothing is remembered so far", "My memory is empty so far")
            )
        return Answer(f"I remember nothing{of}", ways=(f"Nothing{of} comes to mind", f"I have no memory{of}"))
    first, more = rows[0], len(rows) - 1
    rest = f"; {count(more, 'memory', 'memories')} more" if more else ""
    said = safe(first.get("text", ""), 600).rstrip(".")
    return Answer(
        f"{_when(result, first)}: {said}{rest}",
        tuple(
            f"{row.get('id')} {_when(result, row)}, {_source(row)}: {safe(row.get('text', ''), 600)}"
            for row in rows[:ROWS]
        ),
        {"memories": len(rows)},
        ways=(f"{said}, from {_when(result, first).removeprefix('At ').removeprefix('On ')}{rest}",),
    )


def _when(result: Result, row: Row) -> str:
    return capital(moment(result.view.now, float(row["happened_at"])))


def _source(row: Row) -> str:
    return WORDS.get(str(row.get("trust")), "of unknown source")


@formatter("get_llm_costs")
def costs(result: Result) -> Answer:
    today, month = float(result.data["today_usd"]), float(result.data["month_usd"])
    cap, caps = float(result.data["daily_cap_usd"]), float(result.data["monthly_cap_usd"])
    lines = [f"The day may cost ${cap:.2f}, the month ${caps:.2f}"]
    lines += [
        (
            f"{safe(row.get('day', ''), 20)} {safe(row.get('model', ''), 80)}: "
            f"{count(int(row.get('calls', 0)), 'call')}, ${float(row.get('usd', 0)):.4f}"
        )
        for row in result.rows("rows")[-ROWS:]
    ]
    return Answer(
        f"${today:.2f} today and ${month:.2f} this month",
        tuple(lines),
        {"today_usd": today},
        ways=(f"Models cost ${today:.2f} today, ${month:.2f} this month",),
    )
