"""Runbook files on the disk: found, checked for who may write them, read once, hashed.

Own files may not be written by others, nor lead out of their folder: whoever can write one decides what acts at
night.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.remediation.tree import MAX_BYTES

SHIPPED: Final = Path(__file__).with_name("runbooks")
SUMS: Final = "SHA256SUMS"
"""Beside the shipped runbooks, as ``sha256sum`` writes it."""
SUFFIXES: Final = frozenset({".yaml", ".yml"})
MOST_FILES: Final = 200
Stamp = tuple[object, ...]


@dataclass(frozen=True)
class File:
    """``text`` is what was hashed, and what is read."""

    path: Path
    text: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text).hexdigest()


def pinned(folder: Path = SHIPPED) -> dict[str, str]:
    """File name -> sha256, of the shipped runbooks; empty, so that none is trusted, where it cannot be read."""
    try:
        rows = (folder / SUMS).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {name.strip(): digest for digest, _, name in (row.partition("  ") for row in rows) if name}


def found(folder: Path) -> list[Path]:
    """The runbooks' files by name; hidden ones (an editor's) are left out. Raises ``config_invalid``."""
    if not folder.is_dir():
        return []
    try:
        paths = [p for p in folder.iterdir() if p.suffix in SUFFIXES and not p.name.startswith(".")]
    except OSError as error:
        raise _refused(folder, "cannot be read", error.strerror or str(error), f"ls -ld {folder}") from error
    if len(paths) > MOST_FILES:
        raise _refused(folder, f"holds {len(paths)} files", f"at most {MOST_FILES} are read", f"ls {folder}")
    return sorted(paths)


def stamp(folder: Path) -> Stamp:
    """What changes when a file, its rights or its place change; costs two stats a file."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return (error.errno,)
    return (
        _seen(folder, True),
        *((name, _seen(folder / name, False), _seen(folder / name, True)) for name in names),
    )


def _seen(path: Path, follow: bool) -> Stamp:
    try:
        seen = os.stat(path, follow_symlinks=follow)
    except OSError as error:
        return (error.errno,)
    return seen.st_ino, seen.st_mode, seen.st_uid, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def read_own(path: Path, folder: Path) -> File:
    """Raises ``config_invalid``: it lies elsewhere, others may write it, it is no file, or cannot be read."""
    try:
        there, home = path.resolve(strict=True), folder.resolve(strict=True)
        if not there.is_relative_to(home):
            copy = f"cp --remove-destination {there} {path}"
            raise _refused(path, "leads out of its folder", f"to {there}", copy)
        _only_ours(home, os.stat(home))
        handle = os.open(there, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        why = getattr(error, "strerror", "") or str(error)
        raise _refused(path, "cannot be read", why, f"ls -l {path}") from error
    try:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode):
            raise _refused(path, "is no file", "", f"ls -ld {path}")
        _only_ours(there, seen)
        with os.fdopen(handle, "rb", closefd=False) as file:
            return File(path, file.read(MAX_BYTES + 1))
    finally:
        os.close(handle)


def read_any(path: Path) -> File:
    """A file that is only checked, wherever it lies. Raises ``not_found``, ``config_invalid``."""
    try:
        with path.open("rb") as file:
            return File(path, file.read(MAX_BYTES + 1))
    except FileNotFoundError:
        raise JarvisError(
            "not_found", f"There is no file {path}", next=f"`ls {path.parent}` shows what is there."
        ) from None
    except OSError as error:
        raise _refused(path, "cannot be read", error.strerror or str(error), f"ls -l {path}") from error


def _only_ours(path: Path, seen: os.stat_result) -> None:
    if seen.st_uid not in {os.getuid(), 0}:
        raise _refused(path, "belongs to another user", f"uid {seen.st_uid}", f"chown $USER {path}")
    if (mode := stat.S_IMODE(seen.st_mode)) & 0o022:
        raise _refused(path, "can be written by others", f"its mode is {mode:04o}", f"chmod go-w {path}")


def _refused(path: Path, what: str, why: str, command: str) -> JarvisError:
    return JarvisError("config_invalid", f"{path} {what}", why=why, next=f"Run `{command}`.")
