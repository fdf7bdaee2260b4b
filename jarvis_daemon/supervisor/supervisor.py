"""Workers: processes of our own in their own session, which join the daemon's socket with a one-time ticket.

A worker that misses three heartbeats is killed; one that ends is started again after 1, 2, 4 … 60 s. Its state is
an entity of topic ``services``. Secrets never stand in its arguments or environment: it asks ``worker.config``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import Heartbeat, Role, WorkerConfig, WorkerConfigResult
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Service
from jarvis_daemon.protocol.text import clean

_log = logging.getLogger("jarvis.supervisor")
HEARTBEAT_S: Final = 5.0
HEARTBEATS_MISSED_MAX: Final = 3
START_GRACE_S: Final = 30.0
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MAX_S: Final = 60.0
STABLE_AFTER_S: Final = 60.0
"""Who ran that long begins again with the first back-off."""
STOP_GRACE_S: Final = 5.0
_KEPT_BACK: Final = re.compile(
    r"secret|token|passw|api_?key|credential|^JARVIS_NOTIFY__|^JARVIS_ASSISTANT__|^NOTIFY_SOCKET$|^WATCHDOG_",
    re.IGNORECASE,
)
"""What of the daemon's environment no worker gets: secrets, and systemd's ear."""


@dataclass(frozen=True)
class WorkerSpec:
    """One kind of worker. ``name`` is a key of ``jarvis_daemon.worker.WORKERS``."""

    name: str
    role: Role = "worker"
    settings: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass
class _Worker:
    spec: WorkerSpec
    service: Service
    process: asyncio.subprocess.Process | None = None
    task: asyncio.Task[None] | None = None
    heartbeat: float = 0.0
    wanted: bool = True
    words: list[str] = field(default_factory=list)


class Supervisor:
    """``issue`` gives a ticket for a worker's name and role (``server.Tickets.issue``)."""

    def __init__(
        self, bus: Bus, clock: Clock, socket_path: Path, *, issue: Callable[[str, Role], str],
        environ: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._bus, self._clock, self._socket_path, self._issue = bus, clock, socket_path, issue
        given = os.environ if environ is None else environ
        self._environ = {name: value for name, value in given.items() if not _KEPT_BACK.search(name)}
        self._workers: dict[str, _Worker] = {}
        bus.offer("worker.heartbeat", self._on_heartbeat, roles={"worker", "front"})
        bus.offer("worker.config", self._on_config, roles={"worker", "front"})

    def start(self, spec: WorkerSpec) -> None:
        """Start a worker and keep it running. Raises ``busy`` when it runs already."""
        if (known := self._workers.get(spec.name)) is not None and known.wanted:
            raise JarvisError("busy", f"The worker {spec.name} runs already")
        worker = _Worker(spec, Service(id=f"service:{spec.name}", name=spec.name))
        self._workers[spec.name] = worker
        worker.task = spawn(self._keep(worker), name=f"worker-{spec.name}")

    async def stop(self, name: str) -> None:
        """End a worker: asked with SIGTERM, killed after 5 s. Raises ``not_found``."""
        worker = self._workers.get(name)
        if worker is None:
            raise JarvisError("not_found", f"There is no worker {name!r}")
        worker.wanted = False
        await self._end(worker)
        if worker.task is not None:
            worker.task.cancel()
        self._publish(worker, status="stopped", pid=None)

    async def stop_all(self) -> None:
        await asyncio.gather(*(self.stop(name) for name in self._workers))

    async def _keep(self, worker: _Worker) -> None:
        delay = BACKOFF_FIRST_S
        while True:
            started = self._clock.monotonic()
            await self._run_once(worker)
            if not worker.wanted:
                return
            if self._clock.monotonic() - started >= STABLE_AFTER_S:
                delay = BACKOFF_FIRST_S
            worker.service.restarts += 1
            self._publish(worker, status="backoff", pid=None)
            _log.warning("worker ended", extra={"data": {"worker": worker.spec.name, "again_in_s": delay}})
            await self._clock.sleep(delay)
            delay = min(BACKOFF_MAX_S, delay * 2)

    async def _run_once(self, worker: _Worker) -> None:
        ticket = self._issue(worker.spec.name, worker.spec.role)
        self._publish(worker, status="starting")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "jarvis_daemon.worker", worker.spec.name, "--socket", str(self._socket_path),
            "--parent", str(os.getpid()),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            start_new_session=True, env=self._environ,
        )  # fmt: skip
        worker.process = process
        worker.heartbeat = self._clock.monotonic() + START_GRACE_S - HEARTBEAT_S * HEARTBEATS_MISSED_MAX
        if process.stdin is not None:
            process.stdin.write(ticket.encode() + b"\n")
            process.stdin.close()
        self._publish(worker, status="starting", pid=process.pid, started_at=self._clock.now())
        listening = spawn(self._listen(worker, process), name=f"worker-{worker.spec.name}-stderr")
        watching = spawn(self._watch(worker, process), name=f"worker-{worker.spec.name}-watch")
        code = await process.wait()
        watching.cancel()
        await listening
        last = worker.words[-1] if worker.words else ""
        worker.service.last_error = f"ended with {code}" + (f": {last}" if last else "")

    async def _watch(self, worker: _Worker, process: asyncio.subprocess.Process) -> None:
        """Kill a worker whose heart stopped."""
        while process.returncode is None:
            await self._clock.sleep(HEARTBEAT_S)
            if self._clock.monotonic() - worker.heartbeat > HEARTBEAT_S * HEARTBEATS_MISSED_MAX:
                worker.words.append(f"killed: {HEARTBEATS_MISSED_MAX} heartbeats missed")
                _kill(process, signal.SIGKILL)
                return

    async def _listen(self, worker: _Worker, process: asyncio.subprocess.Process) -> None:
        """Keep the last words of a worker; what it logs goes into our log."""
        if process.stderr is None:
            return
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than the reader's limit: dropped, and the next one is read
                continue
            if not line:
                return
            text = clean(line.decode(errors="replace"))
            if text:
                worker.words = [*worker.words[-9:], text]
                _log.info("worker says", extra={"data": {"worker": worker.spec.name, "text": text}})

    async def _end(self, worker: _Worker) -> None:
        process = worker.process
        if process is None or process.returncode is not None:
            return
        _kill(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_GRACE_S):
                await process.wait()
        except TimeoutError:
            _kill(process, signal.SIGKILL)

    def _on_heartbeat(self, params: Heartbeat, principal: Principal) -> None:
        worker = self._of(principal)
        worker.heartbeat = self._clock.monotonic()
        self._publish(worker, status="running", heartbeat_at=self._clock.now())

    def _on_config(self, params: WorkerConfig, principal: Principal) -> WorkerConfigResult:
        spec = self._of(principal).spec
        return WorkerConfigResult(name=spec.name, settings=spec.settings, secrets=spec.secrets)

    def _of(self, principal: Principal) -> _Worker:
        worker = self._workers.get(principal.worker or "")
        if worker is None or worker.process is None or worker.process.pid != principal.pid:
            raise JarvisError("forbidden", "Only a worker that the daemon started may call this")
        return worker

    def _publish(self, worker: _Worker, **changes: Any) -> None:
        for key, value in changes.items():
            setattr(worker.service, key, value)
        # a copy: the bus keeps what it is given to compare with what comes next
        copy = Service(**{f: getattr(worker.service, f) for f in worker.service.__struct_fields__})
        self._bus.state("services").apply({"services": {copy.id: copy}})


def _kill(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal the worker's whole session: what it started goes with it."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
