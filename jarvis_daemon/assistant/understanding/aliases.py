"""The operator's own words for things: those of the settings, and those that were set by word of mouth.

A word that is set goes before the same one of the settings; a real name goes before both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from jarvis_daemon.assistant.understanding.names import Names
from jarvis_daemon.assistant.understanding.screens import RESERVED, STRICT, no_name
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.store import Database, Store

THINGS: Final = frozenset({"guest", "node", "storage", "service", "docker"})
"""Lists of what may have a name of one's own."""
_TRAILING: Final = frozenset(
    {"off", "on", "up", "down", "back", "out", "over", "maybe", "wait", "cancel", "nah", "please"}
)
"""With one of these at its end, a word was not meant as one: "call the backup off"."""
MAX: Final = 500
"""So many can be set."""


def normal(word: str) -> str:
    """A word as it is kept: cleaned, lower case, single blanks."""
    return " ".join(clean(word, limit=60).casefold().split())


def unfit(word: str) -> str:
    """Why something cannot be a word for a thing; empty where it can."""
    words = set(word.split())
    if not words:
        return "it is empty"
    if bad := sorted(words & STRICT):
        return f"“{bad[0]}” has a meaning of its own in an order"
    if words <= RESERVED or all(map(no_name, words)) or word.split()[-1] in _TRAILING:
        return "it has a meaning of its own in an order"
    return "" if len(word.split()) <= 5 else "it has more than five words"


class Aliases:
    """``start`` before anything is set."""

    def __init__(self, settings: Mapping[str, str], names: Callable[[], Names]) -> None:
        self._settings = {word: target for given, target in settings.items() if not unfit(word := normal(given))}
        self._names = names
        self._set: dict[str, str] = {}
        self._store: Store | None = None
        self._enter()

    async def start(self, store: Store) -> None:
        """Take up those that were set. Raises ``store_failed``."""
        self._store = store
        rows = await store.read(lambda db: db.execute("select word, target from aliases").fetchall())
        self._set = {str(word): str(target) for word, target in rows}
        self._enter()

    def all(self) -> dict[str, str]:
        """Word -> what it stands for."""
        return self._settings | self._set

    def own(self, word: str) -> str | None:
        """What was set for a word, without those of the settings."""
        return self._set.get(normal(word))

    def check(self, word: str, target: str) -> str:
        """The entity id that ``target`` (an id or a name) means. Raises ``invalid_params``, ``not_found``."""
        said, names = normal(word), self._names()
        if why := unfit(said):
            raise JarvisError("invalid_params", f"{said or 'That'} cannot be a name for something", why=why)
        if names.is_name(said):
            raise JarvisError("refused", f"{said} is the name of something already", next="Choose another word.")
        if said not in self._set and len(self._set) >= MAX:
            raise JarvisError("refused", f"There are {MAX} names already", next="Forget one first.")
        called = names.get(" ".join(target.casefold().split()))
        found = {entry.id for entry in called if entry.list in THINGS}
        found |= {target} if names.has_id(target) else set()
        if not found:
            raise JarvisError("not_found", f"There is nothing called {clean(target, limit=80)}")
        if len(found) > 1:
            raise JarvisError(
                "refused", f"More than one thing is called {clean(target, limit=80)}",
                why=", ".join(sorted(found)), next="Name it by its id.",
            )  # fmt: skip
        return found.pop()

    async def set(self, word: str, target: str, at: float) -> None:
        """Keep a word for an entity id. Raises ``store_failed``."""
        said = normal(word)

        def fn(db: Database) -> None:
            db.execute("insert or replace into aliases (word, target, at) values (?, ?, ?)", [said, target, at])

        await self._started().write(fn, durable=True)
        self._set[said] = target
        self._enter()

    async def unset(self, word: str) -> None:
        """Forget a word that was set. Raises ``store_failed``."""
        said = normal(word)

        def fn(db: Database) -> None:
            db.execute("delete from aliases where word = ?", [said])

        await self._started().write(fn, durable=True)
        self._set.pop(said, None)
        self._enter()

    def _started(self) -> Store:
        if self._store is None:
            raise JarvisError("store_failed", "The names are not loaded yet")
        return self._store

    def _enter(self) -> None:
        self._names().alias(self.all())
