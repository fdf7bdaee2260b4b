"""`--host`: a stand-in for ssh that forwards on this machine, so that each step and each failure is seen."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Jarvis
from tests.unit.cli.served import Served

SSH = '''#!{python}
"""Stands in for ssh: master, one command, forwarding, each as OpenSSH's options ask for."""
import os, pathlib, signal, socket, subprocess, sys, threading
argv = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(repr(argv) + "\\n")
mode = os.environ.get("FAKE_SSH", "")
host = argv[argv.index("--") + 1]
if "-N" in argv:
    if mode == "unknown":
        sys.exit("ssh: Could not resolve hostname " + host + ": Name or service not known")
    control = next(a.split("=", 1)[1] for a in argv if a.startswith("ControlPath="))
    pathlib.Path(control).touch()
    orders = pathlib.Path(control + ".orders")
    os.mkfifo(orders)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for end in (a, b):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve(local, remote):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(local)
        listener.listen()
        pathlib.Path(local + ".ready").touch()
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(remote)
            except OSError:
                near.close()
                continue
            threading.Thread(target=pump, args=(near, far), daemon=True).start()
            threading.Thread(target=pump, args=(far, near), daemon=True).start()

    local, _, remote = orders.read_text().strip().partition(":")
    serve(local, remote)
control = argv[argv.index("-S") + 1]
if "-O" in argv:
    if mode == "forbidden":
        sys.exit("mux_client_forward: forwarding request failed: Port forwarding failed")
    forward = argv[argv.index("-L") + 1]
    pathlib.Path(control + ".orders").write_text(forward)
    ready = pathlib.Path(forward.partition(":")[0] + ".ready")
    while not ready.exists():
        pass
    sys.exit(0)
if mode == "missing":
    print("sh: 1: jarvis: not found", file=sys.stderr)
    sys.exit(127)
print("Welcome to box!")
print({remote!r} if mode != "stopped" else "/nowhere/jarvisd.sock")
'''


@pytest.fixture
def ssh(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """A PATH whose ssh is ours; returns the log of its calls."""
    log = tmp_path / "calls"
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(SSH.format(python=sys.executable, log=str(log), remote=str(served.places.socket)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return log


def test_status_of_another_machine(jarvis: Jarvis, ssh: Path, home: Path) -> None:
    said = jarvis("--host", "me@box", "status", "--json")
    assert (said.code, said.err) == (10, "")
    assert json.loads(said.out)["simulated"] is True
    calls = ssh.read_text().splitlines()
    assert len(calls) == 3
    assert all("'--', 'me@box'" in call for call in calls)
    assert not list((home / "run").glob("ssh-*")), "the forwarding ends with the command"


def test_by_the_environment(jarvis: Jarvis, ssh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JARVIS_HOST", "me@box")
    assert jarvis("node", "list").code == 0
    assert "box" in ssh.read_text()


@pytest.mark.parametrize(
    ("mode", "sentence", "hint"),
    [
        ("unknown", "me@box cannot be reached over SSH: ssh: Could not resolve hostname", "ssh me@box"),
        ("missing", "There is no `jarvis` on me@box", "ssh me@box jarvis version"),
        ("forbidden", "The socket of me@box cannot be forwarded", "AllowStreamLocalForwarding"),
        ("stopped", "No daemon runs on me@box", "ssh me@box jarvis daemon start"),
    ],
)
def test_what_can_be_wrong(
    jarvis: Jarvis, ssh: Path, monkeypatch: pytest.MonkeyPatch, mode: str, sentence: str, hint: str
) -> None:
    monkeypatch.setenv("FAKE_SSH", mode)
    said = jarvis("--host", "me@box", "status")
    assert said.code == 3
    assert sentence in said.err
    assert hint in said.err
