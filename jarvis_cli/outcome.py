"""What became of a call, in words, as data and as an exit code. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jarvis_cli import views
from jarvis_cli.output import json_text
from jarvis_cli.shapes import Entity, shape
from jarvis_cli.style import Look, Tone
from jarvis_cli.table import Cell, Column, Table, Value, fields
from jarvis_cli.values import rfc3339, size
from jarvis_cli.verbs import command_line
from jarvis_daemon.protocol.errors import ERRORS
from jarvis_daemon.protocol.text import clean, clean_block

OUTCOME: Final = (
    "call_id", "tool", "outcome", "code", "tier", "target", "target_name", "text", "why", "next", "effects",
    "needs", "approval_id", "expires_at", "undo", "evidence", "tainted", "result",
)  # fmt: skip
WELL: Final = frozenset({"verified", "done", "planned"})
TIER_TONE: Final[dict[str, Tone]] = {"green": "good", "yellow": "warn", "red": "bad", "black": "bad"}
_SERIES: Final = frozenset({"start_at", "step_s", "values"})
_EXIT: Final = {"denied": 5, "expired": 5, "unverified": 8, "awaiting": 7}
_TONES: Final[dict[str, tuple[str, Tone]]] = {
    "verified": ("✔", "good"), "done": ("✔", "good"), "planned": ("·", "plain"), "unverified": ("▲", "warn"),
    "awaiting": ("◌", "warn"), "cancelled": ("▲", "warn"),
}  # fmt: skip


def exit_code(outcome: Entity) -> int:
    """0 for what was done, read back or only planned; a refusal has the code of its error, the rest as in
    `jarvis help exit-codes`."""
    word = str(outcome.get("outcome"))
    if word in WELL:
        return 0
    if word == "refused":
        row = ERRORS.get(str(outcome.get("code")))
        return row.exit_code if row else 5
    return _EXIT.get(word, 1)


def document(outcome: Entity, *, simulated: bool) -> Entity:
    """The shape *outcome* of docs/output.md."""
    return {
        "simulated": simulated,
        **shape(outcome, OUTCOME),
        "undo_command": undo_line(outcome),
        "evidence": timed(outcome.get("evidence") or {}),
        "result": timed(outcome.get("result") or {}),
    }


def timed(value: Any) -> Any:
    """The same with its times (names ending in ``_at``) as RFC 3339."""
    if isinstance(value, dict):
        return {key: rfc3339(item) if _is_time(key, item) else timed(item) for key, item in value.items()}
    return [timed(item) for item in value] if isinstance(value, list) else value


def _is_time(name: str, value: Any) -> bool:
    return (name == "at" or name.endswith("_at")) and isinstance(value, int | float) and not isinstance(value, bool)


def undo_line(outcome: Entity) -> str | None:
    undo = outcome.get("undo")
    return command_line(str(undo["name"]), undo.get("args") or {}) if undo else None


def tier_cell(tier: str) -> Cell:
    return Cell(tier.upper(), TIER_TONE.get(tier, "bad"))


def sentence(outcome: Entity) -> str:
    """What became of it and why, on one line."""
    text, why = clean(str(outcome.get("text") or "")), clean(str(outcome.get("why") or ""))
    return f"{text.rstrip('.')}: {why.rstrip('.')}." if why else text


def lines(outcome: Entity, look: Look) -> Iterator[str]:
    """What is printed of a call that went well (its sentence), or of a read (its result)."""
    if outcome.get("outcome") == "planned":
        yield from plan_lines(outcome, look)
        return
    if text := sentence(outcome):
        glyph, tone = _TONES.get(str(outcome.get("outcome")), ("✖", "bad"))
        yield look.paint(look.glyphs(f"{glyph} {text}"), tone)
    if outcome.get("outcome") == "done":
        yield from result_lines(outcome.get("result") or {}, look)
    if undo := undo_line(outcome):
        yield look.paint("undo: ", "faint") + clean(undo)


def plan_lines(plan: Entity, look: Look) -> Iterator[str]:
    """What would happen, to what, what else it touches, how it is taken back."""
    yield look.paint(clean(str(plan.get("text") or "")), "bold")
    target = str(plan.get("target_name") or "")
    ident = str(plan.get("target") or "")
    pairs: list[tuple[str, Value]] = [
        ("tool", str(plan.get("tool"))),
        ("tier", tier_cell(str(plan.get("tier")))),
        ("target", f"{target} ({ident})" if target and ident else target or ident or None),
        *(("effect", str(effect)) for effect in plan.get("effects") or []),
        ("undo", undo_line(plan) or "cannot be undone by one command"),
    ]
    yield from (f"  {line}" for line in fields(pairs, look))


# --- results of reads -----------------------------------------------------------------------------------


def result_lines(result: Entity, look: Look) -> Iterator[str]:
    """Any structured answer: its plain values, its texts, then a table for each list of things."""
    log = result.get("lines")
    if isinstance(log, list) and all(isinstance(line, str) for line in log):  # a log is read as one
        yield from (clean(line, limit=2000) for line in log)
        if result.get("truncated"):
            yield look.paint("(there is more)", "faint")
        return
    result = timed(result)
    plain = [(key, _value(key, value)) for key, value in result.items() if not _big(value)]
    yield from fields(plain, look)
    for key, value in result.items():
        if not _big(value):
            continue
        if plain or len(result) > 1:
            yield ""
            yield views.title(key.replace("_", " ").upper(), look)
        yield from _block(value, look)


def _big(value: Any) -> bool:
    if isinstance(value, str):
        return "\n" in value
    return isinstance(value, dict | list) and bool(value)


def _block(value: Any, look: Look) -> Iterator[str]:
    if isinstance(value, str):
        yield from clean_block(value).splitlines()
    elif isinstance(value, dict):
        if all(isinstance(item, dict) for item in value.values()):
            yield from _table([{"": key, **item} for key, item in value.items()], look)
        else:
            yield from fields([(key, _value(key, item)) for key, item in value.items()], look)
    elif all(isinstance(item, dict) for item in value):
        yield from _table(value, look)
    else:
        yield from (clean(str(item), limit=2000) for item in value)


def _table(rows: list[Entity], look: Look) -> list[str]:
    names = [
        n for n in dict.fromkeys(name for row in rows for name in row) if any(_told(row.get(n)) for row in rows)
    ]
    table = Table([
        Column(name.upper(), right=all(_number(row.get(name)) for row in rows), flex=True) for name in names
    ])  # fmt: skip
    for row in rows:
        table.add(*(_value(name, row.get(name)) for name in names))
    return table.lines(look)


def _told(value: Any) -> bool:
    return value not in (None, "", [], {})


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _series(values: list[Any]) -> Value:
    """A series in a few numbers: nobody reads sixty of them."""
    known = [float(value) for value in values if _number(value) and value is not None]
    if not known:
        return None
    return f"{min(known):.3g} to {max(known):.3g}, last {known[-1]:.3g}"


def _value(name: str, value: Any) -> Value:
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, dict) and set(value) == _SERIES:
        return _series(value["values"])
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes") and isinstance(value, int | float):
        return size(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    return value if isinstance(value, str) else json_text(value)
