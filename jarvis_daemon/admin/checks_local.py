"""Checks of this machine: who may read the secrets, room on the disk, programs."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Final

from jarvis_daemon.admin.check import Check, failed, ok, warned
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.settings import Settings

DISK_WARN_BYTES: Final = 1 << 30
DISK_FAIL_BYTES: Final = 100 << 20


def secrets(where: Places, settings: Settings | None) -> list[Check]:
    """Folders and files that hold secrets are ours alone."""
    private = [where.config_dir, where.data_dir, where.state_dir, *_secret_files(where, settings)]
    found = [
        failed("secrets", "Secrets", f"others can read {path} ({stat.filemode(mode)})", f"chmod go-rwx {path}")
        for path in private
        if (mode := _mode(path)) is not None and mode & 0o077 and _holds_secrets(path, where)
    ]  # fmt: skip
    foreign = [path for path in private if path.exists() and path.stat().st_uid not in {os.getuid(), 0}]
    found += [
        failed("secrets", "Secrets", f"{path} belongs to another user", f"chown {os.getuid()} {path}")
        for path in foreign
    ]
    return found or [ok("secrets", "Secrets", "readable by this account only")]


def _secret_files(where: Places, settings: Settings | None) -> list[Path]:
    cluster = settings.cluster if settings else None
    named = [cluster.token_secret_file, cluster.ssh.key_file] if cluster else []
    files = [where.config_dir / Path(name).expanduser() for name in named if name]
    return [*files, where.config_dir / "pve-token", where.database]


def _holds_secrets(path: Path, where: Places) -> bool:
    """A folder of JARVIS_HOME may be listed by others as long as what lies in it is not readable."""
    return path.is_file() or path == where.data_dir


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError:
        return None


def disk(where: Places) -> list[Check]:
    """Room where the database grows."""
    folder = where.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / (1 << 30):.1f} GiB free for {where.data_dir}"
    if free < DISK_FAIL_BYTES:
        return [failed("disk", "Disk", text, "Free space: with a full disk nothing is saved.")]
    if free < DISK_WARN_BYTES:
        return [warned("disk", "Disk", text, "Free space soon.")]
    if not os.access(folder, os.W_OK):
        return [failed("disk", "Disk", f"{folder} cannot be written", "Mend its rights, or set JARVIS_HOME.")]
    return [ok("disk", "Disk", text)]


PROGRAMS: Final = {
    # program: (Debian package, what it is for)
    "ssh": ("openssh-client", "`jarvis --host`"),
    "systemctl": ("systemd", "`jarvis daemon install`"),
}


def programs() -> list[Check]:
    """Programs of Debian that some commands call; none is needed to watch a cluster."""
    missing = {name: told for name, told in PROGRAMS.items() if shutil.which(name) is None}
    if not missing:
        return [ok("packages", "Debian packages", "all there")]
    return [
        warned(
            "packages", "Debian packages", f"{name} is missing, needed for {purpose}", f"sudo apt install {package}"
        )
        for name, (package, purpose) in missing.items()
    ]
