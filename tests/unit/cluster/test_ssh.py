"""Readings by SSH, against a real SSH server on loopback; the command itself also in a real shell."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from jarvis_daemon.clock import ManualClock, SystemClock
from jarvis_daemon.cluster.ssh import MAX_OUTPUT_BYTES, SshNodes
from jarvis_daemon.cluster.ssh_keys import Target, fetch_host_key, pin_host_key
from jarvis_daemon.cluster.ssh_reading import SCRIPT, parse_date, parse_reading, reading_command
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import ClusterSettings

Answer = Callable[[Any], Awaitable[None]]
SENSORS = '{"coretemp-isa-0000":{"Package id 0":{"temp1_input":58.0}}}'


def output(at: float | None = None, services: str = "") -> str:
    date = time.time() if at is None else at
    told = f"#jarvis services\n{services}\n" if services else ""
    return f"#jarvis date\n{date:.9f}\n#jarvis sensors-json\n{SENSORS}\n{told}"


@dataclass
class Node:
    """An SSH server of one key that answers each command as ``answer`` says."""

    folder: Path
    commands: list[str] = field(default_factory=list)
    connections: int = 0

    async def start(self, port: int = 0) -> Node:
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        client = asyncssh.generate_private_key("ssh-ed25519")
        self.key_file = self.folder / "id_ed25519"
        if not self.key_file.exists():
            client.write_private_key(str(self.key_file))
            client.write_public_key(str(self.folder / "authorized"))
        node = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                node.connections += 1

        async def handle(process: Any) -> None:
            node.commands.append(process.command)
            await node.answer(process)

        self.server = await asyncssh.listen(
            "127.0.0.1", port, server_host_keys=[self.key], server_factory=Server, process_factory=handle,
            authorized_client_keys=str(self.folder / "authorized"),
        )  # fmt: skip
        self.port = self.server.get_port()
        return self

    async def answer(self, process: Any) -> None:
        process.stdout.write(output())
        process.exit(0)

    @property
    def target(self) -> Target:
        return Target(node="pve", host="127.0.0.1", port=self.port)

    @property
    def fingerprint(self) -> str:
        return self.key.get_fingerprint("sha256")

    async def stop(self) -> None:
        self.server.close()
        await self.server.wait_closed()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    one = await Node(tmp_path).start()
    yield one
    await one.stop()


@pytest.fixture
async def connect(node: Node, tmp_path: Path) -> AsyncIterator[Callable[..., SshNodes]]:
    made: list[SshNodes] = []

    def make(*, pinned: bool = True, simulated: bool = False, clock: Any = None, **ssh: Any) -> SshNodes:
        if pinned:
            line = node.key.export_public_key("openssh").decode()
            (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{node.port} {line}")
        settings = {"hosts": {"pve": f"127.0.0.1:{node.port}"}, "key_file": str(node.key_file)} | ssh
        cluster = ClusterSettings.model_validate(
            {"endpoints": ["127.0.0.1"], "token_id": "a@b!c", "ssh": settings, "simulated": simulated}
        )
        nodes = SshNodes(cluster, known_hosts=tmp_path / "known_hosts", clock=clock or SystemClock())
        made.append(nodes)
        return nodes

    yield make
    for nodes in made:
        await nodes.close()


Connect = Callable[..., SshNodes]


async def failing(nodes: SshNodes, name: str = "pve", **more: Any) -> JarvisError:
    with pytest.raises(JarvisError) as caught:
        await nodes.read(name, **more)
    return caught.value


class TestReading:
    async def test_temperature_services_and_clock_come_in_one_call(self, node: Node, connect: Connect) -> None:
        async def answer(process: Any) -> None:
            process.stdout.write(output(services="smbd active\nfilebrowser failed\nghost inactive"))
            process.exit(3)  # as systemctl does for what is not active

        node.answer = answer  # type: ignore[method-assign]
        reading = await connect().read("pve", services=["smbd", "filebrowser", "ghost"])
        assert reading.temperatures is not None
        assert reading.temperatures.cpu_c == 58.0
        assert reading.services == {"smbd": "active", "filebrowser": "failed", "ghost": "inactive"}
        assert reading.clock_skew_s == pytest.approx(0, abs=0.5)
        assert node.commands == [reading_command(["smbd", "filebrowser", "ghost"])]

    async def test_the_connection_is_kept(self, node: Node, connect: Connect) -> None:
        nodes = connect()
        for _ in range(4):
            await nodes.read("pve")
        assert (node.connections, len(node.commands)) == (1, 4)

    async def test_a_connection_that_broke_is_made_anew(self, node: Node, connect: Connect) -> None:
        nodes = connect()
        await nodes.read("pve")
        for connection in list(nodes._connections.values()):
            connection.abort()
        assert (await nodes.read("pve")).temperatures is not None
        assert node.connections == 2

    async def test_the_skew_is_the_nodes_clock_minus_ours_at_half_the_round_trip(
        self, node: Node, connect: Connect
    ) -> None:
        clock = ManualClock(now=1_800_000_000.0)

        async def answer(process: Any) -> None:
            await clock.advance(1.0)
            process.stdout.write(output(at=1_800_000_010.0))
            process.exit(0)

        node.answer = answer  # type: ignore[method-assign]
        reading = await connect(clock=clock).read("pve")
        assert reading.clock_skew_s == pytest.approx(9.5)
        assert reading.clock_uncertainty_s == pytest.approx(0.5)

    async def test_slow_sensors_do_not_count_as_skew(self, node: Node, connect: Connect) -> None:
        first_lines_read = asyncio.Event()

        class Clock(ManualClock):
            asked = 0

            def monotonic(self) -> float:
                self.asked += 1  # once when the command goes out, once when its first lines are there
                if self.asked == 2:
                    first_lines_read.set()
                return super().monotonic()

        clock = Clock(now=1_800_000_000.0)

        async def answer(process: Any) -> None:
            process.stdout.write("#jarvis date\n1800000000.000\n")
            await asyncio.wait_for(first_lines_read.wait(), 3)
            await clock.advance(4.0)
            process.stdout.write(f"#jarvis sensors-json\n{SENSORS}\n")
            process.exit(0)

        node.answer = answer  # type: ignore[method-assign]
        assert (await connect(clock=clock).read("pve")).clock_skew_s == 0.0

    async def test_a_node_without_any_sensor_still_tells_its_clock(self, node: Node, connect: Connect) -> None:
        async def answer(process: Any) -> None:
            process.stdout.write(f"#jarvis date\n{time.time():.9f}\n")
            process.exit(0)

        node.answer = answer  # type: ignore[method-assign]
        reading = await connect().read("pve")
        assert reading.temperatures is None
        assert reading.node_time is not None

    async def test_the_address_that_pve_tells_is_used_where_the_settings_name_none(
        self, node: Node, connect: Connect
    ) -> None:
        nodes = connect(hosts={}, port=node.port)
        assert (await nodes.read("other", "127.0.0.1")).temperatures is not None


class TestBadDays:
    async def test_a_command_that_fails_without_output(self, node: Node, connect: Connect) -> None:
        async def answer(process: Any) -> None:
            process.stderr.write("sh: not found\x1b[0m\n")
            process.exit(127)

        node.answer = answer  # type: ignore[method-assign]
        error = await failing(connect())
        assert (error.code, error.why) == ("cluster_refused", "sh: not found")

    async def test_a_node_that_never_answers(self, node: Node, connect: Connect) -> None:
        async def answer(process: Any) -> None:
            await process.stdin.read()

        node.answer = answer  # type: ignore[method-assign]
        error = await failing(connect(timeout_s=0.3))
        assert (error.code, error.why) == ("cluster_unreachable", "no answer within 0.3 s")
        assert "pve" in error.what

    async def test_a_port_that_accepts_and_never_greets(self, connect: Connect) -> None:
        """A frozen node."""
        silent = asyncio.Event()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            silent.set()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            error = await failing(connect(hosts={"pve": f"127.0.0.1:{port}"}, timeout_s=0.3))
            await asyncio.wait_for(silent.wait(), 3)  # and the connection is let go
        assert (error.code, error.why) == ("cluster_unreachable", "no answer within 0.3 s")

    async def test_a_flood_is_cut_at_1_MiB(self, node: Node, connect: Connect) -> None:
        async def answer(process: Any) -> None:
            process.stdout.write("#jarvis date\n1800000000.0\n" + "x" * (MAX_OUTPUT_BYTES + 65536))
            process.exit(0)

        node.answer = answer  # type: ignore[method-assign]
        error = await failing(connect())
        assert "more than 1 MiB" in error.what

    async def test_after_a_flood_the_next_reading_works(self, node: Node, connect: Connect) -> None:
        async def answer(process: Any) -> None:
            process.stdout.write("x" * (2 * MAX_OUTPUT_BYTES) if len(node.commands) == 1 else output())
            process.exit(0)

        node.answer = answer  # type: ignore[method-assign]
        nodes = connect()
        await failing(nodes)
        assert (await nodes.read("pve")).temperatures is not None

    async def test_nobody_listens(self, node: Node, connect: Connect) -> None:
        nodes = connect()
        await node.stop()
        error = await failing(nodes)
        assert error.code == "cluster_unreachable"
        assert error.why
        assert f"127.0.0.1:{node.port}" in error.what

    async def test_a_key_that_is_not_accepted(self, node: Node, connect: Connect, tmp_path: Path) -> None:
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "other"))
        error = await failing(connect(key_file=str(tmp_path / "other")))
        assert error.code == "cluster_denied"
        assert "ssh-copy-id" in error.next

    async def test_a_key_file_that_is_not_there(self, node: Node, connect: Connect, tmp_path: Path) -> None:
        error = await failing(connect(key_file=str(tmp_path / "missing")))
        assert error.code == "config_invalid"
        assert "missing" in error.what

    async def test_off_is_off(self, node: Node, connect: Connect) -> None:
        assert (await failing(connect(enabled=False))).code == "unavailable"
        assert node.connections == 0

    async def test_while_simulated_only_this_machine(self, node: Node, connect: Connect) -> None:
        nodes = connect(simulated=True)
        assert (await failing(nodes, "pve2", address="192.168.1.74")).code == "config_invalid"
        assert (await nodes.read("pve")).temperatures is not None

    @pytest.mark.parametrize("unit", ["a; rm -rf /", "$(id)", "", "--now", "a b", "x\ny"])
    async def test_a_unit_name_never_becomes_shell(self, node: Node, connect: Connect, unit: str) -> None:
        assert (await failing(connect(), services=[unit])).code == "invalid_params"
        assert node.commands == []


class TestHostKeys:
    async def test_an_unknown_key_is_refused_with_its_fingerprint(self, node: Node, connect: Connect) -> None:
        error = await failing(connect(pinned=False))
        assert error.code == "cluster_untrusted"
        assert "is not known" in error.what
        assert node.fingerprint in error.why
        assert "jarvis setup" in error.next
        assert node.commands == []

    async def test_a_changed_key_is_refused_with_both(self, node: Node, connect: Connect) -> None:
        nodes = connect()
        await nodes.read("pve")
        await nodes.close()
        before, port = node.fingerprint, node.port
        await node.stop()
        await node.start(port)
        for _ in range(2):  # not accepted by itself the second time either
            error = await failing(nodes)
            assert error.code == "cluster_untrusted"
            assert "has changed" in error.what
            assert before in error.why
            assert node.fingerprint in error.why

    async def test_a_key_of_another_kind_is_a_change_too(
        self, node: Node, connect: Connect, tmp_path: Path
    ) -> None:
        nodes = connect(pinned=False)
        other = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
        line = other.export_public_key("openssh").decode()
        (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{node.port} {line}")
        error = await failing(nodes)
        assert "has changed" in error.what
        assert node.fingerprint in error.why
        assert other.get_fingerprint("sha256") in error.why

    async def test_a_person_pins_and_then_it_is_trusted(self, node: Node, connect: Connect, tmp_path: Path) -> None:
        nodes = connect(pinned=False)
        known = tmp_path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{node.port} ssh-ed25519 AAAAold\nother.example ssh-ed25519 AAAAkept\n")
        key = await fetch_host_key(node.target)
        assert key.fingerprint == node.fingerprint
        pin_host_key(known, node.target, key)
        assert known.stat().st_mode & 0o777 == 0o600
        assert known.read_text().splitlines()[0] == "other.example ssh-ed25519 AAAAkept"
        assert "AAAAold" not in known.read_text()
        assert (await nodes.read("pve")).temperatures is not None

    async def test_nobody_shows_no_key(self, node: Node) -> None:
        await node.stop()
        with pytest.raises(JarvisError) as caught:
            await fetch_host_key(node.target)
        assert caught.value.code == "cluster_unreachable"


class TestTarget:
    @pytest.mark.parametrize(
        ("said", "host", "port"),
        [
            ("10.0.0.1", "10.0.0.1", 22),
            ("pve.lan:2222", "pve.lan", 2222),
            ("[fd00::1]:2222", "fd00::1", 2222),
            ("[fd00::1]", "fd00::1", 22),
            ("fd00::1", "fd00::1", 22),
        ],
    )
    async def test_hosts_of_the_settings(self, connect: Connect, said: str, host: str, port: int) -> None:
        target = connect(hosts={"pve": said}).target("pve", "192.168.1.74")
        assert (target.host, target.port) == (host, port)

    async def test_else_the_address_else_the_name(self, connect: Connect) -> None:
        nodes = connect(hosts={})
        assert str(nodes.target("pve", "192.168.1.74")) == "192.168.1.74:22"
        assert str(nodes.target("pve", None)) == "pve:22"

    async def test_an_entry_that_is_no_host_is_refused(self, connect: Connect) -> None:
        with pytest.raises(JarvisError, match="neither host nor host:port"):
            connect(hosts={"pve": "a b:x"}).target("pve", None)


class TestTheCommand:
    """In a real shell, with tools of the test's own in front."""

    def run(self, tmp_path: Path, *services: str, **tools: str) -> str:
        for name, body in tools.items():
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(0o755)
        done = subprocess.run(
            ["/bin/sh", "-c", reading_command(services)],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert done.returncode == 0
        return done.stdout

    def test_json_and_services(self, tmp_path: Path) -> None:
        out = self.run(
            tmp_path, "smbd", "ghost",
            sensors=f"""echo "ERROR: Can't get value" >&2; [ "$1" = -j ] && printf '%s\\n' '{SENSORS}'; exit 1""",
            systemctl='if [ "$2" = smbd ]; then echo active; else echo inactive; exit 3; fi',
        )  # fmt: skip
        reading = parse_reading(out)
        assert reading.temperatures is not None
        assert (reading.temperatures.cpu_c, reading.temperatures.origin) == (58.0, "sensors-json")
        assert reading.services == {"smbd": "active", "ghost": "inactive"}
        assert reading.node_time == pytest.approx(time.time(), abs=60)

    def test_plain_text_where_sensors_knows_no_json(self, tmp_path: Path) -> None:
        out = self.run(
            tmp_path, sensors='[ $# -gt 0 ] && exit 1; printf "coretemp-isa-0000\\nPackage id 0: +50.0 C\\n"'
        )
        reading = parse_reading(out)
        assert reading.temperatures is not None
        assert (reading.temperatures.cpu_c, reading.temperatures.origin) == (50.0, "sensors-text")

    def test_without_systemctl_a_service_is_unknown(self, tmp_path: Path) -> None:
        out = self.run(tmp_path, "smbd", sensors="exit 1", systemctl="exit 127")
        assert parse_reading(out).services == {"smbd": "unknown"}

    def test_the_hwmon_section_is_what_the_dump_of_the_script_looks_like(self) -> None:
        base = "/sys/class/hwmon/hwmon0"
        reading = parse_reading(
            f"#jarvis date\n1800000000.5\n#jarvis hwmon\n{base}/name:k10temp\n{base}/temp1_input:44000\n"
        )
        assert reading.temperatures is not None
        assert (reading.temperatures.cpu_c, reading.temperatures.origin) == (44.0, "hwmon")
        assert reading.node_time == 1800000000.5

    def test_stderr_never_joins_the_json(self) -> None:
        assert "2>&1" not in SCRIPT

    @pytest.mark.parametrize(
        ("text", "at"),
        [
            ("1800000000.5\n", 1800000000.5),
            ("1800000000.", 1800000000.0),
            ("1800000000.N", 1800000000.0),
            ("x", None),
        ],
    )
    def test_dates_of_small_systems(self, text: str, at: float | None) -> None:
        assert parse_date(text) == at

    def test_an_odd_answer_is_unknown_and_not_an_error(self) -> None:
        reading = parse_reading("Welcome!\n#jarvis\n#jarvis services\n\nsmbd\n")
        assert (reading.temperatures, reading.node_time, reading.services) == (None, None, {"smbd": "unknown"})
