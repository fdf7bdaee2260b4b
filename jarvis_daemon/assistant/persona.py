"""How Jarvis speaks: one page for models, the same manner for what is answered without one.

The fact is always first. A remark follows only where nothing grave is told and the settings allow it.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.words import sentence
from jarvis_daemon.assistant.spoken import spoken
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.settings.assistant import AssistantSettings

PAGE: Final = Path(__file__).with_name("persona.md")
Brevity = Literal["screen", "voice"]
WIT_EVERY: Final = 3
"""A remark is made about once in so many answers that could have one."""
ADDRESS_EVERY: Final = 3
_FIRST: Final = re.compile(r"[.!?](?=\s|$)")


@cache
def page() -> str:
    return PAGE.read_text("utf-8").strip()


def version() -> str:
    """Of the page: its first line says it."""
    return page().partition("\n")[0].rpartition(" ")[2]


class Persona:
    """``say`` is what a person reads or hears; ``prompt`` what a model is told of its manner."""

    def __init__(self, settings: AssistantSettings) -> None:
        self._address = clean(settings.address, limit=40).strip(" ,.")
        self._wit = settings.wit

    def prompt(self) -> str:
        """The page, the form of address, and whether wit is wanted."""
        address = f'Address the person as "{self._address}".' if self._address else "Use no form of address."
        wit = "" if self._wit else "\nThe person wants no remarks: leave all wit out."
        return f"{page()}\n\n{address}{wit}"

    def say(
        self, answer: Answer, *, replies: Sequence[str] = (), seed: int = 0, brevity: Brevity = "screen"
    ) -> str:
        """``answer`` in words. The same seed says the same; ``replies`` are used of a success only."""
        chance = random.Random(f"{seed}/{answer.text}")  # noqa: S311  # a choice of words
        fitting = self._wit and not answer.grave and not answer.plain and brevity == "screen"
        aside = (
            chance.choice(answer.asides) if answer.asides and fitting and not chance.randrange(WIT_EVERY) else ""
        )
        text = self._fact(answer, replies, chance, addressed="{sir}" in aside)
        if aside:
            text = f"{text} {sentence(self._filled(aside))}"
        if brevity == "voice":
            return spoken(text)
        return "\n".join([text, *(self._filled(line) for line in answer.lines if line.strip())])

    # --- the fact ------------------------------------------------------------------------------------------

    def _fact(self, answer: Answer, replies: Sequence[str], chance: random.Random, *, addressed: bool) -> str:
        """``addressed``: the form of address stands elsewhere already."""
        told = [self._reply(one, answer.facts) for one in replies] if answer.success else []
        if fitting := [text for text in told if text is not None]:
            return sentence(chance.choice(fitting))
        text = chance.choice((answer.text, *answer.ways))
        if "{sir}" in text:
            return sentence(self._filled(text))
        address = self._address and not addressed and chance.randrange(ADDRESS_EVERY) == 0
        return sentence(self._addressed(text) if address else text)

    def _reply(self, template: str, facts: Mapping[str, Any]) -> str | None:
        """A phrasing of success with its names; None where it names what the call did not have."""
        given = {
            key: clean(str(value), limit=200)
            for key, value in facts.items()
            if isinstance(value, str | int | float)
        }
        given["sir"] = self._sir
        try:
            wanted = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
            return template.format_map(given) if wanted <= given.keys() else None
        except (ValueError, IndexError, KeyError, AttributeError):
            return None

    @property
    def _sir(self) -> str:
        return f", {self._address}" if self._address else ""

    def _filled(self, text: str) -> str:
        return text.replace("{sir}", self._sir)

    def _addressed(self, text: str) -> str:
        """``, sir`` at the end of the first sentence, in a way that breaks no name, number or command."""
        text = text.rstrip()
        if text.endswith(("?", ".", "!")) and not _FIRST.search(text[:-1]):
            return f"{text[:-1]}{self._sir}{text[-1]}"
        if _FIRST.search(text) is None:
            return f"{text}{self._sir}"
        return text  # of several sentences: a stop may belong to a name, so it is left alone
