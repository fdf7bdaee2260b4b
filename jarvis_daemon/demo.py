"""The demo's link to its simulated homelab: start the simulator, hold a lease on it, read where it serves.

The simulator is a process of its own that outlives a killed daemon. To everything but this module it is a
cluster like any other: endpoints, a token, pinned fingerprints.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from typing import Any, Final

import pydantic

from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.settings import ClusterSettings, DemoSettings, Settings, SshSettings

_log = logging.getLogger("jarvis.demo")
START_TIMEOUT_S: Final = 30.0


class Simulator:
    """``attach`` gives the settings of the simulated cluster; ``gone`` is set when the simulator ends."""

    def __init__(self, places: Places, clock: Clock, demo: DemoSettings) -> None:
        self._places, self._clock, self._demo = places, clock, demo
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None

    async def attach(self, settings: Settings) -> None:
        """Start the simulator where none runs, take a lease, and fill ``settings`` with how to watch it. What the
        homelab tells of itself (services, Docker hosts, protected guests) counts where nobody has set it.

        Raises ``unavailable``.
        """
        process: subprocess.Popen[bytes] | None = None
        if not await self._connect():
            process = self._start()
        deadline = self._clock.monotonic() + START_TIMEOUT_S
        while not (self._writer or await self._connect()):
            if process is not None and process.poll() is not None:
                raise self._failed(f"it ended with {process.returncode}")
            if self._clock.monotonic() > deadline:
                raise self._failed(f"it did not serve within {START_TIMEOUT_S:g} s")
            await self._clock.sleep(0.05)
        told = json.loads((self._places.simulator_dir / "sim.json").read_text())
        furnish(settings, told, self._demo)

    async def gone(self) -> None:
        """Return when the simulator has ended."""
        if self._reader is not None:
            while await self._reader.readline():
                pass

    async def detach(self) -> None:
        """Give the lease back; the simulator ends a minute after the last one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _connect(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._places.simulator_socket))
        except OSError:
            return False
        try:
            writer.write(b'{"cmd": "attach"}\n')
            async with asyncio.timeout(5):
                answer = json.loads(await reader.readline() or b"{}")
        except (OSError, ValueError, TimeoutError):
            writer.close()
            return False
        if not answer.get("ok"):
            writer.close()
            return False
        self._reader, self._writer = reader, writer
        return True

    def _start(self) -> subprocess.Popen[bytes]:
        folder = self._places.simulator_dir
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / "simulator.log").open("ab") as log:
            os.chmod(log.name, 0o600)
            return subprocess.Popen(
                [
                    sys.executable, "-m", "jarvis_daemon.simulator", "--dir", str(folder),
                    "--control", str(self._places.simulator_socket), *self._arguments(),
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            )  # fmt: skip

    def _arguments(self) -> list[str]:
        chosen = {
            "--stat-interval": self._demo.stat_interval_s, "--nodes": self._demo.nodes,
            "--guests": self._demo.guests, "--speed": self._demo.speed, "--seed": self._demo.seed,
        }  # fmt: skip
        return [part for name, value in chosen.items() if value is not None for part in (name, str(value))]

    def _failed(self, why: str) -> JarvisError:
        log = self._places.simulator_dir / "simulator.log"
        return JarvisError("unavailable", "The simulated homelab did not start", why=why, next=f"See {log}.")


def furnish(settings: Settings, told: dict[str, Any], demo: DemoSettings) -> None:
    """Fill ``settings`` with how to watch the homelab that ``told`` (its ``sim.json``) describes."""
    settings.cluster = _cluster(told, demo)
    settings.conditions.services = settings.conditions.services or told.get("services", {})
    settings.docker.hosts = settings.docker.hosts or dict(told.get("docker", {}))
    settings.docker.interval_s = demo.docker_interval_s
    settings.tools.protected = settings.tools.protected or list(told.get("protected", []))


def _cluster(told: dict[str, Any], demo: DemoSettings) -> ClusterSettings:
    ssh = told["ssh"]
    true_keys = ssh["known_hosts"]
    return ClusterSettings(
        name=told["cluster"], endpoints=told["endpoints"], token_id=told["token_id"],
        token_secret=pydantic.SecretStr(told["token_secret"]), tls="fingerprint",
        fingerprints=told["fingerprints"], runs_on=told["runs_on"], simulated=True,
        poll_interval_s=demo.poll_interval_s, node_interval_s=demo.node_interval_s,
        sensors_interval_s=demo.sensors_interval_s, disks_interval_s=demo.disks_interval_s,
        ssh=SshSettings(
            user=ssh["user"], key_file=ssh["key_file"], hosts=ssh["hosts"], known_hosts_file=true_keys
        ),
    )  # fmt: skip
