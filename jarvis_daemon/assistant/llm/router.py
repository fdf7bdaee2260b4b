"""Which model is asked for what, and which next. The rules, in this order:

    private                          never a model outside the house
    the person's own choice          local: nothing leaves the house; cloud: there first, the others after it
    assistant.router.prefer          the same as an order of preference, where the person chose nothing
    the turn goes over several steps the cloud: from its third request on; where it may change something from its
                                     second, since it then acts on what it has read
    another language                 the cloud, unless it stands in languages_local
    a long question, or one that     the cloud
    asks why, compares, plans
    everything else                  the local model: routine

Behind the first come the others, the embedded one always last. With cloud_fallback = false the cloud is no
fallback: it is asked where a rule puts it first, or not at all. Health and budget are the brain's to ask, in turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from jarvis_daemon.assistant.llm.contract import LLMBackend, Name, Wish
from jarvis_daemon.assistant.llm.language import language
from jarvis_daemon.settings.assistant import RouterSettings

Choice = tuple[LLMBackend, str]
_REASONING: Final = re.compile(
    r"\b(?:why|explain|explanation|compare|comparison|versus|vs|plan|analy[sz]e|analysis|diagnose|investigate"
    r"|troubleshoot|root cause|pros and cons|trade-?offs?|recommend|should i|step by step|strategy|summari[sz]e"
    r"|what would happen|what happens if|correlat\w+)\b",
    re.IGNORECASE,
)
_STEPS_READING: Final = 2
_STEPS_WRITING: Final = 1


class Router:
    """``order`` gives the backends to ask, first choice first, each with why it stands there."""

    def __init__(self, settings: RouterSettings) -> None:
        self._settings = settings

    def order(self, wish: Wish, backends: Sequence[LLMBackend]) -> list[Choice]:
        may = [it for it in backends if not (wish.private and it.place == "cloud")]
        choice, why = self.first(wish)
        if wish.prefer == "local":
            may = [it for it in may if it.place != "cloud"]
        names: tuple[Name, ...] = ("cloud", "local") if choice == "cloud" else ("local", "cloud")
        ranked = [it for name in (*names, "embedded") for it in may if it.name == name]
        if not self._settings.cloud_fallback and ranked and ranked[0].place != "cloud":
            ranked = [ranked[0], *(it for it in ranked[1:] if it.place != "cloud")]
        return [(it, why if it.name == choice else _stand_in(it.name)) for it in ranked]

    def first(self, wish: Wish) -> tuple[Name, str]:
        """The place that suits the question, and why."""
        if wish.prefer != "auto":
            return wish.prefer, "as you chose"
        if self._settings.prefer != "auto":
            return self._settings.prefer, "as your settings prefer"
        if why := self._reasoning(wish):
            return "cloud", why
        return "local", "routine"

    def _reasoning(self, wish: Wish) -> str:
        """Why a question is more than routine; empty where it is not."""
        if wish.steps >= (_STEPS_WRITING if wish.writes else _STEPS_READING):
            return "it takes several steps"
        spoken = language(wish.text)
        if spoken is not None and spoken not in self._settings.languages_local:
            return f"it is in another language ({spoken})"
        if len(wish.text.split()) > self._settings.long_words:
            return "it is long"
        if match := _REASONING.search(wish.text):
            return f"it asks to reason ({match[0].lower()})"
        return ""


def _stand_in(name: Name) -> str:
    if name == "embedded":
        return "nothing better can be asked; it is a very small model, which knows little and errs often"
    return "it stands in for the other one"
