"""From a sentence to an order or a question, without a model: ``Understanding.parse``.

1. ``reading``: cleaned, politeness taken off, names and values found by look-up.
2. ``matching``: templates that the whole sentence fits.
3. ``settling``: one meaning, or a sentence that says why not; what slots let in is screened.
4. Where nothing fits: ``screens`` tell why it is no order, ``guessing`` what it was like.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

from jarvis_daemon.assistant.understanding import screens
from jarvis_daemon.assistant.understanding.aliases import Aliases, normal, unfit
from jarvis_daemon.assistant.understanding.guessing import Guesser, example, near_names
from jarvis_daemon.assistant.understanding.live import Live
from jarvis_daemon.assistant.understanding.matching import Found, Hit, Line, Matcher
from jarvis_daemon.assistant.understanding.names import Entry
from jarvis_daemon.assistant.understanding.reading import Reading, find, read
from jarvis_daemon.assistant.understanding.sentences import Intent, load
from jarvis_daemon.assistant.understanding.settling import WHAT, Settled, settle
from jarvis_daemon.assistant.understanding.understood import Understood
from jarvis_daemon.assistant.understanding.verbs import FORMS, doing
from jarvis_daemon.bus import Bus
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.store import Store
from jarvis_daemon.tools.registry import Registry

_ASKING: Final = screens.words_of(
    "why how what what's who who's which where when is are was were does do did has have had can could should "
    "shall would may might am"
)
"""Words with which a question begins."""
_ASKED_ORDER: Final = tuple(
    tuple(phrase.split())
    for phrase in ("should i", "should we", "shall i", "shall we", "can i", "can we", "could i", "may i", "did you",
                   "have you", "do you", "are you able to", "would it help to", "is it time to", "do i need to",
                   "should you", "must i", "what about", "how about")
)  # fmt: skip
_MARKS: Final = ".,;:!?…"
_CONNECTED: Final = re.compile(r"\s*(?:[,;.]|\b(?:and|then|also|plus|or)\b)\s+", re.IGNORECASE)
MAX_NAMES: Final = 4
_UNKNOWN_WORDS: Final = 3
"""A name of more words that nobody knows is taken for talk."""
_ANYTHING: Final = ("guest", "vm", "container", "node", "storage", "service", "docker", "runbook")


class _Read:
    """The sentence files as they were read. What suggests is made when it is first needed."""

    def __init__(self, intents: Sequence[Intent]) -> None:
        self.intents = {intent.name: intent for intent in intents}
        self.matcher = Matcher(intents)

    @cached_property
    def guesser(self) -> Guesser:
        return Guesser(list(self.intents.values()))


class Understanding:
    """``answers``: names of the questions that can be answered (None: unchecked). ``aliases``: of the settings.
    ``services``: node -> systemd units; ``docker``: (host, container) of all that are known; ``runbooks``: name ->
    condition; ``now``: Unix time. The files are read by ``reload``, else with the first sentence."""

    def __init__(
        self, registry: Registry, bus: Bus, *, aliases: Mapping[str, str] | None = None,
        services: Mapping[str, Sequence[str]] | None = None,
        docker: Callable[[], Iterable[tuple[str, str]]] = tuple,
        runbooks: Callable[[], Mapping[str, str]] = dict, answers: Collection[str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._registry, self._answers, self._now = registry, answers, now
        self._live = Live(bus, services=services or {}, docker=docker, runbooks=runbooks)
        self.aliases = Aliases(aliases or {}, lambda: self._live.names)
        self._read: _Read | None = None

    def reload(self) -> None:
        """Read the sentence files anew. Raises ``SentenceError``; then those read before stay."""
        self._read = _Read(load(self._registry, self._answers))

    @property
    def intents(self) -> Mapping[str, Intent]:
        """All that can be ordered and asked, by name. Raises ``SentenceError``."""
        return self._files.intents

    @property
    def _files(self) -> _Read:
        if self._read is None:
            self.reload()
        assert self._read is not None
        return self._read

    async def start(self, store: Store) -> None:
        """Take up the aliases that were set. Raises ``store_failed``."""
        await self.aliases.start(store)

    def stop(self) -> None:
        """Follow the inventory no longer."""
        self._live.stop()

    def parse(self, text: str) -> Understood:
        """What became of a sentence; with the files read, it raises nothing, whatever is said."""
        reading = read(text)
        if reading is None:
            return Understood("unknown")
        settled = self._settle(reading)
        if isinstance(settled, Understood):
            return settled
        if settled is not None:
            return self._allowed(reading, settled)
        return self._not_understood(reading)

    def help(self, room: str | None = None) -> list[str]:
        """A sentence of each intent, of one room or of all, with names that are there."""
        names = {of: self._one_name(of) for of in _ANYTHING}
        chosen = (intent for intent in self.intents.values() if room is None or intent.room == room)
        return [example(intent, names | _SAMPLES) for intent in chosen]

    # --- what fits -------------------------------------------------------------------------------------------

    def _settle(self, reading: Reading) -> Settled | Understood | None:
        """What free slots did not let in goes before what they did; then the line that was changed least."""
        exact: list[Hit] = []
        free: list[Hit] = []
        for line in reading.lines:
            hits = self._files.matcher.hits(line, find(line, self._live.names))
            exact += [hit for hit in hits if not hit.free]
            loose = [hit for hit in hits if hit.free]
            if not free or (loose and all(_names_something(hit) for hit in loose)):
                free = loose
        return settle(exact or free, self._registry, self._now())

    def _allowed(self, reading: Reading, settled: Settled) -> Understood:
        understood = settled.understood
        if not settled.writes:
            return understood
        if reading.hidden:
            return Understood("blocked", text=screens.TEXTS["hidden"])
        if reading.lines_said > 1:
            return Understood("blocked", text=screens.TEXTS["several"])
        if reading.asks:
            plain = reading.bare.text
            return Understood("blocked", text=_said_as(plain), suggestion=plain)
        if understood.tool == "set_alias" and (why := unfit(normal(str(understood.args["word"])))):
            said = clean(str(understood.args["word"]), limit=60)
            return Understood("blocked", text=f"“{said}” cannot be a name for something: {why}. Nothing was done.")
        if self._more(settled):
            return Understood("blocked", text=screens.TEXTS["several"])
        return understood

    def _more(self, settled: Settled) -> bool:
        """Whether what a free slot let in ends with one more order of ours, or holds one between commas."""
        for name, (of, _, said) in settled.hit.slots.items():
            if of != "text" or name in settled.hit.intent.unscreened:
                continue
            words = said.split()
            rests = [
                " ".join(words[at:]) for at, word in enumerate(words) if word.strip(_MARKS).casefold() in FORMS
            ]
            if any(self._plain(piece) is not None for piece in (*rests, *_CONNECTED.split(said)[1:])):
                return True
        return False

    # --- what fits nothing -----------------------------------------------------------------------------------

    def _not_understood(self, reading: Reading) -> Understood:
        line = reading.bare
        asking = line.tokens[0] in _ASKING or reading.asks
        words = screens.bare(line.tokens)
        acts = doing(words)
        screen = screens.why(line.text, words, acts)
        if reading.hidden and acts:
            return Understood("blocked", text=screens.TEXTS["hidden"])
        if asking and acts:
            return self._asked(line)
        if "kill switch" in " ".join(words).replace("killswitch", "kill switch"):
            return Understood("blocked", text=screens.KILL_SWITCH)
        if screen is not None and acts and screen != "asked":
            return Understood("blocked", text=screens.TEXTS[screen])
        if screen in {"quoted", "negated", "conditional"}:
            return Understood("unknown")
        found = find(line, self._live.names)
        kinds = {"question"} if screen is not None else {"order", "question"}
        return self._mended(line, found, kinds) or self._stranger(line, found) or self._likely(line, found, kinds)

    def _asked(self, line: Line) -> Understood:
        """What is asked about an order is none, but may be said as one: "should I restart plex?"."""
        for phrase in _ASKED_ORDER:
            if line.tokens[: len(phrase)] == phrase and len(line.tokens) > len(phrase):
                plain = line.part(len(phrase), len(line.tokens))
                settled = self._plain(plain)
                if settled is not None and settled.kind == "order":
                    return Understood("unknown", text=_said_as(plain), suggestion=plain)
        return Understood("unknown")

    def _mended(self, line: Line, found: Found, kinds: set[str]) -> Understood | None:
        """A name that is nearly one that is there."""
        for first, end in self._strange(line, found):
            said = " ".join(line.tokens[first:end])
            for phrase, shown in near_names(said, self._live.names):
                tokens = (*line.tokens[:first], phrase, *line.tokens[end:])
                suggestion = " ".join(tokens).replace(" 's", "'s")
                understood = self._plain(suggestion)
                if understood is None or understood.kind not in kinds:
                    continue
                text = f"I know nothing called {_quoted(line, first, end)}; there is {shown}. Nothing was done."
                if understood.kind == "order":
                    return Understood("blocked", text=text, suggestion=suggestion)
                return Understood("unknown", text=text, suggestion=suggestion)
        return None

    def _stranger(self, line: Line, found: Found) -> Understood | None:
        """It would be an order if the name were one, or one of that kind: says that it is none."""
        strange = self._strange(line, found)
        placed = [(first, end + 2) for first, end in strange if line.tokens[end : end + 1] == ("on",)]
        beside = [(a, b) for first, end in strange for a, b in ((first - 1, end), (first, end + 1))]
        wider = [one for one in (*placed, *beside) if one[0] >= 0 and one[1] <= len(line.tokens)]
        for first, end in [*strange, *wider, *_named(line, found)]:
            said = line.part(first, end).casefold()
            tried = Found({of: dict(there) for of, there in found.lists.items()}, set(found.covered))
            parts = dict.fromkeys(("vmid", "id", "name", "node", "unit", "number"), said) | {"kind": "vm"}
            for of in (*_ANYTHING, "incident", "silence"):
                if said not in tried.lists.get(of, {}):
                    entry = Entry("guest" if of in {"vm", "container"} else of, "", said, parts)
                    tried.add(of, said, (entry,), first, end)
            hits = self._files.matcher.hits(line, tried)
            if not hits:
                continue
            known = said in {phrase for of in _ANYTHING for phrase in found.lists.get(of, {})}
            text = _no_such(hits, _quoted(line, first, end)) if known else ""
            text = text or f"I know nothing called {_quoted(line, first, end)}"
            if any(hit.intent.kind == "order" for hit in hits):
                return Understood("blocked", text=f"{text}, so nothing was done.")
            return Understood("unknown", text=f"{text}.")
        return None

    def _strange(self, line: Line, found: Found) -> list[tuple[int, int]]:
        """The words that are neither of ours nor of any name, as one stretch; longer ones are talk."""
        words = self._files.matcher.vocabulary
        odd = [i for i, token in enumerate(line.tokens) if i not in found.covered and token not in words]
        guests = found.lists.get("guest", {})
        odd = odd or [i for i, token in enumerate(line.tokens) if token.isdigit() and token not in guests]
        if not odd or odd[-1] - odd[0] >= _UNKNOWN_WORDS or len(odd) != odd[-1] - odd[0] + 1:
            return []
        return [(odd[0], odd[-1] + 1)]

    def _likely(self, line: Line, found: Found, kinds: set[str]) -> Understood:
        """Of several acts that it may have been, none is chosen."""
        likely: dict[str, Understood] = {}
        for sentence in self._files.guesser.sentences(line, found):
            understood = self._plain(sentence)
            if understood is not None and understood.kind in kinds:
                likely[sentence] = understood
        acts = {(one.tool, str(one.args)) for one in likely.values() if one.kind == "order"}
        if not likely or len(acts) > 1:
            return Understood("unknown")
        return Understood("unknown", suggestion=next(iter(likely)))

    def _plain(self, sentence: str) -> Understood | None:
        """What a sentence of ours means."""
        reading = read(sentence)
        settled = self._settle(reading) if reading is not None else None
        return settled.understood if isinstance(settled, Settled) else settled

    def _one_name(self, of: str) -> str:
        kind = {"vm": "vm", "container": "ct"}.get(of)
        entries = self._live.names.of("guest" if kind else of).values()
        found = (e for e in entries if kind is None or e.parts["kind"] == kind)
        entry = next(found, None)
        if entry is None:
            return of.upper()
        return str(entry.parts.get("name") or entry.parts.get("unit") or entry.label)


_SAMPLES: Final = {
    "incident": "incident 3", "silence": "silence 2", "number": "3", "duration": "two hours", "size": "4 GB",
    "level": "L3", "period": "last night", "person": "anybody", "condition": "storage-high",
}  # fmt: skip


def _names_something(hit: Hit) -> bool:
    """Whether it makes a word up for a thing: politeness behind that is no part of it."""
    return "set_alias" in hit.intent.tools.values()


def _named(line: Line, found: Found) -> list[tuple[int, int]]:
    """Where the names stand that are there, the longest first."""
    said = {phrase for of in _ANYTHING for phrase in found.lists.get(of, {})}
    every = ((first, end) for first in range(len(line.tokens)) for end in range(first + 1, len(line.tokens) + 1))
    there = [(first, end) for first, end in every if " ".join(line.tokens[first:end]) in said]
    return sorted(there, key=lambda span: span[0] - span[1])[:MAX_NAMES]


def _no_such(hits: Sequence[Hit], name: str) -> str:
    """What of that name is not there."""
    for hit in hits:
        for of, value, _ in hit.slots.values():
            if isinstance(value, tuple) and value and isinstance(value[0], Entry) and not value[0].id:
                about = "open incident about" if of == "incident" else f"{WHAT[of]} called"
                return f"There is no {about if of != 'silence' else 'silence over'} {name}"
    return ""


def _said_as(plain: str) -> str:
    return f"{screens.TEXTS['asked']} To do it, say “{plain}”."


def _quoted(line: Line, first: int, end: int) -> str:
    return f"“{clean(line.part(first, end), limit=60)}”"
