"""A simulated homelab in a process of its own, and the cluster room that watches it in the test's own loop."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import Clock, SystemClock
from jarvis_daemon.cluster.room import ClusterRoom
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.state import Cluster, Guest, Incident, Node, Source, Storage, Task
from jarvis_daemon.settings import ClusterSettings, ConditionSettings, DockerSettings, Settings, SshSettings
from jarvis_daemon.store import Store

BEAT_S = 0.2
SERVICES = {"Home": ["llama-server", "smbd"], "pve": ["smbd", "filebrowser"]}


class SimulatedHomelab:
    """The simulator's process. Its folder's path is short, since it holds a unix socket."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self._socket = folder / "s"
        command = [
            sys.executable, "-m", "jarvis_daemon.simulator", "--dir", str(folder), "--control", str(self._socket),
            "--stat-interval", "0.2", "--auth-delay", "0.1", "--proxy-timeout", "0.5", "--speed", "20",
            "--linger", "120", *arguments,
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()
        self.told: dict[str, Any] = json.loads((folder / "sim.json").read_text())

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        waiting = threading.Event()
        while not (self.folder / "sim.json").exists():
            assert self._process.poll() is None, "the simulator ended"
            assert time.monotonic() < deadline, "the simulator does not serve"
            waiting.wait(0.05)

    def say(self, cmd: str, **more: Any) -> dict[str, Any]:
        """One command on the control socket; asserts that it was obeyed."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._socket))
            connection.sendall(json.dumps({"cmd": cmd, **more}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(connection.makefile().readline())
        assert answer["ok"], answer
        return answer

    def fault(self, name: str, target: str | None = None, **params: Any) -> None:
        self.say("fault", name=name, target=target, params=params)

    def post(self, path: str, **data: str) -> str:
        """As a person does in PVE's own interface; answers the UPID."""
        request = urllib.request.Request(
            f"{self.told['endpoints'][0]}/api2/json{path}", urllib.parse.urlencode(data).encode(), method="POST",
            headers={"Authorization": f"PVEAPIToken={self.told['token_id']}={self.told['token_secret']}"},
        )  # fmt: skip
        blind = ssl._create_unverified_context()
        with urllib.request.urlopen(request, context=blind) as answer:
            return str(json.load(answer)["data"])

    def heal(self) -> None:
        self.say("heal", target=None)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def settings_for(lab: SimulatedHomelab, **conditions: Any) -> Settings:
    """Quick rhythms, all endpoints, SSH with the simulator's pinned keys."""
    told, ssh = lab.told, lab.told["ssh"]
    cluster = ClusterSettings(
        name=told["cluster"], endpoints=told["endpoints"], token_id=told["token_id"],
        token_secret=pydantic.SecretStr(told["token_secret"]), tls="fingerprint", fingerprints=told["fingerprints"],
        runs_on=told["runs_on"], simulated=True, poll_interval_s=BEAT_S, node_interval_s=0.6,
        sensors_interval_s=0.5, disks_interval_s=0.5, call_timeout_s=2.0,
        ssh=SshSettings(
            user=ssh["user"], key_file=ssh["key_file"], hosts=ssh["hosts"], known_hosts_file=ssh["known_hosts"],
            timeout_s=2.0,
        ),
    )  # fmt: skip
    chosen: dict[str, Any] = {
        "grace_s": 0.5, "guest_memory_sustained_s": 0.5, "cpu_sustained_s": 0.5, "services": SERVICES,
        "cpu_warning_pct": 100,
    }  # fmt: skip
    docker = DockerSettings(hosts=told["docker"], interval_s=0.3)
    return Settings(cluster=cluster, docker=docker, conditions=ConditionSettings(**(chosen | conditions)))


class Watched:
    """One life of the watching half of a daemon, on a store in ``home``."""

    def __init__(self, settings: Settings, home: Path, clock: Clock | None = None) -> None:
        self.settings = settings
        self.places = Places(home, home, home, home)
        self.clock = clock or SystemClock()
        self.bus = Bus()
        self.store = Store(self.places.database)

    async def start(self) -> Watched:
        await self.store.open()
        self.feed = Feed(self.store, self.bus, self.clock, cluster="homelab")
        await self.feed.start()
        self.incidents = Incidents(self.store, self.bus, self.feed, self.clock, self.settings)
        await self.incidents.start()
        self.room = ClusterRoom(
            self.settings, self.places, self.bus, self.store, self.feed, self.incidents, self.clock
        )
        await self.room.start()
        return self

    async def stop(self) -> None:
        await self.room.stop()
        await self.incidents.stop()
        await self.store.close()

    async def until(self, what: Callable[[], Any], seconds: float = 15.0) -> Any:
        """Wait until ``what()`` is true, and answer it; on the way listen to state rather than sleep blindly."""
        changed = asyncio.Event()
        ends = [self.bus.state(t).listen(lambda _: changed.set()) for t in ("cluster", "tasks", "incidents")]
        ends.append(self.feed.topic.listen(lambda _: changed.set()))
        try:
            async with asyncio.timeout(seconds):
                while not (found := what()):
                    changed.clear()
                    await changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"it did not come to be:\n{self.describe()}") from None
        finally:
            for end in ends:
                end()

    def describe(self) -> str:
        lines = [f"{n.name}: {n.status} {n.freshness}" for n in self.nodes.values()]
        lines += [f"{i.condition} {i.target} {i.status}: {i.title}. {i.detail}" for i in self.shown.values()]
        lines += [f"{s.id}: {s.error}" for s in self.sources.values() if s.error]
        return "\n".join([*lines, *self.told, str(self.cluster)])

    @property
    def cluster(self) -> Cluster:
        (cluster,) = self.bus.state("cluster").all("clusters", Cluster).values()
        return cluster

    @property
    def nodes(self) -> dict[str, Node]:
        return self.bus.state("cluster").all("nodes", Node)

    @property
    def guests(self) -> dict[str, Guest]:
        return self.bus.state("cluster").all("guests", Guest)

    @property
    def storages(self) -> dict[str, Storage]:
        return self.bus.state("cluster").all("storages", Storage)

    @property
    def sources(self) -> dict[str, Source]:
        return self.bus.state("cluster").all("sources", Source)

    @property
    def tasks(self) -> dict[str, Task]:
        return self.bus.state("tasks").all("tasks", Task)

    @property
    def shown(self) -> dict[str, Incident]:
        return self.bus.state("incidents").all("incidents", Incident)

    @property
    def told(self) -> list[str]:
        return [event.text for event in self.feed.topic.recent(0) or []]

    def open_on(self, condition: str, target: str | None = None) -> Incident | None:
        """The open incident of a condition, of one target or any."""
        return next(
            (
                i for i in self.shown.values()
                if i.condition == condition and i.status == "open" and target in (None, i.target)
            ),
            None,
        )  # fmt: skip

    async def next_beat(self) -> None:
        """Wait for a further poll: beats follow one another, so the one before has ended and saved."""

        def polled() -> float | None:
            return next((s.polled_at for s in self.sources.values() if s.what == "resources"), None)

        before = polled()
        await self.until(lambda: polled() != before)

    async def first_picture(self) -> None:
        async with asyncio.timeout(15):
            await self.bus.state("cluster").settled.wait()
