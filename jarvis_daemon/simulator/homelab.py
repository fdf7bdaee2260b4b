"""A whole homelab that serves: the world, one HTTPS endpoint and one SSH server a node, one control for all.

In a test::

    async with Homelab(load(), folder) as lab:
        lab.fault("node-down", "pve")
        await lab.advance(300)

With ``live=False`` (the default) time passes by ``advance`` only; live, it follows the machine's clock. What the
simulator itself waits for (a slow answer) is real time, or, with ``sleep=None``, the world's.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from jarvis_daemon.simulator import guest_calls, guest_life, node_calls  # noqa: F401  (they register their calls)
from jarvis_daemon.simulator.access import DAEMON_TOKEN
from jarvis_daemon.simulator.certificates import Certificate, make_certificate, make_ssh_key
from jarvis_daemon.simulator.docker import SOCKET
from jarvis_daemon.simulator.http_server import Listener
from jarvis_daemon.simulator.inventory import Inventory
from jarvis_daemon.simulator.pve_api import Delays, NodeApi, Sleep
from jarvis_daemon.simulator.spawn import spawn
from jarvis_daemon.simulator.ssh_guests import SshGuest
from jarvis_daemon.simulator.ssh_nodes import SshNode
from jarvis_daemon.simulator.world import World

TICK_S: Final = 1.0
"""The longest that a live world stands still."""
TICK_LEAST_S: Final = 0.02


class Endpoint:
    """One node's HTTPS port and its certificates, the first one and those that faults put in its place."""

    def __init__(self, lab: Homelab, name: str) -> None:
        self.name = name
        self._lab = lab
        self._certificates: dict[int, Certificate] = {}
        self._shown: int | None = None
        self.api = NodeApi(lab.world, name, lab.certificate, delays=lab.delays, sleep=lab.sleep, wrote=lab.wake)
        self.listener = Listener(self.api.handle)

    @property
    def certificate(self) -> Certificate:
        """The one in force now."""
        number = self._lab.world.nodes[self.name].certificate
        if number not in self._certificates:
            ip = self._lab.world.nodes[self.name].spec.ip
            self._certificates[number] = make_certificate(self.name, ip, self._lab.world.now, self._lab.folder)
        return self._certificates[number]

    async def sync(self) -> None:
        """Make the port as the world says: closed, or serving the certificate in force."""
        node = self._lab.world.nodes[self.name]
        if self.listener.open and (not node.reachable or self._shown != node.certificate):
            await self.listener.stop()
        if node.reachable and not self.listener.open:
            self._shown = node.certificate
            await self.listener.start(self.certificate.context)


PERSON_TOKEN = "root@pam!person"  # noqa: S105  its name; the secret is made anew each time
"""Of somebody who works in PVE's own interface: what they do is theirs, not Jarvis's."""


