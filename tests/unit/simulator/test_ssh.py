"""Nodes over SSH: pinned keys, what a shell prints, and ports that close or fall silent."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.inventory import load
from jarvis_daemon.simulator.ssh_commands import run

from .conftest import NOW


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Homelab]:
    async with Homelab(load(), tmp_path / "sim", now=NOW) as made:
        await made.ssh_ready()
        yield made


async def connect(lab: Homelab, node: str, key: Path | None = None) -> asyncssh.SSHClientConnection:
    told = lab.sim_json()["ssh"]
    host, port = told["hosts"][node].split(":")
    return await asyncssh.connect(
        host, int(port), username=told["user"], known_hosts=told["known_hosts"], config=None,
        client_keys=[str(key or told["key_file"])], agent_path=None,
    )  # fmt: skip


async def test_sensors_by_the_kind_of_node(lab: Homelab) -> None:
    async with await connect(lab, "pve") as session:
        chips = json.loads((await session.run("sensors -j")).stdout or "")
        assert chips["coretemp-isa-0000"]["Package id 0"]["temp1_input"] == pytest.approx(
            lab.world.nodes["pve"].temperature(), abs=1
        )
    async with await connect(lab, "agent1") as session:
        chips = json.loads((await session.run("sensors -j")).stdout or "")
        assert "Tctl" in chips["k10temp-pci-00c3"]
        assert "Tctl:" in str((await session.run("sensors")).stdout)
    async with await connect(lab, "agent") as session:
        done = await session.run("sensors -j")
        assert done.exit_status == 127
        assert str(done.stderr).endswith("sensors: command not found\n")


async def test_the_key_and_the_host_key_are_checked(lab: Homelab, tmp_path: Path) -> None:
    for name in ("id_ed25519", "known_hosts"):
        assert stat.S_IMODE((lab.folder / name).stat().st_mode) == 0o600
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    stranger.write_private_key(tmp_path / "stranger")
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(lab, "pve", tmp_path / "stranger")


async def test_ports_follow_the_world(lab: Homelab) -> None:
    session = await connect(lab, "agent1")
    await lab.fault("ssh-refused", "agent1")
    await session.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await connect(lab, "agent1")
    await lab.heal()
    async with await connect(lab, "agent1") as again:
        await lab.fault("node-frozen", "agent1")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await connect(lab, "agent1")
        waiting = asyncio.ensure_future(again.run("hostname"))
        await asyncio.wait({waiting}, timeout=0.3)
        assert not waiting.done()
        await lab.heal()
        async with asyncio.timeout(5):
            assert (await waiting).stdout == "agent1\n"


async def test_a_crashed_service_and_a_skewed_clock(lab: Homelab) -> None:
    async with await connect(lab, "Home") as session:
        assert (await session.run("systemctl is-active llama-server")).stdout == "active\n"
        await lab.fault("service-crash", "Home/llama-server")
        done = await session.run("systemctl is-active llama-server smbd.service nope")
        assert (done.stdout, done.exit_status) == ("failed\nactive\ninactive\n", 0)
        assert (await session.run("systemctl is-active llama-server")).exit_status == 3
        assert "Failed with result" in str((await session.run("journalctl -u llama-server -n 20")).stdout)
        shown = str((await session.run("systemctl show -p ActiveState,SubState llama-server")).stdout)
        assert shown == "ActiveState=failed\nSubState=failed\n"
        assert "(Result: exit-code)" in str((await session.run("systemctl status llama-server")).stdout)
        await lab.fault("clock-skew", "Home", seconds=100)
        assert float(str((await session.run("date +%s.%N")).stdout)) == pytest.approx(lab.world.now + 100, abs=0.01)


async def test_the_combined_reading(lab: Homelab) -> None:
    script = 'sh -c \'echo "#jarvis date"; sensors -j; echo "#jarvis hwmon"\' jarvis-reading smbd cron'
    with_sensors = run(lab.world, "pve", script).stdout
    assert with_sensors.startswith("#jarvis date\n1800000000.")
    assert "#jarvis sensors-json\n{" in with_sensors
    assert with_sensors.endswith("#jarvis services\nsmbd active\ncron active\n")
    without = run(lab.world, "agent", script).stdout
    assert "#jarvis hwmon\n/sys/class/hwmon/hwmon0/name:acpitz\n" in without
    assert "/sys/class/hwmon/hwmon1/temp1_label:Package id 0" in without
    assert without.endswith("#jarvis services\nsmbd inactive\ncron active\n")


@pytest.mark.parametrize(
    ("node", "command", "code", "text"),
    [
        ("pve", "hostname", 0, "pve\n"),
        ("pve", "LC_ALL=C uname -a", 0, "Linux pve 6.17.4-1-pve"),
        ("Home", "docker ps --format '{{.Names}} {{.State}}'", 0, "uptime-kuma running\n"),
        ("pve", "docker ps", 127, ""),
        ("pve", "cat /sys/class/thermal/thermal_zone0/temp", 0, ""),
        ("pve", "cat /etc/shadow", 1, ""),
        ("pve", "rm -rf /", 127, ""),
        ("pve", "echo 'unfinished", 2, ""),
        ("pve", "systemctl restart nope", 5, ""),
        ("pve", "df", 0, "Filesystem"),
        ("pve", "free", 0, "     "),
        ("pve", "uptime", 0, " 08:00:00 up "),
        ("pve", "", 0, ""),
    ],
)
async def test_commands(lab: Homelab, node: str, command: str, code: int, text: str) -> None:
    answer = run(lab.world, node, command)
    assert answer.exit_code == code
    assert answer.stdout.startswith(text)
    assert bool(answer.stderr) == (code != 0)
