"""A model's words on their way to the person: what it claims to have done is held back until that is known.

A sentence that claims an act ("I have restarted plex", "Done, plex has been rebooted") waits for its end and for
the calls of its turn; one that no call bears out is replaced by an honest sentence before it is seen. All else
passes as it comes: only from the word that could begin a claim on does a sentence wait, until that word turns out
to be none. What is said does not depend on how the stream was cut into pieces.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from jarvis_daemon.assistant.reasoning import acts
from jarvis_daemon.assistant.reasoning.boasts import WORDS, boasts
from jarvis_daemon.protocol.mind import ChatCall
from jarvis_daemon.protocol.text import clean

LONGEST: Final = 800
"""A sentence without an end is judged at this length."""
GOOD: Final = frozenset({"verified", "done"})
NOT_SO: Final = "I was about to say that something was done; in truth I have done nothing of the kind."
_END: Final = re.compile(r"[.!?…](?=\s)|\n")
_WORD: Final = re.compile(r"[^\s]+")
_ME: Final = frozenset({"i", "i've", "i'm", "i'd", "we", "we've", "we're", "jarvis"})
_FILL: Final = acts.many(
    "have had has just now already successfully also duly been being am are is was were 've 'm gone went ahead and "
    "taken care of the liberty safely gracefully promptly then finally again both all again quickly immediately as "
    "requested accordingly cleanly fully only sir madam either"
)
_AUX: Final = acts.many("has have had was were is are been being got gets it's that's they've")
_STATE: Final = acts.many("is are it's that's")
_CHANGED: Final = acts.many("now been being already successfully")
"""With these even "is stopped" tells of an act and not of a state."""
_DONE: Final = frozenset({"done", "completed", "success", "accomplished"})
_CORES: Final = (acts.DONE_WORDS, acts.GOING_WORDS, acts.TAKEN, _DONE)
_NOT: Final = acts.many(
    "not never no none nothing nobody neither nor without unable cannot can't couldn't didn't haven't hasn't "
    "wasn't weren't isn't aren't won't don't unless if once whether when until after before whenever should could "
    "would might may must can will to want wants like ask asked shall need needs"
)
"""Before the word of an act: what follows is no claim of a deed."""
_REPORT: Final = re.compile(
    r"\b(?:by(?! (?:me|us|jarvis)\b)|ago|yesterday|since|last (?:night|week|month|time)|"
    r"earlier|previously|"
    r"on (?:mon|tues|wednes|thurs|fri|satur|sun)day|at \d|\d{1,2}:\d\d|\d{4}-\d\d-\d\d|this morning|"
    r"overnight|watchman)\b",
    re.IGNORECASE,
)
"""A deed of another time or of another's hand."""
_ASKING: Final = acts.many(
    "what which who whose how why when where shall should would could can may might do does did has have had is "
    "are was were will want or any anything need is isn't wasn't hasn't haven't didn't don't won't you"
)
_PART: Final = re.compile(r"[^\W_]+")
_AGAIN: Final = re.compile(r"\bonce (?:again|more)\b", re.IGNORECASE)
_THINGS: Final = frozenset({"snapshot", "backup"})
"""Nouns: what was done with one stands beside it."""
_LEAD: Final = acts.many("and so but then sir madam also well ok okay or")
_APART: Final = re.compile(r"[,;:—–]|\b(?:but|while|which|because|since|whereas|although)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Piece:
    """What goes to the person: text behind what stands, or instead of all of it."""

    text: str
    instead: bool = False


class Claims:
    """The filter of one turn. ``ordered``: acts that the person's words order; ``names``: of things that are known,
    in lower case; ``calls`` grows as the loop goes on. ``question``: the person wants to know something, so what is
    told as done is likely told of another time."""

    def __init__(
        self, calls: Sequence[ChatCall], ordered: Collection[str], names: Collection[str], *, question: bool = False
    ) -> None:  # fmt: skip
        self._calls, self._ordered, self._names, self._question = calls, ordered, names, question
        self.stands = ""
        """What the person has been told."""
        self.caught: list[str] = []
        """Sentences that were withheld."""
        self._rest = ""
        """The sentence under way, from its beginning; ``_shown`` characters of it were told."""
        self._shown = 0
        self._waits = False
        """A claim that no call bears out yet waits; all behind it waits too."""
        self._said: set[str] = set()

    def feed(self, piece: str) -> list[Piece]:
        """A piece of the stream; what of it may be told now."""
        self._rest += piece
        return [] if self._waits else self._on(final=False)

    def settle(self) -> list[Piece]:
        """The stream has ended and its calls were made: what waited is judged."""
        self._waits = False
        found = self._on(final=True)
        if self._rest:
            found += self._sentence(self._rest, final=True)
            self._rest = ""
        return found

    def drop(self, stands: str) -> None:
        """Forget what was begun: another backend speaks, and ``stands`` is what remains."""
        self.stands, self._rest, self._shown, self._waits = stands, "", 0, False

    def add(self, text: str) -> list[Piece]:
        """Words of our own, behind all that stands."""
        self.stands += text
        return [Piece(text)] if text else []

    # --- sentence by sentence ----------------------------------------------------------------------------------

    def _on(self, *, final: bool) -> list[Piece]:
        found: list[Piece] = []
        while (end := self._end()) is not None:
            sentence = self._rest[:end]
            pieces = self._sentence(sentence, final=final)
            if self._waits:
                return found
            found += pieces
            self._rest = self._rest[end:]
        safe = max(self._shown, safe_upto(self._rest, ordered=bool(self._ordered)))
        if safe > self._shown:
            found += self.add(self._rest[self._shown : safe])
            self._shown = safe
        return found

    def _end(self) -> int | None:
        match = _END.search(self._rest)
        if match is not None and match.end() <= LONGEST:
            return match.end()
        return LONGEST if len(self._rest) > LONGEST else None

    def _sentence(self, sentence: str, *, final: bool) -> list[Piece]:
        read = any(call.tier == "green" and call.status in GOOD for call in self._calls)
        claimed = claims(sentence, self._ordered, read, question=self._question)
        if not claimed or self._true(sentence, claimed):
            shown, self._shown = self._shown, 0
            return self.add(sentence[shown:])
        if not final:
            self._waits = True
            return []
        self.caught.append(sentence.strip())
        honest = self._honest(claimed)
        before = self.stands[: len(self.stands) - self._shown] if self._shown else self.stands
        shown, self._shown = self._shown, 0
        if honest in self._said:
            honest = ""
        self._said.add(honest)
        blank = sentence[: len(sentence) - len(sentence.lstrip())]
        new = f"{before}{blank}{honest}" if honest else before
        new += sentence[len(sentence.rstrip()) :]
        if shown:
            self.stands = new
            return [Piece(new, instead=True)]
        return self.add(new[len(before) :])

    def _true(self, sentence: str, claimed: set[str]) -> bool:
        """Whether calls of this turn that ended well bear the claim out."""
        good = [call for call in self._calls if call.status in GOOD and call.tier != "green"]
        if claimed == {"done"}:
            return bool(good) or not self._ordered
        return any(_of(call, claimed) and self._about(sentence, call) for call in good)

    def _about(self, sentence: str, call: ChatCall) -> bool:
        """Whether the claim is of what was called: a known name in its part of the sentence must be the call's."""
        own = {call.target_name.casefold(), *call.target.casefold().replace("/", ":").split(":")}
        own |= {str(value).casefold() for value in call.args.values()}
        for part in _APART.split(sentence):
            tokens = acts.words(part)
            if not any(acts.claimed(word, tokens[at:], tokens) for at, word in enumerate(tokens)):
                continue
            named = {token for token in tokens if token in self._names}
            if named and named.isdisjoint(own):
                return False
            guests = named - own
            if guests and not all(self._called(name) for name in guests) and _listed(tokens, guests, own):
                return False
        return True

    def _called(self, name: str) -> bool:
        return any(
            name in {call.target_name.casefold(), *(str(v).casefold() for v in call.args.values())}
            for call in self._calls if call.status in GOOD
        )  # fmt: skip

    def _honest(self, claimed: set[str]) -> str:
        """What is so instead, from the last call of such an act, or that there was none."""
        for call in reversed(self._calls):
            if call.tier == "green" or not (_of(call, claimed) or claimed == {"done"}):
                continue
            name = clean(call.target_name or call.name, limit=80)
            if call.status == "awaiting":
                held = f"approval {call.approval_id}" if call.approval_id else "approval"
                return f"That is not done yet: {call.name} on {name} waits for your {held}."
            if call.status not in GOOD:
                return f"That is not so: {clean(call.text or f'{call.name} on {name}: {call.status}', limit=300)}"
        return NOT_SO


def claims(
    sentence: str, ordered: Collection[str] = (), called: bool = False, *, question: bool = False
) -> set[str]:  # fmt: skip
    """The acts that a sentence claims as done in this turn; ``done`` for one that only says so. Empty: it claims
    none. ``ordered``: what the person ordered; ``called``: something was read in this turn; ``question``: the
    person asked something."""
    text = sentence.strip()
    tokens, apart = _tokens(text)
    if not tokens or (text.endswith("?") and _asks(tokens)):
        return set()
    report = _REPORT.search(text) is not None
    found: set[str] = set()
    for at, word in enumerate(tokens):
        named = set() if word in _THINGS else acts.claimed(word, tokens[at + 1 :], tokens)
        before = tokens[_begin(tokens, apart, at) : at]
        cared = word == "taken" and tokens[at + 1 : at + 2] == ["care"]
        if not named and word not in _DONE and not cared:
            continue
        kind = _kind(before, word, well="successfully" in tokens)
        mine = not named.isdisjoint(ordered) or (ordered and not called and not named.isdisjoint(_THINGS))
        if kind is None and mine and _labelled(tokens, at):
            kind = "bare"
        if kind is None:
            continue
        other = named.isdisjoint(ordered)
        if report and (other or (called and kind != "me")) and (named or called):
            continue  # of another time, or by another hand
        if kind in {"passive", "bare"} and (called or question) and named and other:
            continue  # a report of what was read
        if named == {"run"} and called:
            continue  # "I ran a check"
        found |= named or {"done"}
    if not found and not (report and (called or question)) and boasts(text, ordered, read=called or question):
        return {"done"}
    return found - {"done"} if len(found) > 1 else found


def safe_upto(begun: str, *, ordered: bool = False) -> int:
    """How much of an unfinished sentence may be told: all before what could be, or is, the core of a claim.
    ``ordered``: something was ordered, so that other turns of speech may claim it too."""
    spans = [(match.start(), match[0]) for match in _WORD.finditer(begun)]
    open_end = bool(begun) and not begun[-1].isspace()
    hold: int | None = None
    for at, (start, raw) in enumerate(spans):
        token = _whole((acts.words(raw) or [""])[0])
        last = open_end and at == len(spans) - 1
        parts = {token, *_PART.findall(token)} if ordered else {token}
        if any(_is_core(part, ordered) or (last and _may_become(part, ordered)) for part in parts):
            return start if hold is None else hold
        if hold is not None and token not in _FILL and not (last and any(f.startswith(token) for f in _FILL)):
            hold = None
        if hold is None and (token in _ME or token in _AUX):
            hold = start
    return len(begun) if hold is None else hold


def _kind(before: Sequence[str], token: str, *, well: bool) -> str | None:
    """How the word of an act is claimed: by me, as a passive, bare at the beginning; None: not at all."""
    if not _NOT.isdisjoint(before):
        return None
    trail: list[str] = []
    for word in reversed(before):
        trail.append(word)
        if word in _ME:
            return "me"
        if word == "you":
            return None
        if word not in _FILL and word not in _AUX:
            trail.pop()
            break
    going = token in acts.GOING_WORDS
    if not going and not _AUX.isdisjoint(trail):
        state = _STATE.isdisjoint(trail) or not _CHANGED.isdisjoint(trail)
        return "passive" if state or token in {"restarted", "rebooted", "done", "completed"} else None
    if all(word in _FILL for word in before) or (well and len(before) < 4):
        return "bare"
    return "bare" if token in _DONE and len(before) < 3 else None


def _tokens(text: str) -> tuple[list[str], set[int]]:
    """The words of a sentence, and the places of those that begin a part of it, behind a comma or the like."""
    tokens: list[str] = []
    text = _AGAIN.sub("again", text)
    apart: set[int] = set()
    for raw in text.split():
        tokens += [_whole(one) for one in acts.words(raw) if any(letter.isalnum() for letter in one)]
        if raw.endswith((",", ";", ":", "—", "–")):
            apart.add(len(tokens))
    return tokens, apart


def _whole(word: str) -> str:
    """``re-started`` is ``restarted``."""
    together = word.replace("-", "", 1)
    return together if word.startswith("re-") and _is_core(together, ordered=False) else word


def _begin(tokens: Sequence[str], apart: set[int], at: int) -> int:
    """Where the words begin that tell how the word of an act is meant: "Before you ask, I have restarted it" means
    it, whatever stands before the comma."""
    first = max(0, at - 8)
    if tokens[at] in acts.GOING_WORDS:
        return first
    mine = [place for place in range(first, at) if tokens[place] in _ME and place in apart]
    return mine[-1] if mine else first


def _asks(tokens: Sequence[str]) -> bool:
    """Whether a sentence with a question mark begins as a question, or tells of what is to come."""
    head = [token for token in tokens[:3] if token not in _LEAD]
    return not head or head[0] in _ASKING or any(token in acts.GOING_WORDS for token in tokens)


def _labelled(tokens: Sequence[str], at: int) -> bool:
    """Whether it is put as in a list: "plex: restarted", "Updates installed"."""
    before = tokens[:at]
    return (
        len(before) < 4
        and (len(tokens) - at < 3 or tokens[at + 1] == "by")
        and (_NOT | _AUX | {"you"}).isdisjoint(tokens)
    )


def _is_core(word: str, ordered: bool) -> bool:
    return any(word in kind for kind in _CORES) or (ordered and word in WORDS)


def _may_become(begun: str, ordered: bool) -> bool:
    """Whether a word that is not finished could still become one of an act."""
    kinds = (*_CORES, WORDS) if ordered else _CORES
    return len(begun) > 2 and any(word.startswith(begun) for kind in kinds for word in kind)


def _of(call: ChatCall, claimed: set[str]) -> bool:
    return any(call.name.startswith(acts.ACTS[name].tools) for name in claimed if name in acts.ACTS) or not any(
        call.name.startswith(act.tools) for act in acts.ACTS.values()
    )


def _listed(tokens: Sequence[str], names: set[str], own: set[str]) -> bool:
    """Whether a name stands in one list with the call's own: "plex and gitea"."""
    beside = [{tokens[at - 1], tokens[at + 1]} for at in range(1, len(tokens) - 1) if tokens[at] == "and"]
    return any(pair & names and pair & own for pair in beside)
