"""All runbooks: the shipped ones and one's own, each with its hash, its trust, and its problem where it has one.

A runbook that cannot be used never disables another: its problem is kept, and told by ``jarvis runbook list``. An
own one with the name of a shipped one takes its place, once it is sound. Trust is of a hash: any edit ends it.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import RunbookInfo
from jarvis_daemon.protocol.text import clean, clean_block
from jarvis_daemon.remediation import files, plan, reading
from jarvis_daemon.remediation.files import File, Stamp
from jarvis_daemon.remediation.runbook import Kept, Runbook
from jarvis_daemon.remediation.tree import MAX_BYTES
from jarvis_daemon.store import Database, Store
from jarvis_daemon.tools import Registry

_log = logging.getLogger("jarvis.remediation")
FOLDER: Final = "runbooks"
"""Below the config folder."""
DISTRUSTED: Final = ""
"""Stands for the hash where the operator took a shipped runbook's trust away."""


@dataclass(frozen=True)
class Problem:
    """A file that cannot be used. ``name``: the runbook's, or that of the file."""

    name: str
    path: str
    shipped: bool
    error: JarvisError
    sha256: str = ""
    text: str = ""


@dataclass(frozen=True)
class _Sound:
    """A file that was read and makes sense."""

    file: File
    runbook: Runbook
    shipped: bool
    pinned: bool


@dataclass
class _Found:
    """One look at both folders."""

    sound: dict[str, _Sound] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    replaced: set[str] = field(default_factory=set)


