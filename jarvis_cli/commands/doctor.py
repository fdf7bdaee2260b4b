"""`jarvis doctor`: numbered checks of everything this installation needs."""

from __future__ import annotations

import locale
import os
import platform
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from jarvis_cli import admin, levels
from jarvis_cli.group import Reading, verb
from jarvis_cli.session import Session, connect, session
from jarvis_cli.style import Look, detect
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.launch import is_locked
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.protocol.version import VERSION

app = verb()

EXIT: Final = {"ok": 0, "warn": 10, "fail": 11}
PYTHON: Final = (3, 11)
COLUMNS, ROWS = 80, 24
ADMIN_TIMEOUT_S: Final = 120.0

Check = dict[str, Any]


@app.command("doctor", cls=Reading, epilog="jarvis doctor\njarvis doctor --bundle report.txt")
def doctor(
    ctx: typer.Context,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Write a report without secrets.", metavar="FILE")
    ] = None,
) -> None:
    """Check everything this installation needs; each finding comes with its remedy.

    Exits with the worst: 0 all well, 10 warnings, 11 failures.
    """
    run = session(ctx)
    run.local_only("doctor")
    told, autonomy = _daemon(run)
    checks = [_python(), *_terminal(), *told]
    given: dict[str, Any] = {"client": {"checks": checks, "terminal": _environment()}}
    if autonomy is not None:
        given["autonomy"] = autonomy.get("level")
    if bundle is not None:
        given["bundle"] = str(bundle.absolute())
    try:
        answer = admin.ask("doctor", given=given, timeout_s=ADMIN_TIMEOUT_S)
        checks += answer["checks"]
    except JarvisError as error:
        if bundle is not None:
            raise
        checks.append(_check("daemon code", "fail", error.sentence(), error.next))
    numbered = [{"number": index, **check} for index, check in enumerate(checks, 1)]
    worst = max((str(check["status"]) for check in checks), key=lambda word: EXIT[word])
    document = {"status": worst, "checks": numbered}
    run.out.emit(document, lambda look: _lines(numbered, worst, look), rows=numbered)
    if bundle is not None:
        run.out.note(f"Wrote {bundle}. Secrets are taken out; read it all the same before you share it.")
    raise typer.Exit(EXIT[worst])


def _lines(checks: list[Check], worst: str, look: Look) -> Iterator[str]:
    for check in checks:
        text, tone = look.state(str(check["status"]))
        number = look.paint(f"{check['number']:>2}", "faint")
        yield f"{number} {look.paint(f'{text:<6}', tone)} {check['title']}: {clean(str(check['detail']))}"
        if check["fix"] and check["status"] != "ok":
            yield f"   {look.paint(look.glyphs('       → ') + clean(str(check['fix'])), 'light')}"
    count = sum(check["status"] != "ok" for check in checks)
    yield ""
    yield {"ok": "All is well.", "warn": f"{count} to look at.", "fail": f"{count} to mend or look at."}[worst]


def _check(id_: str, status: str, detail: str, fix: str = "", *, title: str = "") -> Check:
    return {"id": id_, "title": title or id_.capitalize(), "status": status, "detail": detail, "fix": fix or None}


def _python() -> Check:
    version = platform.python_version()
    if sys.version_info < PYTHON:
        return _check("python", "fail", f"{version} is too old", "Install Python 3.11 or newer.")
    return _check("python", "ok", f"{version}, Jarvis {VERSION}")


def _terminal() -> list[Check]:
    """Size, colour and character set, as the display needs them."""
    if not sys.stdout.isatty():
        return [_check("terminal", "ok", "none here, so not looked at")]
    found = []
    size = shutil.get_terminal_size()
    small = size.columns < COLUMNS or size.lines < ROWS
    detail = f"{size.columns}×{size.lines} cells"
    found.append(
        _check("terminal", "warn", detail, f"The display wants {COLUMNS}×{ROWS} or more.")
        if small
        else _check("terminal", "ok", detail)
    )
    look = detect(sys.stdout, color=None)
    found.append(
        _check("colour", "ok", f"{look.colors} colours", title="Colour")
        if look.colors >= 256 or os.environ.get("NO_COLOR")
        else _check("colour", "warn", f"{look.colors or 'no'} colours", "Set TERM=xterm-256color.", title="Colour")
    )
    encoding = locale.getpreferredencoding(False)
    found.append(
        _check("utf-8", "ok", encoding, title="Characters")
        if look.unicode
        else _check("utf-8", "warn", encoding, "Set LANG=C.UTF-8; glyphs are ASCII until then.", title="Characters")
    )
    return found


def _daemon(run: Session) -> tuple[list[Check], dict[str, Any] | None]:
    """The socket and who answers there; with the autonomy level that it told."""
    path = run.places.socket
    try:
        mode = path.stat().st_mode
    except OSError:
        if is_locked(run.places.lock_file):
            return [_check("daemon", "warn", "it runs, but has no socket yet", "`jarvis daemon logs`.")], None
        return [_check("daemon", "warn", "it does not run", "`jarvis daemon start`.")], None
    found = []
    if stat.S_IMODE(mode) & 0o007:
        found.append(_check("socket", "fail", f"{path} is open to others", f"chmod o-rwx {path}"))
    else:
        found.append(_check("socket", "ok", f"{path} ({stat.filemode(mode)})"))
    try:
        with connect(path, run.timeout_s) as link:
            theirs = str(link.welcome.get("daemon_version"))
            topics = link.call("state.get", {"topics": ["health", "approvals"]})["topics"]
            health = topics["health"]["state"].get("health", {})
            autonomy = topics["approvals"]["state"].get("autonomy", {}).get("autonomy:main")
    except JarvisError as error:
        if error.code == "daemon_unreachable" and not is_locked(run.places.lock_file):
            detail = "it does not run; its socket was left behind"
            return [_check("daemon", "warn", detail, "`jarvis daemon start`.")], None
        return [*found, _check("daemon", "fail", error.sentence(), error.next)], None
    if theirs != VERSION:
        detail = f"version {theirs}, this command is {VERSION}"
        return [*found, _check("daemon", "warn", detail, "`jarvis daemon restart`.")], autonomy
    found.append(_check("daemon", "ok", f"runs, version {theirs}"))
    for entity in health.values():
        if entity.get("store_error"):
            found.append(_check("store", "fail", str(entity["store_error"]), "Free space; nothing is saved now."))
    return [*found, *_autonomy(autonomy)], autonomy


def _autonomy(autonomy: dict[str, Any] | None) -> list[Check]:
    """How much is repaired without asking; a warning where less holds than was chosen."""
    if autonomy is None:
        return []
    less = autonomy.get("effective") not in {None, autonomy.get("level")}
    return [_check("autonomy", "warn" if less else "ok", levels.in_short(autonomy), "`jarvis autonomy show`.")]


def _environment() -> dict[str, str]:
    names = ("TERM", "COLORTERM", "LANG", "LC_ALL", "NO_COLOR", "SSH_CONNECTION", "XDG_RUNTIME_DIR", "JARVIS_HOME")
    return {name: os.environ[name] for name in names if name in os.environ}
