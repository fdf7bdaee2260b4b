"""A table of any length: sorts and filters entities, formats only the rows that are seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jarvis_cli.hud.widgets.cells import Align, fit
from jarvis_cli.hud.widgets.lines import Line, Run, barred, join

Entity = dict[str, Any]


class Column(NamedTuple):
    """``cell`` gives text and role; ``order`` what to sort by. Columns of a low ``keep`` go first when the
    table is narrow; ``grow`` takes the room that is left."""

    key: str
    title: str
    width: int
    cell: Callable[[Entity], Run]
    order: Callable[[Entity], Any]
    align: Align = "<"
    keep: int = 5
    grow: bool = False


def choose(columns: Sequence[Column], cells: int) -> list[tuple[Column, int]]:
    """The columns that fit into ``cells`` with one blank between them, each with its width."""
    chosen = list(columns)
    while len(chosen) > 1 and sum(c.width + 1 for c in chosen) > cells:
        weakest = min(chosen, key=lambda column: column.keep)
        chosen.remove(weakest)
    spare = max(0, cells - sum(c.width + 1 for c in chosen))
    growing = sum(c.grow for c in chosen)
    out = []
    for column in chosen:
        extra = min(spare // growing, 24) if column.grow and growing else 0
        out.append((column, min(column.width + extra, cells)))
    return out


def sieve(pattern: str) -> Callable[[str], bool]:
    """The test a filter means: all words occur; ``!`` turns it around; ``~`` takes letters in that order."""
    wanted = pattern.strip().casefold()
    if wanted.startswith("!"):
        inner = sieve(wanted[1:])
        return (lambda text: not inner(text)) if wanted[1:].strip() else (lambda text: True)
    if wanted.startswith("~"):
        letters = wanted[1:].replace(" ", "")
        return lambda text: _in_order(letters, text)
    words = wanted.split()
    return lambda text: all(word in text for word in words)


def _in_order(letters: str, text: str) -> bool:
    position = 0
    for letter in letters:
        position = text.find(letter, position) + 1
        if not position:
            return False
    return True


@dataclass
class View:
    """What is seen of a list: filter, order, cursor, first visible row."""

    columns: Sequence[Column]
    haystack: Callable[[Entity], str]
    order: Callable[[Entity], Any] | None = None
    """The natural order; None keeps the given one."""
    pattern: str = ""
    sort_key: str | None = None
    descending: bool = False
    cursor_id: str | None = None
    top: int = 0
    height: int = 0
    only: Callable[[Entity], bool] | None = None

    def __post_init__(self) -> None:
        self.rows: list[Entity] = []
        self.total = 0

    def load(self, entities: Sequence[Entity]) -> None:
        """Filter and sort; the cursor stays on its entity, or near where it was."""
        index = self.cursor
        self.total = len(entities)
        rows = list(entities)
        if self.only is not None:
            rows = [entity for entity in rows if self.only(entity)]
        if self.pattern.strip():
            test, haystack = sieve(self.pattern), self.haystack
            rows = [entity for entity in rows if test(haystack(entity))]
        column = next((c for c in self.columns if c.key == self.sort_key), None)
        order = column.order if column else self.order
        if order is not None:
            rows.sort(key=order, reverse=bool(column) and self.descending)
        self.rows = rows
        if rows and not any(row["id"] == self.cursor_id for row in rows):
            self.cursor_id = rows[min(max(index, 0), len(rows) - 1)]["id"] if self.cursor_id else None

    @property
    def cursor(self) -> int:
        """Row of the cursor; -1 where there is none."""
        if self.cursor_id is None:
            return -1
        return next((i for i, row in enumerate(self.rows) if row["id"] == self.cursor_id), -1)

    @property
    def chosen(self) -> Entity | None:
        index = self.cursor
        return self.rows[index] if index >= 0 else None

    def move(self, by: int) -> None:
        if self.rows:
            self.cursor_id = self.rows[max(0, min(len(self.rows) - 1, max(self.cursor, 0) + by))]["id"]
            self.reveal()

    def put(self, index: int) -> None:
        if self.rows:
            self.cursor_id = self.rows[max(0, min(len(self.rows) - 1, index))]["id"]
            self.reveal()

    def scroll(self, by: int) -> None:
        self.top = max(0, min(len(self.rows) - self.height, self.top + by))

    def reveal(self) -> None:
        """Scroll so far that the cursor is seen."""
        index = self.cursor
        if index >= 0 and self.height > 0:
            self.top = max(min(self.top, index), index - self.height + 1)

    def cycle_sort(self, step: int = 1) -> None:
        keys: list[str | None] = [None, *(column.key for column in self.columns)]
        self.sort_key = keys[(keys.index(self.sort_key) + step) % len(keys)]

    def window(self, height: int) -> list[Entity]:
        self.height = height
        self.top = max(0, min(self.top, len(self.rows) - height))
        return self.rows[self.top : self.top + height]

    def thumb(self) -> tuple[int, int] | None:
        """Rows of the scroll bar within the visible ones; None when all is seen."""
        if self.height <= 0 or len(self.rows) <= self.height:
            return None
        size = max(1, self.height * self.height // len(self.rows))
        first = round((self.height - size) * self.top / (len(self.rows) - self.height))
        return first, first + size - 1

    def head(self, cells: int, *, up: str, down: str) -> Line:
        parts: list[Run] = [(" ", "faint")]
        for column, width in choose(self.columns, cells - 1):
            title, role = column.title, "faint"
            if column.key == self.sort_key:
                title, role = f"{title}{down if self.descending else up}", "light"
            parts.append((fit(title, width, column.align) + " ", role))
        return join(*parts)

    def line(self, entity: Entity, cells: int, *, bar: bool = False) -> Line:
        """One row, the cursor's one on the bar."""
        parts: list[Run] = [(" ", "text")]
        for column, width in choose(self.columns, cells - 1):
            text, role = column.cell(entity)
            parts.append((fit(text, width, column.align) + " ", role))
        line = join(*parts)
        used = sum(len(text) for text, _ in line)
        if not bar:
            return line
        return barred((*line, (" " * max(0, cells - used), line[-1][1])))
