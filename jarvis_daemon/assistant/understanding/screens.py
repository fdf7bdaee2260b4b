"""What makes a sentence no order: it denies, depends, quotes, asks, tells of the past, names a time, wants several.

An order is matched as a whole, so such a word can only stand where a slot lets words of the person in: ``inside``
looks there. ``why`` looks at a sentence that no template matches, to tell the person why nothing was done.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final, Literal

Screen = Literal["hidden", "quoted", "negated", "conditional", "timed", "several", "many", "past", "asked"]


def words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEGATED: Final = words_of(
    "not never no dont don't doesnt doesn't didnt didn't wont won't wouldnt wouldn't shouldnt shouldn't cant can't "
    "cannot couldnt couldn't mustnt mustn't neednt needn't isnt isn't arent aren't wasnt wasn't aint ain't without "
    "neither nor none nothing avoid refrain except but instead rather nope unnecessary"
)
CONDITIONAL: Final = words_of(
    "if when whenever unless until till while once after before whether provided providing assuming suppose "
    "supposing otherwise else should"
)
SEVERAL: Final = words_of("and then also plus")
TIMED: Final = words_of(
    "tomorrow tonight later soon every daily nightly weekly hourly monthly monday tuesday wednesday thursday "
    "friday saturday sunday noon midnight o'clock oclock"
)
QUOTED: Final = words_of("said says told ignore disregard quote according")
_Words = tuple[tuple[Screen, frozenset[str]], ...]
_STRICT: Final[_Words] = (
    ("quoted", QUOTED), ("negated", NEGATED), ("conditional", CONDITIONAL), ("timed", TIMED),
)  # fmt: skip
_FIRST: Final[_Words] = (
    ("quoted", QUOTED | words_of(
        "saying tells wrote writes written claims claimed claiming suggests suggested suggesting suggestion quoted "
        "unquote asks asked allegedly supposedly reads instructed instructions instruction command message "
        "prompt pretend imagine translate repeat spell prints printed")),
    ("negated", NEGATED | words_of(
        "nobody hold hesitate leave skip stopping quit prevent forbid wrong mistake hardly abort cancel")),
    ("conditional", CONDITIONAL | words_of(
        "depending case event whereas although though since maybe perhaps possibly probably might eventually lest "
        "as because")),
    ("timed", TIMED | words_of(
        "next morning mornings afternoon evening evenings night nights weekend weekends am pm yesterday "
        "ago today schedule scheduled regularly repeatedly periodically always often sometimes during")),
)  # fmt: skip
_THEN: Final[_Words] = (
    ("several", SEVERAL | words_of("or either both followed besides afterwards additionally")),
    ("many", words_of(
        "all every everything everyone each any anything whatever them those these several some many most others "
        "rest it")),
    ("past", words_of(
        "i we he she they was were had has have been did does done already just wish hope want wants wanted would "
        "will going gonna planning plan tried trying")),
    ("asked", words_of("why how what who whose which where shall may is are can could")),
)  # fmt: skip
TEXTS: Final[dict[Screen, str]] = {
    "hidden": "There were hidden characters in that, so nothing was done. Say it again plainly.",
    "quoted": "That quotes somebody or something, so nothing was done: I act on your own plain words only.",
    "negated": "That says not to, so nothing was done.",
    "conditional": "That depends on something, so nothing was done: I act at once or not at all.",
    "timed": "That is for another time, so nothing was done: I act at once or not at all.",
    "several": "That is more than one thing, so nothing was done. Say them one by one.",
    "many": "That could be more than one thing, so nothing was done. Name one at a time; "
    "`jarvis kill` stops all that acts.",
    "past": "That is a report or a wish, so nothing was done. Say it as a plain order.",
    "asked": "That is a question, so nothing was done.",
}
"""What a person is told."""
_AT_A_TIME: Final = re.compile(
    r"\b(?:at|by) (?:[0-9]|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b)"
    r"|\b(?:in|within) (?:[0-9]+ ?(?:s|m|h|min|mins|hrs?|d)\b"
    r"|(?:[\w-]+ ){1,4}(?:second|minute|hour|day|week|month|moment|while|bit)s?\b)"
)
_QUOTES: Final = re.compile(r"""["“”„«»`]|(?:^|\s)'\S|\S'(?:\s|$)""")
_BETWEEN: Final = re.compile(r"[;&|]")
STRICT: Final = NEGATED | CONDITIONAL | SEVERAL | TIMED | QUOTED
"""Never part of a name by which something is ordered."""
RESERVED: Final = STRICT | words_of(
    "the a an my our this that please now thanks thank you me jarvis all everything it them both each any one "
    "other another"
)
"""No name by themselves."""
PARTICLES: Final = (RESERVED - TIMED) | words_of(
    "as with to called named of on from in into onto by for is be at or off up down over under yesterday today "
    "last next tomorrow tonight later soon"
)
"""Where one of these stands for a name that the person makes up, the name was left out."""
WAVERING: Final = words_of(
    "wait cancel abort hold stop halt undo nah nope nay nein nee nicht non nyet never-mind nevermind or-not forget "
    "maybe perhaps possibly probably eventually someday sometime sometimes yesterday today tonight tomorrow later "
    "soon now immediately asap afterwards beforehand again once twice regularly usual usually planned always "
    "yes yeah yep ja ok okay sure please thanks cheers sir sorry oops lol haha jk hm hmm uh um err actually back "
    "away along out it me him her us you i something anything nothing mistake wrong"
)
"""What is said when one hesitates, puts off or takes back: never a name that a person makes up."""
_DENIED: Final = re.compile(r"(?:^|.*[-_])(?:not|nicht|never|nein|nah)$", re.IGNORECASE)
KILL_SWITCH: Final = "`jarvis kill` engages the kill switch and `jarvis unkill` releases it; no sentence does."


def bare(words: Sequence[str]) -> list[str]:
    """Words without quotation marks and brackets around them."""
    return [word.strip("\"'“”„«»`‘’()[]{}<>") for word in words]


def no_name(word: str) -> bool:
    """Whether a word, in lower case, is none that a person would make up as a name."""
    return word in PARTICLES or word in WAVERING or _DENIED.match(word) is not None


def inside(text: str, words: Collection[str], acts: Collection[str], *, one_word: bool = False) -> Screen | None:
    """Why what a person put into a slot may not be acted upon; ``words`` of it in lower case, ``acts``: verbs.

    ``one_word``: it is a name that the person makes up, so a snapshot may be called ``daily``.
    """
    if _QUOTES.search(text):
        return "quoted"
    for screen, bad in _STRICT:
        if not bad.isdisjoint(words) and not (one_word and screen == "timed"):
            return screen
    doing = not frozenset(acts).isdisjoint(words)
    if _BETWEEN.search(text) or (doing and ("," in text or not SEVERAL.isdisjoint(words))):
        return "several"
    return None


def why(text: str, words: Sequence[str], doing: int) -> Screen | None:
    """Why a sentence that speaks of acts is no order; ``doing``: how many verbs of acts are in it."""
    if _QUOTES.search(text):
        return "quoted"
    for screen, bad in _FIRST:
        if not bad.isdisjoint(words):
            return screen
    if _AT_A_TIME.search(" ".join(words)):
        return "timed"
    if _BETWEEN.search(text) or "," in text or doing > 1:
        return "several"
    return next((screen for screen, bad in _THEN if not bad.isdisjoint(words)), None)
