"""Words of acts, in any form: what tells that a sentence which fits nothing would have been an order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jarvis_daemon.assistant.understanding.screens import words_of

ACTS: Final = words_of(
    "restart reboot bounce start stop shut shutdown kill delete remove destroy wipe erase migrate move drain "
    "wake boot power suspend pause resume unpause clone copy create make take snapshot backup back restore "
    "roll rollback update upgrade patch install resize grow give set add tag untag silence mute unsilence "
    "unmute acknowledge ack run trust distrust clean clear empty purge prune turn switch bring halt reset "
    "cycle evacuate freeze thaw poweroff put lower raise call launch execute spin fire terminate nuke format "
    "evict revert"
)
_FORMS: Final = {
    form: verb
    for verb in ACTS
    for form in (
        verb, f"{verb}s", f"{verb}ed", f"{verb}ing", f"{verb}{verb[-1]}ed", f"{verb}{verb[-1]}ing",
        f"{verb[:-1]}ing" if verb.endswith("e") else verb, f"{verb}d" if verb.endswith("e") else verb,
    )
}  # fmt: skip
FORMS: Final = frozenset(_FORMS)
"""All forms of all acts."""
_SECOND: Final = frozenset({"back", "cycle", "power", "backup", "snapshot", "off"})
"""What belongs to the act before it: "roll back", "power cycle", "take a backup"."""


def doing(words: Sequence[str]) -> int:
    """How many acts a sentence speaks of; "power cycle", "roll back" and "make a snapshot" are one."""
    count, last = 0, ""
    for word in words:
        verb = _FORMS.get(word)
        if verb is not None and not (last and verb in _SECOND):
            count += 1
        last = verb or last
    return count
