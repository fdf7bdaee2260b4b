"""One question while it is answered, and the table of all questions by the name that sentence files give them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.view import View
from jarvis_daemon.assistant.answers.words import safe
from jarvis_daemon.assistant.explain import Explainer
from jarvis_daemon.assistant.understanding.understood import Slot
from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import ToolCall, ToolOutcome

Help = Callable[[str | None], list[str]]
"""Room or None -> sentences that would be understood."""


@dataclass(frozen=True)
class Asked:
    """``slots``: what the sentence named. ``simulated``: the homelab is not there."""

    bus: Bus
    view: View
    slots: Mapping[str, Slot]
    principal: Principal
    simulated: bool = False
    help: Help | None = None
    explainer: Explainer | None = None

    @property
    def now(self) -> float:
        return self.view.now

    def value(self, name: str) -> Any:
        """What a slot stands for, or None."""
        slot = self.slots.get(name)
        return None if slot is None else slot.value

    def said(self, *names: str) -> str:
        """The first of these slots as the person said it."""
        return next((safe(self.slots[name].said, 80) for name in names if name in self.slots), "that")

    async def ask(self, method: str, params: Any) -> Any:
        """A service of the bus, as the person who asks. Raises as ``Bus.ask``."""
        return await self.bus.ask(method, params, self.principal)

    async def read(self, tool: str, **args: Any) -> ToolOutcome:
        """A GREEN tool through the gate. Raises as the gate; its outcome may be no success."""
        answer = await self.bus.ask("tool.call", ToolCall(name=tool, args=args), self.principal)
        if isinstance(answer, ToolOutcome):
            return answer
        async for piece in answer:  # progress, then the outcome
            if isinstance(piece, ToolOutcome):
                return piece
        raise JarvisError("internal", f"{tool} answered nothing")


def unread(what: str, error: JarvisError) -> Answer:
    """A service that should know did not answer: ``what`` begins a sentence, as ``What models cost``."""
    why = error.sentence()
    return Answer(
        f"{what} I cannot tell: {why}",
        (error.next,) if error.next else (),
        grave=True,
        ways=(f"{what} cannot be read: {why}", f"I cannot read it now: {why}"),
    )


Question = Callable[[Asked], Awaitable[Answer]]
QUESTIONS: Final[dict[str, Question]] = {}
"""Name -> function. Filled by the modules of this folder when ``answers`` is imported."""


def question(function: Question) -> Question:
    """Enter a function into the table, under its own name."""
    name = getattr(function, "__name__", "")
    if name in QUESTIONS:
        raise ValueError(f"there are two answers to {name}")
    QUESTIONS[name] = function
    return function