class Shelf:
    """``folder``: that of the own runbooks, None where there are none. ``load`` before anything is asked of it."""

    def __init__(
        self, folder: Path | None, store: Store, registry: Registry, shipped: Path = files.SHIPPED
    ) -> None:
        self.kept: dict[str, Kept] = {}
        self.problems: list[Problem] = []
        self._folder, self._shipped = folder, shipped
        self._store, self._registry = store, registry
        self._found = _Found()
        self._trust: dict[str, str] = {}
        self._stamp: Stamp | None = None
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        """Read all files and the table of trust. Raises ``store_failed``; a bad file is a problem, not an error."""
        async with self._loading:
            await self._load()

    async def refresh(self) -> bool:
        """Load again if a file, its rights, or the tools have changed; cheap when nothing has. True: it loaded."""
        async with self._loading:
            if self._stamp == self._now():
                return False
            await self._load()
            return True

    def for_condition(self, condition: str) -> list[Kept]:
        """The runbooks that answer a condition, by name."""
        return [self.kept[name] for name in sorted(self.kept) if self.kept[name].runbook.condition == condition]

    def get(self, name: str) -> Kept:
        """Raises ``not_found`` with the nearest names, ``config_invalid`` where it has a mistake."""
        if (kept := self.kept.get(name)) is not None:
            return kept
        if (problem := next((one for one in self.problems if one.name == name), None)) is not None:
            raise problem.error
        near = difflib.get_close_matches(name, self.kept, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else ""
        raise JarvisError(
            "not_found", f"There is no runbook {clean(name, limit=60)!r}", why=hint,
            next="`jarvis runbook list` shows all.",
        )  # fmt: skip

    def info(self, name: str) -> RunbookInfo:
        """What a person is shown. Raises ``not_found``."""
        if name in self.kept:
            return self._info(self.kept[name])
        if (problem := next((one for one in self.problems if one.name == name), None)) is not None:
            return _info_of(problem)
        self.get(name)
        raise AssertionError("unreachable")

    def infos(self) -> list[RunbookInfo]:
        """All, by name; those with a problem too, even where a sound one of the same name is in use."""
        found = [self._info(kept) for kept in self.kept.values()] + [_info_of(one) for one in self.problems]
        return sorted(found, key=lambda one: (one.name, one.problem is not None, one.path))

    def text(self, name: str) -> str:
        """The YAML as it was read, cleaned for a terminal. Raises ``not_found``."""
        if (sound := self._found.sound.get(name)) is not None:
            return clean_block(sound.file.text.decode("utf-8-sig"), limit=MAX_BYTES)
        if (problem := next((one for one in self.problems if one.name == name), None)) is not None:
            return problem.text
        self.get(name)
        raise AssertionError("unreachable")

    async def trust(self, name: str, sha256: str, by: str, at: float) -> Kept:
        """Trust a runbook as it stands. Raises ``refused`` when its hash is another than what was looked at."""
        await self.refresh()
        kept = self.get(name)
        if kept.sha256 != sha256:
            raise JarvisError(
                "refused", f"{name} is not the file that you looked at",
                why=f"its sha256 is {kept.sha256[:12]}…, not {clean(sha256, limit=12)}…",
                next=f"`jarvis runbook show {name}`, then trust it again.",
            )  # fmt: skip
        await self._put(name, sha256, by, at)
        return self.kept[name]

    async def distrust(self, name: str, by: str = "", at: float = 0.0) -> Kept:
        """Take the trust away, of a shipped runbook too, until it is trusted again."""
        kept = self.get(name)
        if kept.shipped:
            await self._put(name, DISTRUSTED, by, at)
        else:
            await self._store.write(
                lambda db: db.execute("delete from trusted_runbooks where name = ?", [name]), durable=True
            )
            self._trust.pop(name, None)
            self._judge()
        return self.kept[name]

    async def _put(self, name: str, sha256: str, by: str, at: float) -> None:
        def write(db: Database) -> None:
            db.execute(
                "insert or replace into trusted_runbooks (name, sha256, at, by) values (?, ?, ?, ?)",
                [name, sha256, at, by],
            )

        await self._store.write(write, durable=True)
        self._trust[name] = sha256
        self._judge()

    def _now(self) -> Stamp:
        own = files.stamp(self._folder) if self._folder is not None else ()
        tools = frozenset((spec.name, spec.base_tier) for spec in self._registry.all())
        return files.stamp(self._shipped), own, tools

    async def _load(self) -> None:
        stamp = self._now()
        rows = await self._store.read(lambda db: db.execute("select name, sha256 from trusted_runbooks").fetchall())
        tools = Registry()  # a copy: those of foreign MCP servers come and go while the files are read
        tools.add(*self._registry.all())
        self._found = await asyncio.to_thread(self._look, tools)
        self._trust = {str(name): str(sha256) for name, sha256 in rows}
        self._judge()
        self._stamp = stamp  # taken before the files were read: one that changed meanwhile is read again

    def _look(self, tools: Registry) -> _Found:
        """Shipped ones first, then own ones; the first sound file of a name counts."""
        found = _Found()
        sums = files.pinned(self._shipped)
        for path in _paths(self._shipped, found, shipped=True):
            self._take(found, path, tools, sums, shipped=True)
        if self._folder is not None:
            for path in _paths(self._folder, found, shipped=False):
                self._take(found, path, tools, sums, shipped=False)
        return found

    def _take(self, found: _Found, path: Path, tools: Registry, sums: dict[str, str], *, shipped: bool) -> None:
        """One file, onto the shelf or among the problems."""
        file, name = None, path.stem
        try:
            file = files.read_any(path) if shipped else files.read_own(path, path.parent)
            runbook, mistakes = reading.look(file.text, tools)
            name = runbook.name if runbook is not None else name
            if runbook is None or mistakes:
                raise reading.broken(str(path), mistakes)
            before = found.sound.get(name)
            if before is not None and before.shipped == shipped:
                raise JarvisError(
                    "config_invalid", f"{path}: the name {name} is taken by {before.file.path.name}",
                    next="Give it another `name`.",
                )  # fmt: skip
        except JarvisError as error:
            found.problems.append(_problem(name, path, shipped, error, file))
        except Exception as error:  # one file that nobody foresaw must not take the others with it
            _log.exception("a runbook could not be read", extra={"data": {"path": str(path)}})
            what = JarvisError("internal", f"{path} could not be read", why=type(error).__name__)
            found.problems.append(_problem(name, path, shipped, what, file))
        else:
            if before is not None:
                found.replaced.add(name)
            found.sound[name] = _Sound(file, runbook, shipped, shipped and sums.get(path.name) == file.sha256)

    def _judge(self) -> None:
        """From what was found and the table of trust to what is in use."""
        self.kept = {
            name: Kept(
                runbook=sound.runbook, sha256=sound.file.sha256, path=str(sound.file.path), shipped=sound.shipped,
                trusted=self._is_trusted(name, sound),
            )
            for name, sound in sorted(self._found.sound.items())
        }  # fmt: skip
        self.problems = self._found.problems

    def _is_trusted(self, name: str, sound: _Sound) -> bool:
        row = self._trust.get(name)
        if row == sound.file.sha256:
            return True
        return sound.pinned and row != DISTRUSTED

    def _info(self, kept: Kept) -> RunbookInfo:
        book = kept.runbook
        return RunbookInfo(
            name=book.name, about=clean(book.about), condition=book.condition, scope=book.scope,
            shipped=kept.shipped, trusted=kept.trusted, sha256=kept.sha256, path=kept.path,
            note=self._note(kept), steps=[clean(line) for line in plan.lines(book)],
        )  # fmt: skip

    def _note(self, kept: Kept) -> str:
        """One or two sentences."""
        name = kept.runbook.name
        said = ["It takes the place of the shipped one."] if name in self._found.replaced else []
        if any(one.name == name for one in self.problems):
            said.append("Another file of this name has a mistake, and is left aside.")
        if not kept.trusted:
            row = self._trust.get(name)
            if kept.shipped and row == DISTRUSTED:
                said.append("Its trust was taken away.")
            elif kept.shipped:
                said.append("It is not as it was shipped.")
            elif row:
                said.append("It was edited since it was trusted.")
            said.append(f"Not trusted: it recommends and acts never by itself. `jarvis runbook trust {name}`.")
        return " ".join(said)


def _problem(name: str, path: Path, shipped: bool, error: JarvisError, file: File | None) -> Problem:
    text = clean_block(file.text.decode(errors="replace"), limit=MAX_BYTES) if file else ""
    return Problem(clean(name, limit=60), str(path), shipped, error, file.sha256 if file else "", text)


def _paths(folder: Path, found: _Found, *, shipped: bool) -> list[Path]:
    try:
        return files.found(folder)
    except JarvisError as error:
        found.problems.append(Problem(folder.name, str(folder), shipped, error))
        return []


def _info_of(problem: Problem) -> RunbookInfo:
    return RunbookInfo(
        name=problem.name, shipped=problem.shipped, sha256=problem.sha256, path=problem.path,
        problem=f"{problem.error.sentence().rstrip('.')}. {problem.error.next}",
    )  # fmt: skip
