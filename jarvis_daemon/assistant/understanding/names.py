"""What may be named: an index from what people say to what there is, kept as the inventory changes.

Each entry is found by several phrases: ``home-assistant`` by "home assistant" too, ``agent1`` by "agent 1" and
"agent one", guest 104 by "104" ("vm 104" is a matter of ``reading``). A phrase is looked up, never searched for: a
name cannot match more than itself. A guest whose name is a word of the language of orders ("all", "the", "not") is
found by its vmid only, a node of such a name by "node all".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.assistant.understanding.numbers import spoken
from jarvis_daemon.assistant.understanding.screens import PARTICLES, RESERVED, STRICT, WAVERING, words_of
from jarvis_daemon.assistant.understanding.verbs import FORMS
from jarvis_daemon.protocol.text import clean

MAX_WORDS: Final = 6
"""A longer name is not said; its vmid is."""
_BREAKS: Final = re.compile(r"[-_.]+")
_WORD_NUMBER: Final = re.compile(r"(?<=[a-z])(?=[0-9])|(?<=[0-9])(?=[a-z])")
_OF_KIND: Final[dict[str, tuple[str, ...]]] = {
    "node": ("node", "host"), "storage": ("storage",), "service": ("service",), "docker": ("container", "docker"),
}  # fmt: skip
BEFORE_VMID: Final = ("vm", "ct", "lxc", "container", "guest", "vmid", "id", "number", "machine")
"""What people say before a vmid; "vm 104" is no phrase of its own, else a thousand guests had ten thousand."""

_BESIDE: Final = (PARTICLES | WAVERING) - {"one"}
"""With one of these beside another's name, a sentence speaks of the other."""
_FILLING: Final = (
    _BESIDE
    | FORMS
    | words_of(
        "vm ct lxc container guest vmid id number machine virtual server node host hypervisor storage pool disk "
        "datastore share docker service unit daemon snapshot backup template just old new again"
    )
)


@dataclass(frozen=True)
class Entry:
    """One thing that can be named. ``parts``: what arguments can take of it; ``label``: how it is told."""

    list: str
    id: str
    label: str
    parts: Mapping[str, Any] = field(compare=False)


def phrases(name: str, kind: str = "") -> list[str]:
    """What ``name`` is called, in lower case, single blanks between words; the name itself first."""
    plain = " ".join(clean(name, limit=120).casefold().split())
    broken = " ".join(_BREAKS.sub(" ", plain).split())
    apart = _WORD_NUMBER.sub(" ", broken)
    worded = " ".join(spoken(int(w)) if w.isascii() and w.isdigit() and len(w) < 4 else w for w in apart.split())
    found: dict[str, None] = {}
    for phrase in (plain, broken, broken.replace(" ", "") if " " in broken else "", apart, worded):
        if phrase and len(phrase.split()) <= MAX_WORDS:
            words = set(phrase.split())
            if words <= RESERVED or words & STRICT:
                found.update(dict.fromkeys(f"{word} {phrase}" for word in _OF_KIND.get(kind, ())))
            else:
                found[phrase] = None
    return list(found)


