"""The HA manager: it keeps its resources in the state that was asked for, by tasks of its own.

The one resource of the homelab, a container on local disks, may run on its own node only (a strict node
affinity rule), so that a dead node leaves it in ``fence``, then ``recovery``, until the node is back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jarvis_daemon.simulator.guests import Guest
from jarvis_daemon.simulator.tasks import Script

if TYPE_CHECKING:
    from jarvis_daemon.simulator.world import World

ROUND_S: Final = 5.0
FENCE_DELAY_S: Final = 60.0
RECOVERY_DELAY_S: Final = 120.0


@dataclass
class Resource:
    sid: str
    vmid: int
    requested: str
    state: str
    max_restart: int = 1
    max_relocate: int = 1
    comment: str = ""
    missing_since: float | None = None


class HighAvailability:
    """The CRM and the LRMs in one: a round every few simulated seconds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.resources: dict[str, Resource] = {}
        for guest in world.guests.values():
            if guest.spec.ha is not None:
                state = guest.spec.ha
                self.resources[guest.ha_sid] = Resource(guest.ha_sid, guest.vmid, state, state)
        world.timeline.after(ROUND_S, self._round)

    def managed(self, guest: Guest) -> bool:
        """Power actions on it must go through the HA state."""
        resource = self.resources.get(guest.ha_sid)
        return resource is not None and resource.requested != "ignored"

    def request(self, sid: str, state: str) -> None:
        """Ask for another state (``started`` or ``stopped``); the next round acts."""
        resource = self.resources[sid]
        resource.requested = {"enabled": "started"}.get(state, state)
        if resource.requested == "stopped" and resource.state == "started":
            resource.state = "request_stop"
        self._world.config_version += 1

    def manager(self) -> str | None:
        """The node that holds the manager's lock: the first one in a quorate part."""
        return next((name for name in self._world.nodes if self._alive(name)), None)

    def _alive(self, name: str) -> bool:
        node = self._world.nodes[name]
        return node.online and not node.frozen and self._world.quorate(name)

    def _round(self) -> None:
        self._world.timeline.after(ROUND_S, self._round)
        if self.manager() is None:
            return
        for resource in self.resources.values():
            before = resource.state
            self._judge(resource)
            if resource.state != before:
                self._world.config_version += 1

    def _judge(self, resource: Resource) -> None:
        world, guest = self._world, self._world.guests[resource.vmid]
        if not self._alive(guest.node):
            if resource.missing_since is None:
                resource.missing_since = world.timeline.sim
            gone = world.timeline.sim - resource.missing_since
            if gone >= RECOVERY_DELAY_S:
                resource.state = "recovery"
            elif gone >= FENCE_DELAY_S:
                resource.state = "fence"
            return
        resource.missing_since = None
        busy = bool(world.tasks.running(vmid=guest.vmid))
        if resource.requested == "started":
            resource.state = "started"
            if not guest.running and not busy:
                world.begin_start(guest, "root@pam")
        elif resource.requested in {"stopped", "disabled"}:
            resource.state = "request_stop" if guest.running else resource.requested
            if guest.running and not busy:
                kind = "vzshutdown" if guest.spec.kind == "ct" else "qmshutdown"
                world.tasks.start(
                    guest.node, kind, str(guest.vmid), "root@pam", _stop(guest), frozenset({guest.vmid})
                )

    def rows(self, view: str) -> list[dict[str, Any]]:
        """``GET /cluster/ha/status/current`` as ``view`` answers it."""
        world = self._world
        quorate = world.quorate(view)
        rows: list[dict[str, Any]] = [{
            "id": "quorum", "type": "quorum", "node": view, "status": "OK" if quorate else "No quorum on node",
            "quorate": int(quorate),
        }]  # fmt: skip
        master = self.manager()
        if master is not None:
            stamp = f"{master} (active, {_stamp(world.now)})"
            rows.append({"id": "master", "type": "master", "node": master, "status": stamp,
                         "timestamp": int(world.now)})  # fmt: skip
        for name, node in world.nodes.items():
            mode = "active" if any(world.guests[r.vmid].node == name for r in self.resources.values()) else "idle"
            text = (
                f"{name} ({mode}, {_stamp(world.now)})" if self._alive(name) else f"{name} (old timestamp - dead?)"
            )
            rows.append({"id": f"lrm:{name}", "type": "lrm", "node": node.name, "status": text,
                         "timestamp": int(world.now)})  # fmt: skip
        for resource in self.resources.values():
            node_name = world.guests[resource.vmid].node
            rows.append({
                "id": f"service:{resource.sid}", "type": "service", "sid": resource.sid, "node": node_name,
                "state": resource.state, "crm_state": resource.state, "request_state": resource.requested,
                "status": f"{resource.sid} ({node_name}, {resource.state})", "failback": 1,
                "max_restart": resource.max_restart, "max_relocate": resource.max_relocate,
            })  # fmt: skip
        return rows

    def config_rows(self) -> list[dict[str, Any]]:
        """``GET /cluster/ha/resources``."""
        return [
            {"sid": r.sid, "type": r.sid.partition(":")[0], "state": r.requested, "digest": "0" * 40,
             "max_restart": r.max_restart, "max_relocate": r.max_relocate, "failback": 1}
            for r in self.resources.values()
        ]  # fmt: skip


def _stop(guest: Guest) -> Script:
    yield 4.0, None
    guest.stop()
    return None


def _stamp(at: float) -> str:
    return time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(at))
