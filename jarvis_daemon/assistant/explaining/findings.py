"""What rules find: causes with what speaks for and against them, and what could be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.assistant.explaining.case import Case
from jarvis_daemon.protocol.mind import Cause


@dataclass(frozen=True)
class Do:
    """What could be done: a tool call, or a command that is no tool."""

    text: str
    tool: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""


@dataclass
class Found:
    """Filled by a rule. A cause with nothing that speaks for it is kept as what cannot be told."""

    causes: list[Cause] = field(default_factory=list)
    advice: list[Do] = field(default_factory=list)

    def cause(self, text: str, *, speaks_for: list[str] | None = None, against: list[str] | None = None) -> None:
        given, other = [s for s in speaks_for or [] if s], [s for s in against or [] if s]
        self.causes.append(Cause(text=text, speaks_for=given, against=other))

    def do(self, text: str, tool: str = "", command: str = "", **args: Any) -> None:
        self.advice.append(Do(text, tool, args, command))

    def ranked(self) -> list[Cause]:
        """What has more for it than against it first; in the order of the rule otherwise."""
        return sorted(self.causes, key=lambda cause: len(cause.against) - len(cause.speaks_for))


Rule = Callable[[Case, Found], None]
RULES: Final[dict[str, Rule]] = {}


def rule(*conditions: str) -> Callable[[Rule], Rule]:
    """Enter a function as the rule of these conditions."""

    def enter(function: Rule) -> Rule:
        for condition in conditions:
            if condition in RULES:
                raise ValueError(f"{condition} has a rule already")
            RULES[condition] = function
        return function

    return enter
