"""Secrets of channels: from the environment, a systemd credential or a file, read anew each time they are used."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pydantic

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.redact import learn


def secret(
    places: Places, given: pydantic.SecretStr | None, file: str | None, credential: str,
    environ: Mapping[str, str] | None = None,
) -> str | None:  # fmt: skip
    """The secret, None where none is configured. Raises ``config_invalid`` where it cannot be had. From then on it
    is taken out of whatever is redacted, whatever it looks like."""
    found = _found(places, given, file, credential, os.environ if environ is None else environ)
    learn(found)
    return found


def _found(
    places: Places, given: pydantic.SecretStr | None, file: str | None, credential: str, env: Mapping[str, str]
) -> str | None:
    if given is not None:
        return given.get_secret_value()
    if folder := env.get("CREDENTIALS_DIRECTORY"):
        path = Path(folder) / credential
        if path.exists():
            return _read(path)
    if file is None:
        return None
    path = places.config_dir / Path(file).expanduser()
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise JarvisError(
                "config_invalid", f"The secret file {path} can be read by others", next=f"Run `chmod 600 {path}`."
            )
    except OSError as error:
        raise _unread(path, error) from None
    return _read(path)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unread(path, error) from None


def _unread(path: Path, error: Exception) -> JarvisError:
    why = getattr(error, "strerror", None) or "it is no text"
    return JarvisError("config_invalid", f"The secret file {path} cannot be read", why=str(why))