class Homelab:
    """``folder`` (0700) gets the client's SSH key, known_hosts and, by ``write_sim_json``, what a client needs."""

    def __init__(
        self, inventory: Inventory, folder: Path, *, now: float | None = None, seed: int = 1, speed: float = 1.0,
        stat_interval_s: float = 10.0, max_age_s: float = 300.0, delays: Delays | None = None,
        sleep: Sleep | None = asyncio.sleep, live: bool = False, ssh: bool = True,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.delays = delays or Delays()
        self.sleep = sleep or self._sleep_in_world
        self.sleeping = 0
        """Answers that wait for the world's time to pass."""
        self.world = World(
            inventory, time.time() if now is None else now, seed=seed, speed=speed,
            stat_interval_s=stat_interval_s, max_age_s=max_age_s,
        )  # fmt: skip
        self.token_id = DAEMON_TOKEN
        self.token_secret = secrets.token_hex(16)
        self.person_secret = secrets.token_hex(16)
        self.live = live
        self._with_ssh = ssh
        self._ssh_ready = False
        self._endpoints: dict[str, Endpoint] = {}
        self._ssh: dict[str, SshNode] = {}
        self._background: list[asyncio.Task[Any]] = []
        self._wake = asyncio.Event()
        self._sync_lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # life

    async def start(self) -> None:
        """Open every port. SSH greets a moment later, when its library is loaded (``ssh_ready`` waits for it)."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.world.access.add(self.token_id, self.token_secret)
        self.world.access.add(PERSON_TOKEN, self.person_secret)
        self._endpoints = {name: Endpoint(self, name) for name in self.world.nodes}
        if self._with_ssh:
            private, public = make_ssh_key()
            _write_private(self.folder / "id_ed25519", private)
            self._ssh = {name: SshNode(self.world, name, public) for name in self.world.nodes}
            self._ssh |= {name: SshGuest(self.world, host, public) for name, host in self.world.docker.items()}
            lines = [f"[127.0.0.1]:{ssh.port} {ssh.public}\n" for ssh in self._ssh.values()]
            _write_private(self.folder / "known_hosts", "".join(lines).encode())
        await self.sync()
        if self._with_ssh:
            self._background.append(spawn(self._load_ssh(), name="load-ssh"))
        if self.live:
            self._background.append(spawn(self._run(), name="world"))

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for endpoint in self._endpoints.values():
            await endpoint.listener.close()
        for ssh in self._ssh.values():
            await ssh.close()

    async def ssh_ready(self) -> None:
        """Wait until the SSH servers greet."""
        for task in self._background:
            if task.get_name() == "load-ssh":
                await asyncio.shield(task)

    async def _load_ssh(self) -> None:
        await asyncio.to_thread(__import__, "asyncssh")
        self._ssh_ready = True
        await self.sync()

    async def _run(self) -> None:
        """Let the world follow the machine's clocks."""
        before = time.monotonic()
        while True:
            self._wake.clear()
            due = min(TICK_S, max(TICK_LEAST_S, self.world.timeline.due_in()))
            try:
                async with asyncio.timeout(due):
                    await self._wake.wait()
            except TimeoutError:
                pass
            now = time.monotonic()
            self.world.advance(now - before)
            self.world.timeline.now = time.time()
            before = now
            await self.sync()

    def wake(self) -> None:
        """Something was begun: let a live world look when it is due."""
        self._wake.set()

    async def sync(self) -> None:
        """Make every port as the world says."""
        async with self._sync_lock:
            for endpoint in self._endpoints.values():
                await endpoint.sync()
            for ssh in self._ssh.values():
                await ssh.sync(ready=self._ssh_ready)

    # what tests and the control socket do

    async def advance(self, seconds: float) -> None:
        """Let time pass (not live) and make the ports follow."""
        self.world.advance(seconds)
        await self.sync()

    async def fault(self, name: str, target: str | None = None, **params: Any) -> None:
        """Break something. Raises ControlError."""
        self.world.faults.begin(name, target, params)
        self.wake()
        await self.sync()

    async def heal(self, target: str | None = None) -> None:
        """Mend one or all. Raises ControlError."""
        self.world.faults.heal(target)
        self.wake()
        await self.sync()

    async def _sleep_in_world(self, seconds: float) -> None:
        passed = asyncio.Event()
        self.world.timeline.after_real(seconds, passed.set)
        self.sleeping += 1
        try:
            await passed.wait()
        finally:
            self.sleeping -= 1

    @property
    def busy(self) -> int:
        """API requests that are being answered now, those that sleep left out."""
        return sum(end.api.answering for end in self._endpoints.values()) - self.sleeping

    def certificate(self, name: str) -> Certificate | None:
        return self._endpoints[name].certificate if name in self._endpoints else None

    @property
    def requests(self) -> int:
        """API requests that came in so far, at all endpoints."""
        return sum(end.api.requests for end in self._endpoints.values())

    @property
    def endpoints(self) -> dict[str, str]:
        """``https://127.0.0.1:PORT`` by node."""
        return {name: f"https://127.0.0.1:{end.listener.port}" for name, end in self._endpoints.items()}

    @property
    def fingerprints(self) -> dict[str, str]:
        return {name: end.certificate.fingerprint for name, end in self._endpoints.items()}

    @property
    def authorization(self) -> str:
        """The header that the daemon's token sends."""
        return f"PVEAPIToken={self.token_id}={self.token_secret}"

    def sim_json(self) -> dict[str, Any]:
        """What a client needs to know; see ``docs/plans/02-spine.md``."""
        return {
            "pid": os.getpid(), "cluster": self.world.inventory.cluster, "runs_on": self.world.inventory.runs_on,
            "services": {node.name: list(node.services) for node in self.world.inventory.nodes if node.services},
            "docker": dict.fromkeys(self.world.docker, SOCKET),
            "containers": [f"{host}/{name}" for host, on in self.world.docker.items() for name in on.containers],
            "protected": [guest.name for guest in self.world.inventory.guests if guest.protected],
            "endpoints": list(self.endpoints.values()), "fingerprints": list(self.fingerprints.values()),
            "token_id": self.token_id, "token_secret": self.token_secret,
            "person": {"token_id": PERSON_TOKEN, "token_secret": self.person_secret},
            "ssh": {
                "user": "root", "key_file": str(self.folder / "id_ed25519"),
                "hosts": {name: f"127.0.0.1:{ssh.port}" for name, ssh in self._ssh.items()},
                "known_hosts": str(self.folder / "known_hosts"),
            },
        }  # fmt: skip

    def write_sim_json(self) -> Path:
        """Write ``sim.json`` 0600, whole or not at all."""
        path = self.folder / "sim.json"
        _write_private(path, (json.dumps(self.sim_json(), indent=1) + "\n").encode())
        return path


def _write_private(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
