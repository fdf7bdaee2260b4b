"""systemd units from the templates in deploy/systemd: written, explained, taken away again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template
from typing import Final

from jarvis_cli.session import Session
from jarvis_daemon.protocol.errors import JarvisError

SYSTEM_UNIT: Final = Path("/etc/systemd/system/jarvis.service")
SYSTEM_CONFIG: Final = Path("/etc/jarvis")
_FOLDERS: Final = (
    Path(__file__).resolve().parent.parent / "deploy/systemd",  # a checkout
    Path(sys.prefix) / "share/jarvis/systemd",  # an installed wheel
)


def user_unit() -> Path:
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return config / "systemd/user/jarvis.service"


def render(kind: str) -> str:
    """The unit of ``kind`` (user, system) for this interpreter. Raises ``not_found`` without its template."""
    for folder in _FOLDERS:
        path = folder / f"jarvis-{kind}.service.in"
        if path.exists():
            return Template(path.read_text()).substitute(python=_quoted(sys.executable))
    raise JarvisError(
        "not_found", "The template of the systemd unit is missing", why=f"it is not in {_FOLDERS[1]}",
        next="Install Jarvis again.",
    )  # fmt: skip


def _quoted(path: str) -> str:
    """A path for a unit file: specifiers and blanks are escaped."""
    escaped = path.replace("%", "%%")
    return f'"{escaped}"' if any(char.isspace() for char in escaped) else escaped


def install_user(run: Session, *, show_only: bool) -> None:
    """Write the unit of this account and tell how it goes on."""
    text = render("user")
    if show_only:
        run.out.line(text.rstrip("\n"))
        return
    if os.environ.get("JARVIS_HOME"):
        raise JarvisError(
            "invalid_params", "A unit does not know JARVIS_HOME, so it would run another installation",
            next="Unset JARVIS_HOME, or write a unit of your own after `jarvis daemon install --print`.",
        )  # fmt: skip
    if run.places.demo:
        run.out.note("No cluster is configured yet: the unit will run the simulated homelab until `jarvis setup`.")
    path = user_unit()
    _write(path, text)
    run.out.note(f"Wrote {path}.")
    if _systemctl(run, "--user", "daemon-reload"):
        run.out.note("Start it now and at every login:  systemctl --user enable --now jarvis")
    else:
        run.out.note("No systemd of this account answers here. Where one does, run:")
        run.out.note("  systemctl --user daemon-reload && systemctl --user enable --now jarvis")
    user = os.environ.get("USER") or str(os.getuid())
    run.out.note(f"To have it run while you are not logged in:  sudo loginctl enable-linger {user}")


def install_system(run: Session, *, show_only: bool) -> None:
    """Write the unit of the machine: a user ``jarvis``, settings in /etc/jarvis, the token as a credential."""
    text = render("system")
    if show_only:
        run.out.line(text.rstrip("\n"))
        return
    _need_root("install --system")
    _make_account()
    SYSTEM_CONFIG.mkdir(mode=0o750, parents=True, exist_ok=True)
    shutil.chown(SYSTEM_CONFIG, "root", "jarvis")
    SYSTEM_CONFIG.chmod(0o750)
    _write(SYSTEM_UNIT, text, mode=0o644)
    run.out.note(f"Wrote {SYSTEM_UNIT}.")
    _systemctl(run, "daemon-reload")
    for line in (
        "1. Connect a cluster:          sudo JARVIS_SYSTEM=1 jarvis setup",
        f"   It writes {SYSTEM_CONFIG}; the secret stays root's, systemd hands it over as a credential.",
        "2. Start it now and at boot:   sudo systemctl enable --now jarvis",
        "3. Let somebody look at it:    sudo adduser NAME jarvis",
        "   Acting (acknowledge, silence, stop) takes sudo, or `sudo -u jarvis`.",
    ):
        run.out.note(line)


def _make_account() -> None:
    import pwd

    try:
        pwd.getpwnam("jarvis")
        return
    except KeyError:
        pass
    done = subprocess.run(
        ["useradd", "--system", "--user-group", "-d", "/var/lib/jarvis", "-s", "/usr/sbin/nologin", "jarvis"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise JarvisError("internal", "The user `jarvis` cannot be made", why=done.stderr.strip())


def uninstall(run: Session, *, system: bool) -> None:
    if system:
        _need_root("uninstall --system")
    path = SYSTEM_UNIT if system else user_unit()
    if not path.exists():
        run.out.note(f"There is no {path}.")
        return
    scope = [] if system else ["--user"]
    _systemctl(run, *scope, "disable", "--now", "jarvis")
    path.unlink()
    _systemctl(run, *scope, "daemon-reload")
    run.out.note(f"Took {path} away; settings and data stay.")


def _need_root(verb: str) -> None:
    if os.geteuid() != 0:
        raise JarvisError("forbidden", f"`jarvis daemon {verb}` needs root", next=f"sudo jarvis daemon {verb}")


def _write(path: Path, text: str, *, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(mode)
    os.replace(new, path)


def _systemctl(run: Session, *arguments: str) -> bool:
    if shutil.which("systemctl") is None:
        return False
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0 and run.out.verbose:
        run.out.note(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.returncode == 0
