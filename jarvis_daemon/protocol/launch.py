"""Starting the daemon on first use. Standard library only.

Order: the socket answers; else the user's systemd unit if it is installed; else a detached process. Never when
``JARVIS_NO_AUTOSTART`` is set or `jarvis daemon stop` left its marker, unless ``force``.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, check_socket_path

START_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.02


def answers(socket_path: Path) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(socket_path))
        except OSError:
            return False
        return True


def is_locked(lock_file: Path) -> bool:
    """Whether a daemon holds the lock: it may live without a socket yet, while it starts or stops."""
    try:
        handle = os.open(lock_file, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def autostart_allowed(places: Places) -> bool:
    return not os.environ.get("JARVIS_NO_AUTOSTART") and not places.stopped_marker.exists()


def ensure_daemon(
    places: Places, *, force: bool = False, arguments: Sequence[str] = (), timeout_s: float = START_TIMEOUT_S,
    on_start: Callable[[], None] | None = None,
) -> Path:  # fmt: skip
    """Return the socket of a daemon that accepts connections, starting one if need be.

    ``on_start`` is called when one is started. Raises ``daemon_unreachable`` or ``config_invalid``.
    """
    check_socket_path(places.socket)
    if answers(places.socket):
        return places.socket
    if places.system:
        raise JarvisError(
            "daemon_unreachable", "The machine's daemon does not run", why=f"nobody answers at {places.socket}",
            next="Run `sudo systemctl start jarvis`; `journalctl -u jarvis` has its log.",
        )  # fmt: skip
    if not is_locked(places.lock_file):
        if not force and os.environ.get("JARVIS_NO_AUTOSTART"):
            raise JarvisError(
                "daemon_unreachable", "The daemon does not run", why="JARVIS_NO_AUTOSTART forbids starting it"
            )
        if not force and places.stopped_marker.exists():
            raise JarvisError(
                "daemon_unreachable", "The daemon does not run", why="it was stopped with `jarvis daemon stop`"
            )
        if on_start is not None:
            on_start()
        process = start_detached(places, arguments)
    else:
        process = None
    _wait_for(places, process, timeout_s)
    return places.socket


def start_detached(places: Places, arguments: Sequence[str] = ()) -> subprocess.Popen[bytes] | None:
    """Start a daemon that outlives us: by systemd where its unit is installed, else as a process of its own
    session that writes JSON lines to the log file. None when systemd did it."""
    if not places.demo and not arguments and _systemd_unit_installed():
        done = subprocess.run(
            ["systemctl", "--user", "start", "jarvis.service"], capture_output=True, check=False, timeout=30
        )
        if done.returncode == 0:
            return None
    for folder in (places.state_dir, places.runtime_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    places.stopped_marker.unlink(missing_ok=True)
    crash = places.state_dir / "daemon.crash"
    with crash.open("wb") as stderr:
        os.chmod(crash, 0o600)
        process = subprocess.Popen(
            [sys.executable, "-m", "jarvis_daemon", "--log-file", str(places.log_file), *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True, cwd="/",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    # a HUD may outlive many daemons: without this each would stay behind as a zombie
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()
    return process


def _systemd_unit_installed() -> bool:
    if os.environ.get("JARVIS_HOME"):
        return False
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return (config / "systemd/user/jarvis.service").exists()


def _wait_for(places: Places, process: subprocess.Popen[bytes] | None, timeout_s: float) -> None:
    waited = 0.0
    while waited < timeout_s:
        if answers(places.socket):
            return
        if process is not None and process.poll() is not None:
            raise JarvisError("daemon_unreachable", "The daemon did not start", why=_last_words(places))
        time.sleep(_POLL_S)  # noqa: TID251  a blocking client waits for another process
        waited += _POLL_S
    raise JarvisError(
        "daemon_unreachable", f"The daemon did not open its socket within {timeout_s:g} s", why=_last_words(places),
        next="`jarvis daemon logs` has the details.",
    )  # fmt: skip


def _last_words(places: Places) -> str:
    """The last line the daemon wrote before it gave up."""
    try:
        lines = (places.state_dir / "daemon.crash").read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it left no message"
    return lines[-1][:400] if lines else "it left no message"
