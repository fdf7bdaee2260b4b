"""Docker on a simulated guest: its containers, and the part of the Docker API that looks after them.

Pure: a request's method, path and query in; status and body out. A container is reached while its guest runs.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

from jarvis_daemon.simulator.guests import Guest
from jarvis_daemon.simulator.timeline import Timeline

SOCKET: Final = "/var/run/docker.sock"
_PATH: Final = re.compile(
    r"(?:/v1\.[0-9]+)?/containers/([A-Za-z0-9][A-Za-z0-9_.-]*)/(json|logs|start|stop|restart)"
)
UP_S: Final = 3.2 * 86400
"""For how long the containers have been running at the start."""
FIRST_CHECK_S: Final = 5.0
_NEVER: Final = "0001-01-01T00:00:00Z"


@dataclass
class Container:
    """``broken``: it exits again right after every start."""

    name: str
    started_at: float
    state: Literal["running", "exited"] = "running"
    restarts: int = 0
    exit_code: int = 0
    broken: bool = False
    health: Literal["healthy", "unhealthy"] | None = None
    """What its health check says; None: it has none."""
    checked_from: float = 0.0
    """Simulated seconds; before that its health is ``starting``."""
    incurable: bool = False
    """A restart does not make it healthy."""
    line: str = ""
    """What it writes, beside telling that it started."""

    @property
    def id(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()


class DockerHost:
    """The Docker daemon of one guest."""

    def __init__(self, guest: Guest, names: tuple[str, ...], timeline: Timeline) -> None:
        self.guest = guest
        self._timeline = timeline
        self.containers = {name: Container(name, timeline.now - UP_S) for name in names}
        self.requests: list[str] = []

    def answer(self, method: str, target: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of one request."""
        self.requests = [*self.requests[-200:], f"{method} {target}"]
        url = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if method == "GET" and re.fullmatch(r"(/v1\.[0-9]+)?/containers/json", url.path):
            return _json(
                200, [self._row(c) for c in self.containers.values() if query.get("all") or c.state == "running"]
            )
        match = _PATH.fullmatch(url.path)
        if match is None:
            return _json(404, {"message": "page not found"})
        found = [c for c in self.containers.values() if c.name == match[1] or c.id.startswith(match[1])]
        if not found:
            return _json(404, {"message": f"No such container: {match[1]}"})
        verb = match[2]
        if method == "GET" and verb == "json":
            return _json(200, self._details(found[0]))
        if method == "GET" and verb == "logs":
            return (
                200,
                "application/vnd.docker.multiplexed-stream",
                self._logs(found[0], int(query.get("tail", "100"))),
            )
        if method == "POST" and verb in {"start", "stop", "restart"}:
            return self._act(found[0], verb)
        return _json(405, {"message": "method not allowed"})

    def _act(self, container: Container, verb: str) -> tuple[int, str, bytes]:
        if (verb, container.state) in {("start", "running"), ("stop", "exited")}:
            return 304, "text/plain", b""
        if verb == "stop":
            container.state, container.exit_code = "exited", 143
            return 204, "text/plain", b""
        container.started_at = self._timeline.now
        container.state, container.exit_code = ("exited", 1) if container.broken else ("running", 0)
        container.checked_from = self._timeline.sim + FIRST_CHECK_S
        if container.health == "unhealthy" and not container.incurable:
            container.health = "healthy"
        return 204, "text/plain", b""

    def _row(self, container: Container) -> dict[str, Any]:
        up = container.state == "running"
        return {
            "Id": container.id,
            "Names": [f"/{container.name}"],
            "Image": f"{container.name}:latest",
            "Command": "/entrypoint",
            "Created": int(self._timeline.now) - 86400 * 21,
            "State": container.state,
            "Status": self._up(container) if up else f"Exited ({container.exit_code}) 2 hours ago",
            "Ports": [],
            "Labels": {},
        }

    def _health(self, container: Container) -> str | None:
        if container.health is None:
            return None
        return "starting" if self._timeline.sim < container.checked_from else container.health

    def _up(self, container: Container) -> str:
        """In Docker's words: ``Up 3 days (unhealthy)``."""
        health = self._health(container)
        suffix = "" if health is None else " (health: starting)" if health == "starting" else f" ({health})"
        return f"Up {in_words(self._timeline.now - container.started_at)}{suffix}"

    def _details(self, container: Container) -> dict[str, Any]:
        up, health = container.state == "running", self._health(container)
        return {
            "Id": container.id,
            "Name": f"/{container.name}",
            "RestartCount": container.restarts,
            "State": {
                "Status": container.state,
                "Running": up,
                "ExitCode": container.exit_code,
                "OOMKilled": False,
                "Error": "",
                "StartedAt": _rfc3339(container.started_at),
                "FinishedAt": _NEVER if up else _rfc3339(self._timeline.now),
                **({"Health": {"Status": health, "FailingStreak": 0}} if health else {}),
            },
            "Config": {"Image": f"{container.name}:latest", "Tty": False, "Labels": {}},
        }

    def _logs(self, container: Container, tail: int) -> bytes:
        """Frames of one stream each, as Docker sends them where there is no terminal."""
        lines = [f"{container.name} started", *([container.line] if container.line else [])]
        frames = [(f"{_rfc3339(container.started_at)} {line}\n").encode() for line in lines[-tail:]]
        return b"".join(struct.pack(">BxxxL", 1, len(frame)) + frame for frame in frames)


def in_words(seconds: float) -> str:
    """A span as Docker writes it."""
    if seconds < 1:
        return "Less than a second"
    steps = (
        (60, 1, "second"), (120, 0, "About a minute"), (3600, 60, "minute"), (7200, 0, "About an hour"),
        (48 * 3600, 3600, "hour"),
    )  # fmt: skip
    for below, unit, word in steps:
        if seconds < below:
            count = int(seconds // unit) if unit else 0
            return word if not unit else f"{count} {word}{'' if count == 1 else 's'}"
    return f"{int(seconds // 86400)} days"


def _json(status: int, body: Any) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(body).encode()


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