class Names:
    """Phrase -> entries. ``put`` and ``drop`` cost what changed, not what there is."""

    def __init__(self) -> None:
        self._by_phrase: dict[str, dict[tuple[str, str], Entry]] = {}
        self._said: dict[tuple[str, str], list[str]] = {}
        self._entries: dict[tuple[str, str], Entry] = {}
        self._firsts: dict[str, int] = {}
        self._aliases: dict[str, str] = {}
        self.primary: dict[str, str] = {}
        """Phrase -> the name as it is written, of what has a name: what a slip of the pen is compared with."""

    def put(self, entry: Entry, said: Iterable[str], *, shown: str = "") -> None:
        """Enter something, or anew. ``said``: its phrases; ``shown``: its name, where it has one."""
        self.drop(entry.list, entry.id)
        key = (entry.list, entry.id)
        kept = list(dict.fromkeys(said))
        for phrase in kept:
            self._by_phrase.setdefault(phrase, {})[key] = entry
            self._count(phrase, 1)
        self._said[key], self._entries[key] = kept, entry
        if shown and kept:
            self.primary[kept[0]] = shown

    def drop(self, of: str, entry_id: str) -> None:
        """Take something out; what is not there is no error."""
        self._entries.pop((of, entry_id), None)
        for phrase in self._said.pop((of, entry_id), ()):
            there = self._by_phrase[phrase]
            del there[(of, entry_id)]
            self._count(phrase, -1)
            if not there:
                del self._by_phrase[phrase]
                self.primary.pop(phrase, None)

    def alias(self, words: Mapping[str, str]) -> None:
        """The operator's own words, all of them: word -> a phrase or an entity id. A real name goes before."""
        for phrase in self._aliases:
            self._count(phrase, -1)
        self._aliases = {}
        for word, target in words.items():
            said = " ".join(word.casefold().split())
            for phrase in (said, said.removeprefix("the ").removeprefix("my ")):
                self._aliases[phrase] = target
        for phrase in self._aliases:
            self._count(phrase, 1)

    def get(self, phrase: str) -> tuple[Entry, ...]:
        """All that is called so."""
        if (there := self._by_phrase.get(phrase)) is not None:
            return tuple(there.values())
        target = self._aliases.get(phrase)
        if target is None:
            return ()
        if by_id := tuple(entry for (_, entry_id), entry in self._entries.items() if entry_id == target):
            return by_id
        words = target.casefold().split()
        if len(words) == 2 and words[0] in BEFORE_VMID and words[1].isdigit():
            words = words[1:]
        return tuple(self._by_phrase.get(" ".join(words), {}).values())

    def is_name(self, phrase: str) -> bool:
        """Whether something is called so by its own name."""
        return phrase in self._by_phrase

    def has_id(self, entry_id: str) -> bool:
        return any(known == entry_id for _, known in self._entries)

    def of(self, name: str) -> dict[str, Entry]:
        """The entries of a list by id."""
        return {entry_id: entry for (of, entry_id), entry in self._entries.items() if of == name}

    def entry(self, of: str, entry_id: str) -> Entry | None:
        return self._entries.get((of, entry_id))

    def found(self, tokens: Sequence[str]) -> Iterator[tuple[int, int, tuple[Entry, ...]]]:
        """Every name in a sentence: first token, token behind the last, what is called so."""
        for at, token in enumerate(tokens):
            if token not in self._firsts:
                continue
            phrase = token
            for end in range(at + 1, min(at + MAX_WORDS + 1, len(tokens)) + 1):
                if phrase in self._by_phrase or phrase in self._aliases:
                    yield at, end, self._plainly(phrase)
                if end < len(tokens):
                    phrase = f"{phrase} {tokens[end]}"

    def _plainly(self, phrase: str) -> tuple[Entry, ...]:
        """What a phrase of a sentence names. A guest called ``gitea-on-pve`` or ``my-gitea`` is not meant by the
        same words with blanks where there is a gitea: it is found as it is written only."""
        entries = self.get(phrase)
        words = phrase.split(" ")
        if len(words) == 1 or phrase not in self._by_phrase:
            return entries
        kept = tuple(entry for entry in entries if not _broken(entry, phrase))
        if len(kept) == len(entries):
            return entries
        rest, at, others = [], 0, False
        while at < len(words):
            spans = (end for end in range(len(words), at, -1) if end - at < len(words))
            end = next((end for end in spans if " ".join(words[at:end]) in self._by_phrase), at)
            others = others or end > at
            rest += [] if end > at else [words[at]]
            at = max(end, at + 1)
        hides = others and rest and (not _BESIDE.isdisjoint(rest) or _FILLING.issuperset(rest))
        return kept if hides else entries

    def _count(self, phrase: str, by: int) -> None:
        first = phrase.split(" ", 1)[0]
        self._firsts[first] = self._firsts.get(first, 0) + by
        if not self._firsts[first]:
            del self._firsts[first]


def _broken(entry: Entry, phrase: str) -> bool:
    """Whether the phrase is the name with blanks where it has hyphens, or something else."""
    name = str(entry.parts.get("name") or entry.parts.get("unit") or "").casefold()
    return phrase != name and phrase in phrases(name)
