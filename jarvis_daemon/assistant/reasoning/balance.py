"""What the calls of a turn come to, in one sentence of ours: no wording of a model can tell it otherwise.

Where the person ordered something, or a call that writes was tried, and what he ordered was not done, this sentence
ends the reply. It is computed from the calls alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from jarvis_daemon.assistant.conversation.turn import Turn
from jarvis_daemon.assistant.reasoning import acts
from jarvis_daemon.assistant.reasoning.said import asks, orders, why_not
from jarvis_daemon.protocol.mind import ChatCall
from jarvis_daemon.redact import safe_line

GOOD: Final = frozenset({"verified", "done"})
NOTHING: Final = "Nothing was done in this turn."
_WAITS: Final = frozenset({"awaiting", "asks"})
_NEVER: Final = frozenset({"refused", "denied", "expired", "cancelled"})
"""Ended before anything was begun."""
_BEGUN: Final = frozenset({"running", "unverified", "contradicted"})
_KEPT: Final = frozenset({"remember"})
"""What is remembered of a turn needs no call."""
_NOUNS: Final = frozenset({"backup", "snapshot", "update", "tag", "silence"})
"""Acts whose words are things too: "plex backup status" orders none; "make a backup" does."""
_GO_ON: Final = frozenset({"yes", "ok", "okay", "sure", "go", "do", "again", "same", "proceed", "continue", "both"})
FEW: Final = 6
"""Words of an answer that means the order before it."""


def acts_ordered(turn: Turn) -> set[str] | None:
    """The acts that the person's words order, empty where they order one of no name ("do it"); None: none."""
    words = acts.words(turn.asked)
    found = set(acts.ordered(words)) - _KEPT
    goes_on = bool(words) and words[0] in _GO_ON and (not found or words == ["continue"])
    if goes_on and "?" not in turn.asked and len(words) <= FEW:
        before = turn.past[-1].asked if turn.past else ""
        return set() if acts.ordered(acts.words(before)) and not asks(before) else None
    if asks(turn.asked) or why_not(turn.asked) == "asked":
        return None
    return found if found - acts.LIGHT - _NOUNS or (found and orders(turn.asked)) else None


def sentence(
    calls: Sequence[ChatCall], writing: Collection[str], ordered: Collection[str] | None, *, tried: bool
) -> str:  # fmt: skip
    """What has to be told behind the reply; empty where what was ordered was done. ``writing``: names of tools that
    change something; ``ordered``: as ``acts_ordered`` found; ``tried``: a call was proposed that never was made."""
    made = [call for call in calls if call.name in writing or call.tier != "green"]
    if ordered is None and not made and not tried:
        return ""
    good = [call for call in made if call.status in GOOD]
    mended = {(call.name, call.target) for call in good}
    left = [call for call in made if call.status not in GOOD and (call.name, call.target) not in mended]
    if left:
        return _head(left, good) + "; ".join(dict.fromkeys(_one(call) for call in left)) + "."
    if not good:
        return NOTHING
    if ordered and not any(_does(call, ordered) for call in good):
        return f"Only this was done in this turn: {'; '.join(dict.fromkeys(_named(call) for call in good))}."
    return ""


def _head(left: Sequence[ChatCall], good: Sequence[ChatCall]) -> str:
    if good:
        return "Not all was done: "
    if any(call.status in _BEGUN for call in left):
        return "It is not certain that this was done: "
    if all(call.status in _WAITS for call in left):
        return "Nothing was done yet: "
    never = all(call.status in _WAITS | _NEVER for call in left)
    return "Nothing was done in this turn: " if never else "Not done: "


def _one(call: ChatCall) -> str:
    name = _named(call)
    if call.status == "awaiting":
        held = f" ({safe_line(call.approval_id, limit=40)})" if call.approval_id else ""
        return f"{name} waits for your approval{held}"
    return {
        "asks": f"{name} waits for your word",
        "running": f"{name} is still under way",
        "unverified": f"{name} was begun; whether it worked could not be seen",
        "contradicted": f"{name} was begun; what is seen says that it did not work",
        "failed": f"{name} failed",
        "expired": f"{name} waited too long for approval",
    }.get(call.status, f"{name} was {call.status}")


def _named(call: ChatCall) -> str:
    target = safe_line(call.target_name or call.target, limit=80)
    return f"{safe_line(call.name, limit=60)} on {target}" if target else safe_line(call.name, limit=60)


def _does(call: ChatCall, ordered: Collection[str]) -> bool:
    """Whether a call may be what was ordered: it does one of these acts, or what it does is of no known name."""
    does = {name for name, act in acts.ACTS.items() if call.name.startswith(act.tools)}
    return not does or not does.isdisjoint(ordered)
