"""The folders of the daemon, made with the rights they need; where they lie: ``protocol/locate.py``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, check_socket_path


def make_places(places: Places) -> None:
    """Create the folders, 0700. Raises ``config_invalid`` when one cannot be made or belongs to another."""
    check_socket_path(places.socket)
    for folder in (places.config_dir, places.data_dir, places.state_dir, places.runtime_dir):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise JarvisError(
                "config_invalid", f"The folder {folder} cannot be made", why=error.strerror or str(error),
                next="Set JARVIS_HOME to a folder that you may write.",
            ) from error  # fmt: skip
        if folder.stat().st_uid not in {os.getuid(), 0}:
            raise JarvisError("config_invalid", f"{folder} belongs to another user")


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file 0600, whole or not at all (temporary file beside it, fsync, rename)."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
