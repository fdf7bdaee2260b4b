"""The watch over the Docker hosts of the settings: which containers are unhealthy, or restart again and again.

One request a host at its own rhythm; each host is a source of its own, so one that does not answer hides no other.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from jarvis_daemon.cluster.conditions.picture import IllContainer
from jarvis_daemon.cluster.docker import Docker
from jarvis_daemon.cluster.scene import Scene, rhythm
from jarvis_daemon.cluster.sources import Polled
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.text import clean

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_JUST_STARTED: Final = re.compile(r"Up (?:Less than a second|[0-9]+ seconds?)\b")
"""Docker's words for less than a minute."""


class DockerWatch:
    """Starts when it is made; ``scene.containers`` is what it tells."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._docker = scene, Docker(scene.settings, scene.ssh)
        every = scene.settings.docker.interval_s
        self._tasks = [
            spawn(self._run(host, scene.sources.add("docker", host, interval_s=every)), name=f"docker-{host}")
            for host in self._docker.hosts
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, host: str, source: Polled) -> None:
        async def step() -> None:
            found = await self._scene.poll(source, lambda: self._ask(host))
            if found is not None:
                self._scene.containers[host] = found

        await rhythm(self._scene.clock, source.interval_s, step)

    async def _ask(self, host: str) -> list[IllContainer]:
        reply = (await self._docker.get(host, "/containers/json", all=1)).json()
        before = {one.name: one for one in self._scene.containers.get(host, [])}
        found = ill_containers(reply, before, self._scene.clock.now())
        self._scene.container_names[host] = tuple(sorted(filter(None, map(name_of, reply))))
        return found


def name_of(row: Any) -> str:
    """A container's name in a row of ``/containers/json``; empty for what is none."""
    names = row.get("Names") if isinstance(row, dict) else None
    name = str(names[0]).removeprefix("/") if isinstance(names, list) and names else ""
    return name if _NAME.fullmatch(name) else ""


def ill_containers(reply: Any, before: dict[str, IllContainer], now: float) -> list[IllContainer]:
    """Those of ``/containers/json`` that are not well; ``before``: by name what the last reading found.

    A container that restarted when it was last read, and runs for less than a minute, restarts still: Docker waits
    ever longer between its tries. One that was ill, and whose first check is still to come, is not known to be
    well. Raises ``cluster_refused`` for what is no list.
    """
    if not isinstance(reply, list):
        raise JarvisError("cluster_refused", "Docker answered no list of containers")
    found: list[IllContainer] = []
    for row in reply:
        if not (name := name_of(row)):
            continue
        state, status = clean(str(row.get("State", "")), limit=40), clean(str(row.get("Status", "")), limit=120)
        was = before.get(name)
        looping = was is not None and was.health == "restarting" and _JUST_STARTED.match(status) is not None
        if state == "restarting" or looping:
            health = "restarting"
        elif state == "running" and status.endswith("(unhealthy)"):
            health = "unhealthy"
        elif was is not None and status.endswith("(health: starting)"):
            health = "starting"
        else:
            continue
        found.append(IllContainer(name, health, status, was.since_at if was is not None else now))
    return found
