"""Where everything of one installation lies. Standard library only: the CLI's fast path imports it.

``JARVIS_HOME`` relocates config, data, state and socket together; without it the XDG folders are used.
Where no cluster is configured, the *demo* lies in a sub-folder ``demo`` of each, with its own store and
audit. The socket never lies in a world-writable folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jarvis_daemon.protocol.errors import JarvisError

SOCKET_PATH_MAX: Final = 107
"""Bytes the kernel allows in the path of a unix socket."""


@dataclass(frozen=True)
class Places:
    """The folders and files of one installation (``demo``: of its simulated homelab)."""

    config_dir: Path
    data_dir: Path
    state_dir: Path
    runtime_dir: Path
    demo: bool = False
    system: bool = False
    """That of the machine, which systemd starts: `jarvis daemon install --system`."""

    @property
    def config_file(self) -> Path:
        return self.config_dir / "config.toml"

    @property
    def socket(self) -> Path:
        return self.runtime_dir / "jarvisd.sock"

    @property
    def lock_file(self) -> Path:
        return self.runtime_dir / "jarvisd.lock"

    @property
    def database(self) -> Path:
        return self.data_dir / "jarvis.db"

    @property
    def log_file(self) -> Path:
        return self.state_dir / "daemon.log"

    @property
    def known_hosts(self) -> Path:
        return self.data_dir / "known_hosts"

    @property
    def stopped_marker(self) -> Path:
        """Left by ``jarvis daemon stop``: clients then do not start the daemon again by themselves."""
        return self.state_dir / "stopped"

    @property
    def kill_file(self) -> Path:
        """While this file exists, nothing acts: the kill switch for whoever has a shell."""
        return self.data_dir / "KILL"

    @property
    def mcp_token(self) -> Path:
        """What MCP clients over HTTP have to know; `jarvis mcp token` makes it."""
        return self.config_dir / "mcp-token"

    @property
    def simulator_dir(self) -> Path:
        return self.state_dir / "simulator"

    @property
    def simulator_socket(self) -> Path:
        return self.runtime_dir / "sim.sock"

    def for_demo(self) -> Places:
        if self.demo:
            return self
        return Places(
            self.config_dir / "demo", self.data_dir / "demo", self.state_dir / "demo",
            self.runtime_dir / "demo", demo=True,
        )  # fmt: skip


SYSTEM: Final = Places(
    Path("/etc/jarvis"), Path("/var/lib/jarvis"), Path("/var/lib/jarvis/state"), Path("/run/jarvis"), system=True
)


def base_places(environ: dict[str, str] | None = None) -> Places:
    """The operator's own installation, whether configured or not; with ``JARVIS_SYSTEM`` the machine's."""
    env = os.environ if environ is None else environ
    if env.get("JARVIS_SYSTEM"):
        return SYSTEM
    if home := env.get("JARVIS_HOME"):
        root = Path(home).expanduser().absolute()
        return Places(root, root / "data", root / "state", root / "run")
    user = Path(env.get("HOME") or "~").expanduser()
    config = Path(env.get("XDG_CONFIG_HOME") or user / ".config") / "jarvis"
    data = Path(env.get("XDG_DATA_HOME") or user / ".local/share") / "jarvis"
    state = Path(env.get("XDG_STATE_HOME") or user / ".local/state") / "jarvis"
    return Places(config, data, state, _runtime_dir(env, state))


def _runtime_dir(env: os._Environ[str] | dict[str, str], state: Path) -> Path:
    if given := env.get("XDG_RUNTIME_DIR"):
        return Path(given) / "jarvis"
    run_user = Path(f"/run/user/{os.getuid()}")
    if run_user.is_dir() and run_user.stat().st_uid == os.getuid():
        return run_user / "jarvis"
    return state / "run"


def cluster_configured(places: Places, environ: dict[str, str] | None = None) -> bool:
    """Whether a cluster is meant to be watched here; a broken or unreadable file counts as meant."""
    env = os.environ if environ is None else environ
    if env.get("JARVIS_CLUSTER__ENDPOINTS"):
        return True
    try:
        text = places.config_file.read_bytes()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    import tomllib  # only where a file is

    try:
        return "cluster" in tomllib.loads(text.decode())
    except ValueError:
        return True


def places(environ: dict[str, str] | None = None) -> Places:
    """The installation a command attaches to: the operator's own; where that has no cluster, the machine's; where
    there is none either, the demo."""
    env = os.environ if environ is None else environ
    base = base_places(environ)
    if cluster_configured(base, environ):
        return base
    if not env.get("JARVIS_HOME") and not base.system and SYSTEM.config_dir.is_dir():
        return SYSTEM
    return base.for_demo()


def check_socket_path(path: Path) -> None:
    """Raise ``config_invalid`` when the kernel could not hold the path."""
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        raise JarvisError(
            "config_invalid", f"The socket's path is too long ({len(os.fsencode(path))} bytes): {path}",
            why=f"the kernel allows {SOCKET_PATH_MAX}", next="Set JARVIS_HOME to a shorter folder.",
        )  # fmt: skip
