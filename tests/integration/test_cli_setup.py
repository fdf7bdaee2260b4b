"""`jarvis setup` and `doctor` against the simulated homelab's real endpoints, by script and at a terminal."""

from __future__ import annotations

import contextlib
import json
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_cli import control
from tests.integration.terminal import Terminal


class Lab:
    """A simulator of its own; ``told`` is its sim.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "c.sock"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jarvis_daemon.simulator", "--dir", str(folder), "--control", str(self.socket)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not (folder / "sim.json").exists():
            assert time.monotonic() < deadline, "the simulator does not serve"
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
                raise AssertionError("the simulator ended")
        self.told: dict[str, Any] = json.loads((folder / "sim.json").read_text())
        (folder / "secret").write_text(self.told["token_secret"] + "\n")

    def break_(self, name: str, target: str) -> None:
        control.ask(self.socket, {"cmd": "fault", "name": name, "target": target, "params": {}})

    def heal(self) -> None:
        with contextlib.suppress(Exception):
            control.ask(self.socket, {"cmd": "heal", "target": None})

    def options(self, *, endpoints: int = 2) -> list[str]:
        out = [part for url in self.told["endpoints"][:endpoints] for part in ("--endpoint", url)]
        out += [part for one in self.told["fingerprints"] for part in ("--fingerprint", one)]
        return [*out, "--token-file", str(self.folder / "secret")]

    def ssh_options(self) -> list[str]:
        ssh = self.told["ssh"]
        hosts = [part for node, where in ssh["hosts"].items() for part in ("--ssh-host", f"{node}={where}")]
        return ["--ssh", "--ssh-user", ssh["user"], "--ssh-key", ssh["key_file"], *hosts]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="jv-"))
    lab = Lab(folder)
    yield lab
    lab.process.terminate()
    lab.process.wait(20)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def healed(lab: Lab) -> Iterator[None]:
    yield
    lab.heal()


def jarvis(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jarvis_cli", *arguments], capture_output=True, text=True, input=stdin, timeout=90
    )


def test_by_script_then_everything_is_well(lab: Lab, home: Path) -> None:
    done = jarvis(
        "setup", "--no-input", *lab.options(), *lab.ssh_options(), "--accept-host-keys", "--runs-on", "Home",
        "--autonomy", "3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "4 nodes, 18 guests to be seen" in done.stderr
    assert done.stderr.count("reading taken") == 4
    for name in ("config.toml", "pve-token", "data/known_hosts"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert lab.told["token_secret"] not in done.stderr + (home / "config.toml").read_text()
    assert "level = 3" in (home / "config.toml").read_text()
    checks = json.loads(jarvis("doctor", "--json").stdout)["checks"]
    assert {c["status"] for c in checks if c["id"] not in {"daemon", "packages"}} == {"ok"}, checks
    assert len([c for c in checks if c["id"] in {"endpoint", "token", "ssh", "clock"}]) == 12
    assert [c["number"] for c in checks] == list(range(1, len(checks) + 1))


def test_host_keys_are_not_pinned_unseen(lab: Lab, home: Path) -> None:
    done = jarvis("setup", "--no-input", *lab.options(endpoints=1), *lab.ssh_options())
    assert done.returncode == 2
    assert "--accept-host-keys" in done.stderr
    assert not (home / "config.toml").exists()


def test_a_missing_privilege_is_named_and_stops_it(lab: Lab, home: Path) -> None:
    lab.break_("api-403", "VM.Audit")
    done = jarvis("setup", "--no-input", *lab.options(endpoints=1), "--no-ssh")
    assert done.returncode == 2
    assert "The token lacks VM.Audit on /vms" in done.stderr
    assert not (home / "config.toml").exists()
    assert jarvis("setup", "--no-input", *lab.options(endpoints=1), "--no-ssh", "--accept-missing").returncode == 0
    doctor = jarvis("doctor", "--json")
    assert doctor.returncode == 11
    checks = {c["id"]: c for c in json.loads(doctor.stdout)["checks"]}
    assert checks["privileges"]["status"] == "fail"
    assert "VM.Audit on /vms" in checks["privileges"]["detail"]


def test_a_token_that_cannot_act_is_told_where_somebody_counts_on_it(lab: Lab, home: Path) -> None:
    lab.break_("api-403", "VM.PowerMgmt")
    done = jarvis("setup", "--no-input", *lab.options(endpoints=1), "--no-ssh", "--autonomy", "3")
    assert done.returncode == 0, done.stderr
    assert "At L3 it would act, but the token lacks VM.PowerMgmt on /vms." in done.stderr
    doctor = jarvis("doctor", "--json")
    assert doctor.returncode == 10
    acting = next(c for c in json.loads(doctor.stdout)["checks"] if c["id"] == "acting")
    assert acting["status"] == "warn"
    assert "autonomy is L3, but the token lacks VM.PowerMgmt on /vms: such repairs fail" in acting["detail"]


def test_a_wrong_secret_a_wrong_fingerprint_a_wrong_place(lab: Lab, home: Path) -> None:
    wrong = jarvis("setup", "--no-input", *lab.options(endpoints=1)[:-1], "-", "--no-ssh", stdin="not-the-secret\n")
    assert wrong.returncode == 5
    assert "does not accept the API token jarvis@pve!daemon" in wrong.stderr
    assert "not-the-secret" not in wrong.stderr
    url = lab.told["endpoints"][0]
    stranger = jarvis("setup", "--no-input", "--endpoint", url, "--fingerprint", "AA" * 32, "--token-file", "-")
    assert stranger.returncode == 5
    assert lab.told["fingerprints"][0] in stranger.stderr
    elsewhere = jarvis("setup", "--no-input", *lab.options(endpoints=1), "--no-ssh", "--runs-on", "hoem")
    assert elsewhere.returncode == 6
    assert "did you mean Home" in elsewhere.stderr
    assert not (home / "config.toml").exists()


def test_doctor_sees_a_changed_certificate(lab: Lab, home: Path) -> None:
    assert jarvis("setup", "--no-input", *lab.options(), "--no-ssh").returncode == 0
    lab.break_("tls-change", "Home")
    done = jarvis("doctor", "--json")
    assert done.returncode == 11
    failed = [c for c in json.loads(done.stdout)["checks"] if c["status"] == "fail"]
    assert len(failed) == 1
    assert "its certificate has changed: seen" in failed[0]["detail"]
    assert lab.told["fingerprints"][0] in failed[0]["detail"]


def test_at_a_terminal_question_by_question(lab: Lab, home: Path) -> None:
    me = Terminal("setup")
    me.answer("Address of a node", lab.told["endpoints"][0])
    me.answer("Another one", "")
    me.answer("Is it the same?", "y")
    me.answer("Token id", "")
    me.answer("Secret (not shown): ", lab.told["token_secret"])
    me.answer("Name of the cluster", "")
    me.answer("Runs on", "hom")
    me.answer("Runs on", "Home")
    me.answer("Read temperatures and services by SSH?", "n")
    me.answer("Level", "9")
    me.answer("Level", "1")
    assert me.end() == 0, me.seen
    assert lab.told["fingerprints"][0] in me.seen
    assert "pveum acl modify / --tokens 'jarvis@pve!daemon' --roles JarvisDaemon" in me.seen
    assert "There is no node or guest 'hom'. did you mean" in me.seen
    assert lab.told["token_secret"] not in me.seen
    config = (home / "config.toml").read_text()
    assert 'runs_on = "Home"' in config
    assert "level = 1" in config
    assert "2 until you have seen what it would do: `jarvis autonomy preview 3` shows that." in me.seen
    assert "3  act and report: repair what runbooks allow" in me.seen


def test_a_stranger_is_not_trusted(lab: Lab, home: Path) -> None:
    me = Terminal("setup", "--endpoint", lab.told["endpoints"][0])
    me.answer("Is it the same?", "n")
    assert me.end() == 5
    assert "nothing was sent to it and nothing was written" in me.seen
    assert not (home / "config.toml").exists()


def test_ctrl_c_in_the_middle_writes_nothing(lab: Lab, home: Path) -> None:
    me = Terminal("setup", *lab.options()[:-2])
    me.answer("Token id", "\x03")
    assert me.end() == 130
    assert "Traceback" not in me.seen
    assert not (home / "config.toml").exists()
