"""The simulator as a process: the control socket, the lock, the files, and when it ends."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.simulator.control import Control
from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.inventory import load

from .conftest import NOW


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="jv-sim-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


class Asker:
    """One connection to a control socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, line: dict[str, Any] | str) -> dict[str, Any]:
        text = line if isinstance(line, str) else json.dumps(line)
        self._writer.write(text.encode() + b"\n")
        async with asyncio.timeout(5):
            answer: dict[str, Any] = json.loads(await self._reader.readline())
        return answer

    def close(self) -> None:
        self._writer.transport.abort()


async def open_control(path: Path) -> Asker:
    return Asker(*await asyncio.open_unix_connection(path))


@pytest.fixture
async def control(folder: Path) -> AsyncIterator[Control]:
    async with Homelab(load(), folder / "sim", now=NOW, ssh=False) as lab:
        made = Control(lab, folder / "c.sock", linger_s=0.2)
        await made.start()
        yield made
        await made.close()


async def test_commands_and_errors(control: Control, folder: Path) -> None:
    assert stat.S_IMODE((folder / "c.sock").stat().st_mode) == 0o600
    asker = await open_control(folder / "c.sock")
    assert (await asker.ask({"cmd": "attach"}))["ok"]
    status = await asker.ask({"cmd": "status"})
    assert (status["nodes"], status["guests"], status["faults"], status["attached"]) == (4, 18, [], 1)
    assert len((await asker.ask({"cmd": "faults"}))["faults"]) == 22
    broken = await asker.ask({"cmd": "fault", "name": "node-down", "target": "pve", "params": {}})
    assert broken["active"] == [{"name": "node-down", "target": "pve", "params": {"wakes": True}}]
    truth = await asker.ask({"cmd": "world"})
    assert truth["nodes"]["pve"]["power"] == "off"
    assert truth["guests"]["110"]["state"] == "stopped"
    assert truth["guests"]["100"]["state"] == "running"
    healed = await asker.ask({"cmd": "heal", "target": None})
    assert [fault["target"] for fault in healed["healed"]] == ["pve"]
    assert (await asker.ask({"cmd": "speed", "value": 10}))["speed"] == 10
    for line, code in [
        ({"cmd": "fault", "name": "node-dwn"}, "unknown_fault"),
        ({"cmd": "fault", "name": "node-down", "target": "pev"}, "unknown_target"),
        ({"cmd": "fault", "name": "overheat", "params": {"c": 1}}, "unknown_parameter"),
        ({"cmd": "fault", "name": "overheat", "params": [1]}, "bad_request"),
        ({"cmd": "heal", "target": "pve"}, "not_broken"),
        ({"cmd": "speed", "value": 0}, "bad_request"),
        ({"cmd": "speed", "value": "fast"}, "bad_request"),
        ({"cmd": "dance"}, "unknown_command"),
        ("not json", "bad_request"),
        ("[1]", "bad_request"),
    ]:
        answer = await asker.ask(line)  # type: ignore[arg-type]
        assert answer["ok"] is False
        assert answer["error"]["code"] == code
        assert answer["error"]["message"]
    nearest = await asker.ask({"cmd": "fault", "name": "node-dwn"})
    assert "node-down" in nearest["error"]["next"]
    asker.close()


async def test_it_ends_after_the_last_attached_one_is_gone(control: Control, folder: Path) -> None:
    first, second = await open_control(folder / "c.sock"), await open_control(folder / "c.sock")
    await first.ask({"cmd": "attach"})
    await second.ask({"cmd": "attach"})
    first.close()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await control.finished.wait()
    second.close()
    async with asyncio.timeout(5):
        await control.finished.wait()


async def test_it_ends_when_nobody_ever_attaches(control: Control) -> None:
    async with asyncio.timeout(5):
        await control.finished.wait()


def start(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "jarvis_daemon.simulator", "--dir", str(folder / "sim"),
                 "--control", str(folder / "c.sock"), *more]  # fmt: skip
    return subprocess.Popen(arguments, stderr=subprocess.PIPE)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(process.stderr.read() if process.stderr else "it ended")


async def test_a_process_serves_alone_and_ends_when_told(folder: Path) -> None:
    process = start(folder, "--speed", "5", "--stat-interval", "1")
    try:
        told = folder / "sim" / "sim.json"
        wait_for(told, process)
        assert stat.S_IMODE(told.stat().st_mode) == 0o600
        facts = json.loads(told.read_text())
        assert facts["pid"] == process.pid
        assert len(facts["endpoints"]) == len(facts["fingerprints"]) == 4
        assert set(facts["ssh"]["hosts"]) - set(facts["docker"]) == {"Home", "pve", "agent1", "agent"}
        second = start(folder)
        _, complaint = second.communicate(timeout=20)
        assert second.returncode == 1
        assert b"Another simulator already serves" in complaint
        asker = await open_control(folder / "c.sock")
        assert (await asker.ask({"cmd": "status"}))["speed"] == 5
        assert (await asker.ask({"cmd": "stop"}))["ok"]
        asker.close()
        assert process.wait(10) == 0
        assert not told.exists()
        assert not (folder / "c.sock").exists()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


async def test_after_a_kill_the_next_one_takes_over(folder: Path) -> None:
    told = folder / "sim" / "sim.json"
    first = start(folder)
    wait_for(told, first)
    first.kill()
    first.communicate(timeout=10)
    assert told.exists()
    second = start(folder)
    try:
        deadline = time.monotonic() + 20
        while not told.exists() or json.loads(told.read_text())["pid"] != second.pid:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        asker = await open_control(folder / "c.sock")
        assert (await asker.ask({"cmd": "status"}))["pid"] == second.pid
        asker.close()
    finally:
        second.terminate()
        second.communicate(timeout=10)
    assert second.returncode == 0


@pytest.mark.parametrize("wrong", [["--nodes", "0"], ["--speed", "0"], ["--stat-interval", "0"]])
def test_wrong_options_are_told(folder: Path, wrong: list[str]) -> None:
    process = start(folder, *wrong)
    _, complaint = process.communicate(timeout=20)
    assert process.returncode == 2
    assert wrong[0].encode() in complaint
