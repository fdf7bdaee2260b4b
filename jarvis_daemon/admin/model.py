"""``admin model``: weights of a small model, downloaded and checked.

Only over https, redirects too; never more than the file may have; a download that broke off goes on where it
stopped. The file gets its name when its checksum is right, not before.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx

from jarvis_daemon.assistant.llm.weights import models_dir
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, places
from jarvis_daemon.protocol.text import clean

SIZE_MAX: Final = 64 << 30
"""Bytes of a file that the table does not know."""
PIECE: Final = 1 << 20
SILENT_S: Final = 60.0
"""Longest silence of the server."""
REDIRECTS_MAX: Final = 5
MAGIC: Final = b"GGUF"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.gguf", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")
Tell = Callable[[int, int | None], None]
"""Bytes that are here, and of how many where that is known."""


@dataclass(frozen=True)
class Weights:
    """A file that can be fetched. ``size_bytes``: None where only the server knows it."""

    name: str
    url: str
    sha256: str
    size_bytes: int | None = None
    licence: str = ""
    about: str = ""

    @property
    def file(self) -> str:
        return unquote(urlsplit(self.url).path.rpartition("/")[2])


def known() -> dict[str, Weights]:
    """The table ``data/models.toml``."""
    text = resources.files("jarvis_daemon").joinpath("data/models.toml").read_text()
    return {name: Weights(name=name, **row) for name, row in tomllib.loads(text).items()}


def show(given: dict[str, Any]) -> dict[str, Any]:
    """``{"known": [{name, about, size_bytes, licence}], "here": [{path, size_bytes}]}``."""
    folder = models_dir(places())
    return {
        "known": [
            {"name": it.name, "about": it.about, "size_bytes": it.size_bytes, "licence": it.licence}
            for it in known().values()
        ],
        "here": [{"path": str(path), "size_bytes": path.stat().st_size} for path in sorted(folder.glob("*.gguf"))],
    }


def fetch(given: dict[str, Any]) -> dict[str, Any]:
    """``{"model", "path", "size_bytes", "sha256", "licence", "resumed_bytes"}``; with ``progress`` lines of it go
    before.

    ``given``: ``model`` (a name of the table, or an https address), ``sha256`` (of an address), ``progress``.
    Raises ``invalid_params``, ``not_found``, ``unavailable``, ``store_failed``, ``busy``.
    """
    wanted = _wanted(str(given.get("model") or ""), str(given.get("sha256") or "").strip().lower())
    tell = _progress() if given.get("progress") else lambda here, of: None
    path, resumed = download(wanted, _folder(places()), tell)
    return {
        "model": wanted.name, "path": str(path), "size_bytes": path.stat().st_size, "sha256": wanted.sha256,
        "licence": wanted.licence, "resumed_bytes": resumed,
    }  # fmt: skip


def _wanted(model: str, sha256: str) -> Weights:
    if "://" not in model:
        if (found := known().get(model)) is None:
            raise JarvisError(
                "not_found", f"No weights are known as {clean(model, limit=80)!r}",
                next=f"Known are {', '.join(known())}; or give an https address with --sha256.",
            )  # fmt: skip
        if sha256 not in {"", found.sha256}:
            raise JarvisError("invalid_params", f"The sha256 of {model} is {found.sha256}")
        return found
    if not _SHA256.fullmatch(sha256):
        raise JarvisError(
            "invalid_params", "An address needs the sha256 of its file, 64 hexadecimal digits",
            why="what is not checked could be anything", next="Give --sha256 HEX.",
        )  # fmt: skip
    _https(model)
    found = Weights(name=model, url=model, sha256=sha256)
    if not _NAME.fullmatch(found.file):
        raise JarvisError("invalid_params", "The address does not end with the name of a GGUF file")
    return found


def _https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise JarvisError("invalid_params", "Only https addresses are fetched", why=clean(url, limit=120))


def _folder(where: Places) -> Path:
    folder = models_dir(where)
    try:
        folder.mkdir(mode=0o755 if where.system else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(folder, error) from None
    return folder


# --- the download --------------------------------------------------------------------------------------------


def download(wanted: Weights, folder: Path, tell: Tell) -> tuple[Path, int]:
    """Where the file lies, and how much of it an earlier try had brought; a file that is here and right is left as
    it is. Raises ``unavailable``, ``store_failed``, ``busy``."""
    target = folder / wanted.file
    part = folder / f".{wanted.file}.{wanted.sha256[:12]}.part"
    try:
        if target.is_file() and _digest(target) == wanted.sha256:
            return target, target.stat().st_size
        with _locked(part) as handle:
            resumed = _fill(handle, part, wanted, tell)
            os.fchmod(handle, 0o644)  # public data, which the daemon's account has to read
            os.fsync(handle)
            os.replace(part, target)
    except OSError as error:
        raise _unwritten(folder, error) from None
    except httpx.HTTPError as error:
        why = clean(str(error)) or type(error).__name__
        raise JarvisError(
            "unavailable", f"{clean(wanted.file)} could not be fetched to its end", why=why,
            next="Run the same command again: it goes on where it stopped.",
        ) from None  # fmt: skip
    return target, resumed


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[int]:
    """The file of a download that is not whole, for us alone."""
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise JarvisError("busy", "This file is being fetched already") from None
    try:
        yield handle
    finally:
        os.close(handle)


def _fill(handle: int, part: Path, wanted: Weights, tell: Tell) -> int:
    """Bring what is missing, and check it. What is wrong is removed, so that the next try begins anew."""
    size = os.fstat(handle).st_size
    with httpx.Client(timeout=SILENT_S, follow_redirects=False) as client:
        response = _opened(client, wanted.url, size)
        if response.status_code == 416 or (response.status_code == 206 and _begins(response) != size):
            response.close()
            response = _opened(client, wanted.url, 0)
        try:
            if response.status_code not in {200, 206}:
                raise JarvisError(
                    "unavailable", f"{clean(wanted.url, limit=200)} cannot be had",
                    why=f"the server answers {response.status_code}",
                )  # fmt: skip
            resumed = size if response.status_code == 206 else 0
            os.ftruncate(handle, resumed)
            digest = _read(handle, resumed)
            _copy(response, handle, resumed, digest, wanted, tell)
        except _Wrong as wrong:
            part.unlink(missing_ok=True)
            raise JarvisError(
                "unavailable", f"What came is not {clean(wanted.file)}; nothing was kept", why=str(wrong),
                next="Compare the address and the checksum with those of who publishes the file.",
            ) from None  # fmt: skip
        finally:
            response.close()
    return resumed


class _Wrong(Exception):
    """What came cannot be the file."""


def _opened(client: httpx.Client, url: str, offset: int) -> httpx.Response:
    headers = {"Accept-Encoding": "identity", "User-Agent": "jarvis"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    for _ in range(REDIRECTS_MAX + 1):
        response = client.send(client.build_request("GET", url, headers=headers), stream=True)
        if not response.has_redirect_location:
            return response
        response.close()
        url = str(response.url.join(response.headers["location"]))
        _https(url)
    raise JarvisError("unavailable", "The server sends us from one address to the next without an end")


def _copy(response: httpx.Response, handle: int, size: int, digest: Any, wanted: Weights, tell: Tell) -> None:
    """Write what comes, never more than the file may have, and compare. Raises ``_Wrong``."""
    told = response.headers.get("content-length", "")
    whole = wanted.size_bytes or (size + int(told) if told.isdecimal() else None)
    free = shutil.disk_usage(f"/proc/self/fd/{handle}").free
    if whole is not None and whole - size > free:
        raise JarvisError(
            "store_failed", "The disk has too little room for it", why=f"{(whole - size) >> 20} MiB are wanted, "
            f"{free >> 20} MiB are free",
        )  # fmt: skip
    limit = wanted.size_bytes or SIZE_MAX
    for piece in response.iter_raw(PIECE):
        if size == 0 and not piece.startswith(MAGIC):
            raise _Wrong("it is no GGUF file")
        size += len(piece)
        if size > limit:
            raise _Wrong(f"it is larger than {limit} bytes")
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(handle, rest) :]
        digest.update(piece)
        tell(size, whole)
    if digest.hexdigest() != wanted.sha256:
        if whole is not None and size < whole:
            raise httpx.RemoteProtocolError(f"{size} of {whole} bytes came")
        raise _Wrong(f"its sha256 is {digest.hexdigest()}, not {wanted.sha256}")


def _begins(response: httpx.Response) -> int | None:
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    return int(match[1]) if match else None


def _read(handle: int, size: int) -> Any:
    """The digest of what is here, and the place behind it."""
    digest = hashlib.sha256()
    os.lseek(handle, 0, os.SEEK_SET)
    while size > 0 and (piece := os.read(handle, min(PIECE, size))):
        digest.update(piece)
        size -= len(piece)
    return digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unwritten(folder: Path, error: OSError) -> JarvisError:
    return JarvisError("store_failed", f"Nothing can be written to {folder}", why=error.strerror or str(error))


def _progress() -> Tell:
    """A line for each hundredth."""
    last = -1

    def tell(here: int, of: int | None) -> None:
        nonlocal last
        share = here * 100 // of if of else here >> 20
        if share != last:
            last = share
            text = f"{here >> 20} of {of >> 20} MiB" if of else f"{here >> 20} MiB"
            sys.stdout.write(json.dumps({"progress": text}) + "\n")
            sys.stdout.flush()

    return tell
