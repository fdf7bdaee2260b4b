"""The control socket (0600): lines of JSON, one answer a line; and how long the simulator lives.

``attach`` is held open by a daemon: the simulator ends ``linger_s`` after the last one is gone, or after the
start when none ever comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from jarvis_daemon.simulator import person
from jarvis_daemon.simulator.errors import ControlError
from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.spawn import spawn
from jarvis_daemon.simulator.truth import truth

Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
LINE_MAX: Final = 64 * 1024


class Control:
    """Serves the control socket of one homelab."""

    def __init__(self, lab: Homelab, path: Path, *, linger_s: float = 60.0) -> None:
        self._lab = lab
        self._path = path
        self._linger_s = linger_s
        self._attached = 0
        self._end: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self.finished = asyncio.Event()
        """Set when nobody needs the homelab any more."""
        self._commands: dict[str, Command] = {
            "status": self._status, "faults": self._faults, "fault": self._fault, "heal": self._heal,
            "speed": self._speed, "world": self._world, "stop": self._stop,
            "advance": self._advance, "truth": self._truth, "busy": self._busy, "person": self._person,
        }  # fmt: skip

    async def start(self) -> None:
        """Listen; a socket left by a dead simulator is replaced (the caller holds the lock of the folder)."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._accept, self._path, limit=LINE_MAX)
        finally:
            os.umask(before)
        self._plan_end()

    async def close(self) -> None:
        if self._end is not None:
            self._end.cancel()
        if self._server is not None:
            self._server.close()
        clients = list(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _plan_end(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
        if self._attached == 0:
            self._end = asyncio.get_running_loop().call_later(self._linger_s, self.finished.set)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = spawn(self._serve(reader, writer), name="control")
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attached = False
        try:
            while line := await reader.readline():
                answer, attach = await self._answer(line)
                if attach and not attached:
                    attached = True
                    self._attached += 1
                    self._plan_end()
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass
        finally:
            if attached:
                self._attached -= 1
                self._plan_end()
            writer.transport.abort()

    async def _answer(self, line: bytes) -> tuple[dict[str, Any], bool]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ControlError("bad_request", "One JSON object a line, please")
            name = request.get("cmd")
            if name == "attach":
                return {"ok": True, "pid": os.getpid()}, True
            command = self._commands.get(str(name))
            if command is None:
                known = ", ".join(["attach", *self._commands])
                raise ControlError("unknown_command", f"There is no command {name!r}", f"There is: {known}")
            return {"ok": True, **await command(request)}, False
        except ControlError as error:
            return {"ok": False, "error": {"code": error.code, "message": str(error), "next": error.next}}, False
        except ValueError as error:
            return {"ok": False, "error": {"code": "bad_request", "message": str(error), "next": ""}}, False

    async def _status(self, request: dict[str, Any]) -> dict[str, Any]:
        world = self._lab.world
        return {
            "pid": os.getpid(), "cluster": world.inventory.cluster, "speed": world.timeline.speed,
            "nodes": len(world.nodes), "guests": len(world.guests), "attached": self._attached,
            "now": world.now, "started_at": world.timeline.started_at, "faults": world.faults.active(),
            "requests": self._lab.requests,
        }  # fmt: skip

    async def _faults(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"faults": self._lab.world.faults.kinds(), "active": self._lab.world.faults.active()}

    async def _fault(self, request: dict[str, Any]) -> dict[str, Any]:
        params = request.get("params") or {}
        if not isinstance(params, dict):
            raise ControlError("bad_request", "params is an object")
        target = request.get("target")
        await self._lab.fault(str(request.get("name")), None if target is None else str(target), **params)
        return {"active": self._lab.world.faults.active()}

    async def _heal(self, request: dict[str, Any]) -> dict[str, Any]:
        target = request.get("target")
        before = self._lab.world.faults.active()
        await self._lab.heal(None if target is None else str(target))
        after = self._lab.world.faults.active()
        return {"healed": [fault for fault in before if fault not in after], "active": after}

    async def _speed(self, request: dict[str, Any]) -> dict[str, Any]:
        value = request.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ControlError("bad_request", "value is a number")
        self._lab.world.set_speed(float(value))
        return {"speed": self._lab.world.timeline.speed}

    async def _world(self, request: dict[str, Any]) -> dict[str, Any]:
        """The true state, for tests: not what the API tells."""
        world = self._lab.world
        return {
            "nodes": {
                name: {
                    "power": node.power, "frozen": node.frozen, "quorate": node.online and world.quorate(name),
                    "temperature_c": node.temperature_c, "cpu": world.node_cpu(name),
                    "memory": world.node_memory(name), "services": node.services,
                }
                for name, node in world.nodes.items()
            },
            "guests": {
                str(vmid): {
                    "name": guest.spec.name, "node": guest.node, "state": guest.state, "memory": guest.memory(),
                    "lock": guest.lock, "started_at": guest.started_at if guest.running else None,
                }
                for vmid, guest in world.guests.items()
            },
            "storages": {ident: {"used": disk.used(), "size": disk.spec.size_bytes}
                         for ident, disk in world.disks.items()},
        }  # fmt: skip

    async def _advance(self, request: dict[str, Any]) -> dict[str, Any]:
        """Let time pass, where the clock is manual; answers the truth then."""
        seconds = request.get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 86400:
            raise ControlError("bad_request", "seconds is a number from 0 to 86400")
        if self._lab.live:
            raise ControlError("bad_request", "Time passes by itself here", "Start it with --clock manual")
        await self._lab.advance(float(seconds))
        return {"truth": truth(self._lab.world)}

    async def _truth(self, request: dict[str, Any]) -> dict[str, Any]:
        """What is really so: not what the API tells."""
        return {"truth": truth(self._lab.world)}

    async def _busy(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"busy": self._lab.busy, "sleeping": self._lab.sleeping}

    async def _person(self, request: dict[str, Any]) -> dict[str, Any]:
        """What a person does in PVE's own interface, or at the machine: see ``person.ACTS``."""
        person.do(self._lab.world, str(request.get("act")), str(request.get("target")))
        await self._lab.sync()
        return {"truth": truth(self._lab.world)}

    async def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        asyncio.get_running_loop().call_later(0.05, self.finished.set)
        return {}
