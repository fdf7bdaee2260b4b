"""Results of reads in words: a formatter a tool, and a fallback that names what came without ever dumping it.

A result is plain data as it came through the gate: much of it is text from outside, so each text is cleaned here
again, and the answer is marked as the tool marks its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.view import View
from jarvis_daemon.assistant.answers.words import (
    ago,
    capital,
    count,
    counted,
    degrees,
    listing,
    moment,
    percent,
    safe,
    sentences,
    size,
)
from jarvis_daemon.protocol.messages import ToolOutcome

ROWS: Final = 20
TEXT_MAX: Final = 300
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """A result with what it is needed to tell it."""

    tool: str
    data: Row
    args: Row
    view: View
    target: str = ""

    def rows(self, name: str) -> list[Row]:
        """Raises ``KeyError``, ``TypeError`` where there is no such list: what is missing is not none."""
        return [row for row in self._list(name) if isinstance(row, Mapping)]

    def texts(self, name: str) -> list[str]:
        """Raises as ``rows``."""
        return [safe(one, TEXT_MAX) for one in self._list(name)]

    def pairs(self, name: str) -> dict[str, str]:
        """Raises as ``rows``."""
        found = self.data[name]
        if not isinstance(found, Mapping):
            raise TypeError(name)
        return {safe(k, 80): safe(v, TEXT_MAX) for k, v in found.items()}

    def _list(self, name: str) -> list[Any]:
        found = self.data[name]
        if not isinstance(found, list):
            raise TypeError(name)
        return found

    def word(self, name: str, otherwise: str = "unknown") -> str:
        value = self.data.get(name)
        return otherwise if value in (None, "") else safe(value, 120)

    def about(self) -> str:
        """What was asked about, as a person calls it."""
        named = self.target or str(self.data.get("name") or self.args.get("node") or self.args.get("guest") or "")
        return safe(named, 80) or "it"


Formatter = Callable[[Result], Answer]
FORMATTERS: Final[dict[str, Formatter]] = {}


def formatter(*tools: str) -> Callable[[Formatter], Formatter]:
    """Enter a function as what tells the results of these tools."""

    def enter(function: Formatter) -> Formatter:
        for tool in tools:
            if tool in FORMATTERS:
                raise ValueError(f"{tool} is told twice")
            FORMATTERS[tool] = function
        return function

    return enter


def tell_result(outcome: ToolOutcome, view: View, args: Row) -> Answer:
    """The result of a GREEN call."""
    # each module below enters its formatters into the table
    from jarvis_daemon.assistant.answers import (  # noqa: F401
        results_guests,
        results_mind,
        results_nodes,
        results_rooms,
        results_services,
    )

    result = Result(outcome.tool, outcome.result, args, view, outcome.target_name)
    try:
        answer = FORMATTERS.get(outcome.tool, anything)(result)
    except (KeyError, TypeError, ValueError, AttributeError):  # a tool of another version: its shape is not ours
        answer = anything(result)
    return replace(answer, tainted=answer.tainted or outcome.tainted)


def anything(result: Result) -> Answer:
    """Of a tool that nobody wrote words for: plain values by name, and how many of what."""
    plain = [(key, value) for key, value in result.data.items() if _is_plain(value)]
    many = [(key, value) for key, value in result.data.items() if isinstance(value, list | dict)]
    name = safe(result.tool.replace("_", " "), 80)
    parts = [f"{_label(key)} {_value(result.view, key, value)}" for key, value in plain[:6]]
    parts += [f"{len(value)} {_label(key)}" for key, value in many[:6]]
    if not parts:
        return Answer(f"{name} answered, and had nothing to tell", ways=(f"There was nothing to tell from {name}",))
    lines = [f"{_label(key)}: {_value(result.view, key, value)}" for key, value in plain[6:ROWS]]
    for key, value in many:
        rows = value.items() if isinstance(value, dict) else enumerate(value, start=1)
        lines += [f"{_label(key)} {safe(index, 60)}: {_row(result.view, one)}" for index, one in list(rows)[:ROWS]]
    return Answer(
        f"{name}: {listing(parts, 12)}", tuple(lines[: 2 * ROWS]), ways=(f"By {name}: {listing(parts, 12)}",)
    )


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _label(key: str) -> str:
    return safe(key, 60).removesuffix("_bytes").removesuffix("_at").replace("_", " ")


def _value(view: View, key: str, value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if key.endswith("_bytes"):
            return size(value)
        if key.endswith("_at") or key == "at":
            return moment(view.now, float(value))
        return f"{value:g}"
    return safe(value, TEXT_MAX) or "nothing"


def _row(view: View, row: Any) -> str:
    if isinstance(row, Mapping):
        told = [
            f"{_label(str(k))} {_value(view, str(k), v)}"
            for k, v in row.items()
            if _is_plain(v) and v not in (None, "")
        ]
        return ", ".join(told[:8]) or "nothing more"
    return _value(view, "", row) if _is_plain(row) else f"{len(row)} values"


# --- small helpers for the formatters ------------------------------------------------------------------------


def log(result: Result, what: str) -> Answer:
    """Lines of a log: how many, the last one in the fact, all of them on a screen."""
    lines = result.texts("lines")
    if not lines:
        return Answer(f"{capital(what)} has no lines", ways=(f"There are no lines in {what}",))
    more = " (there is more)" if result.data.get("truncated") else ""
    return Answer(
        f"{capital(what)}: {count(len(lines), 'line')}{more}, the last one: {lines[-1]}",
        tuple(lines[-60:]),
        tainted=True,
        ways=(f"{count(len(lines), 'line')} of {what}{more}; the last: {lines[-1]}",),
    )


def unread(failed: Mapping[str, str]) -> str:
    names = listing(safe(name.removeprefix("storage:"), 80) for name in failed)
    return f"{names} did not answer, so what is there is not known" if failed else ""


__all__ = [
    "FORMATTERS",
    "ROWS",
    "Answer",
    "Result",
    "Row",
    "ago",
    "anything",
    "capital",
    "count",
    "counted",
    "degrees",
    "formatter",
    "listing",
    "log",
    "moment",
    "percent",
    "safe",
    "sentences",
    "size",
    "tell_result",
    "unread",
]
