"""Questions answered from state, results and outcomes told: what ``conversation`` asks of this folder."""

from __future__ import annotations

from typing import Final

from jarvis_daemon.assistant.answers import (  # noqa: F401  # each enters its questions into the table
    guests,
    guests_many,
    happened,
    house,
    incident_list,
    myself,
    nodes,
    storages,
    tasks,
    watch,
    why,
)
from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import QUESTIONS, Asked, Help
from jarvis_daemon.assistant.answers.outcomes import tell_outcome
from jarvis_daemon.assistant.answers.view import View
from jarvis_daemon.assistant.explain import Explainer
from jarvis_daemon.assistant.understanding.understood import Understood
from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import ToolOutcome
from jarvis_daemon.tools import Registry

NAMES: Final = frozenset(name for name, made in QUESTIONS.items() if made.__module__.startswith(__package__ or ""))
"""The questions that can be answered: what sentence files may name."""


class Answers:
    """``help``: what may be said, of a room or of all; ``explainer``: why an incident is."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        *,
        registry: Registry,
        help: Help | None = None,  # noqa: A002
        explainer: Explainer | None = None,
        simulated: bool = False,
    ) -> None:
        self._bus, self._clock, self._registry = bus, clock, registry
        self._help, self._explainer, self._simulated = help, explainer, simulated

    async def answer(self, understood: Understood, principal: Principal) -> Answer:
        """The answer to a question. Raises nothing but ``JarvisError`` of kinds that no function expects."""
        function = QUESTIONS.get(understood.intent)
        if function is None:
            return Answer("I understood the question, but have no answer to it", grave=True, plain=True)
        view = View(self._bus, self._clock.now())
        asked = Asked(
            self._bus, view, understood.slots, principal, self._simulated, self._help, explainer=self._explainer
        )
        try:
            return await function(asked)
        except JarvisError as error:
            return Answer(
                f"That I cannot tell: {error.sentence()}", (error.next,) if error.next else (), grave=True
            )

    def tell(self, understood: Understood, outcome: ToolOutcome) -> Answer:
        """What became of a call, the fact first; the result of a read in words."""
        writes = understood.tool in self._registry and self._registry.get(understood.tool).writes
        view = View(self._bus, self._clock.now())
        return tell_outcome(outcome, view, args=understood.args, writes=writes)
