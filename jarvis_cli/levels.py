"""The autonomy levels in words. Standard library only."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from jarvis_cli.shapes import Entity
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean


class Level(NamedTuple):
    word: str
    about: str


LEVELS: Final = (
    Level("observe", "watch, say nothing"),
    Level("alert", "tell what is wrong"),
    Level("recommend", "tell what to do, wait for you"),
    Level("act and report", "repair what runbooks allow, tell afterwards; ask before what disrupts"),
    Level("act silently", "repair what trusted runbooks allow, without telling each time"),
)
RECOMMENDED: Final = 2
"""Until its owner has seen what Jarvis would do."""


def name(level: object) -> str:
    """``L3 act and report``."""
    if isinstance(level, int) and 0 <= level < len(LEVELS):
        return f"L{level} {LEVELS[level].word}"
    return f"L{level}"


def about(level: object) -> str:
    """``L3 act and report: repair what …``."""
    if isinstance(level, int) and 0 <= level < len(LEVELS):
        return f"{name(level)}: {LEVELS[level].about}"
    return name(level)


def read(text: str) -> int:
    """``3`` or ``L3``. Raises ``invalid_params`` naming the levels."""
    match = re.fullmatch(r"[Ll]?([0-4])", text.strip())
    if match is None:
        raise JarvisError(
            "invalid_params", f"{clean(text, limit=40)!r} is no autonomy level",
            why="there are " + ", ".join(name(level) for level in range(len(LEVELS))),
            next="`jarvis autonomy show` shows the one that holds.",
        )  # fmt: skip
    return int(match[1])


def in_short(autonomy: Entity) -> str:
    """``L3 act and report``; where less holds than was chosen, what holds and why."""
    level, holds = autonomy.get("level"), autonomy.get("effective")
    if holds is None or level == holds:
        return name(level)
    why = str(autonomy.get("why") or "")
    return f"L{level}, but {name(holds)} holds" + (f": {why}" if why else "")
