"""Writes on guests and nodes: what may be asked, PVE's refusals, and the tasks that do it.

``user`` is the name that goes into the UPID (``jarvis@pve!daemon`` for a token). Each call returns a UPID and
raises ``Refused`` with PVE's status and text.
"""

from __future__ import annotations

from typing import Any, Final

from jarvis_daemon.simulator.errors import Refused
from jarvis_daemon.simulator.guests import Guest, Snapshot
from jarvis_daemon.simulator.tasks import Script, TaskError
from jarvis_daemon.simulator.world import World

SHUTDOWN_S: Final = {"vm": 7.0, "ct": 4.0}
MIGRATE_BYTES_PER_S: Final = 600e6


def require_quorum(world: World, node: str) -> None:
    """Without quorum ``/etc/pve`` is read-only. Raises Refused 500."""
    if not world.quorate(node):
        raise Refused(500, "cluster not ready - no quorum?")


def _require_running(guest: Guest, running: bool) -> None:
    if guest.running != running:
        raise Refused(500, f"{guest.label} {'not running' if running else 'already running'}")


def _require_free(guest: Guest) -> None:
    if guest.lock is not None:
        raise Refused(500, f"{guest.spec.kind.upper()} is locked ({guest.lock})")


def _run(world: World, guest: Guest, verb: str, user: str, script: Script) -> str:
    kind = ("qm" if guest.spec.kind == "vm" else "vz") + verb
    return world.tasks.start(guest.node, kind, str(guest.vmid), user, script, frozenset({guest.vmid})).upid


def _through_ha(world: World, guest: Guest, verb: str, user: str) -> str:
    """The task that only tells the HA manager; the manager then acts by tasks of its own."""
    state = "started" if verb == "start" else "stopped"

    def script() -> Script:
        yield 0.5, f"Requesting HA {verb} for {guest.label}"
        world.ha.request(guest.ha_sid, state)
        return None

    task = world.tasks.start(guest.node, f"ha{verb}", str(guest.vmid), user, script(), frozenset({guest.vmid}))
    return task.upid


def start(world: World, guest: Guest, user: str) -> str:
    if guest.spec.template:
        kind = "vm" if guest.spec.kind == "vm" else "CT"
        raise Refused(500, f"you can't start a {kind} if it's a template")
    _require_running(guest, False)
    require_quorum(world, guest.node)
    if world.ha.managed(guest):
        return _through_ha(world, guest, "start", user)
    _require_free(guest)
    return world.begin_start(guest, user)


def stop(world: World, guest: Guest, user: str) -> str:
    return _down(world, guest, user, "stop", 0.8)


def shutdown(world: World, guest: Guest, user: str) -> str:
    return _down(world, guest, user, "shutdown", SHUTDOWN_S[guest.spec.kind])


def _down(world: World, guest: Guest, user: str, verb: str, seconds: float) -> str:
    _require_running(guest, True)
    require_quorum(world, guest.node)
    if world.ha.managed(guest):
        return _through_ha(world, guest, "stop", user)
    _require_free(guest)

    def script() -> Script:
        yield seconds, None
        guest.stop()
        return None

    return _run(world, guest, verb, user, script())


def reboot(world: World, guest: Guest, user: str) -> str:
    _require_running(guest, True)
    require_quorum(world, guest.node)
    _require_free(guest)

    def script() -> Script:
        yield SHUTDOWN_S[guest.spec.kind], None
        guest.stop()
        yield 2.0, None
        guest.start()
        return None

    return _run(world, guest, "reboot", user, script())


def suspend(world: World, guest: Guest, user: str) -> str:
    """Pause a VM; a container cannot be checkpointed here, as on most machines."""
    _require_running(guest, True)
    require_quorum(world, guest.node)
    _require_free(guest)

    def script() -> Script:
        yield 1.0, None
        if guest.spec.kind == "ct":
            raise TaskError(f"command 'lxc-checkpoint -n {guest.vmid} -s -D /var/lib/vz/dump' failed: exit code 1")
        guest.state = "paused"
        return None

    return _run(world, guest, "suspend" if guest.spec.kind == "ct" else "pause", user, script())


def resume(world: World, guest: Guest, user: str) -> str:
    require_quorum(world, guest.node)
    if guest.spec.kind == "ct":
        _require_running(guest, False)
    elif guest.state == "stopped":
        raise Refused(500, f"{guest.label} not running")

    def script() -> Script:
        yield 0.5, None
        if guest.spec.kind == "ct":
            raise TaskError(f"command 'lxc-checkpoint -n {guest.vmid} -r --foreground' failed: exit code 1")
        guest.state = "running"
        return None

    return _run(world, guest, "resume", user, script())


def migrate(world: World, guest: Guest, user: str, target: str, online: bool) -> str:
    """Move ``guest``. Raises Refused for an unknown or own target, or a running guest without ``online``."""
    if target not in world.nodes:
        raise Refused(400, "Parameter verification failed.", {"target": f"no such cluster node '{target}'"})
    if target == guest.node:
        raise Refused(400, "Parameter verification failed.", {"target": "target is local node."})
    require_quorum(world, guest.node)
    _require_free(guest)
    if guest.running and not online:
        hint = "can't migrate running VM without --online" if guest.spec.kind == "vm" else \
            "lxc live migration is currently not implemented"  # fmt: skip
        raise Refused(500, hint)
    if not world.nodes[target].online:
        raise Refused(500, f"can't migrate to node '{target}' - node is offline")

    def script() -> Script:
        guest.lock = "migrate"
        world.config_version += 1
        try:
            yield 1.0, f"starting migration of {guest.label} to node '{target}' ({world.nodes[target].spec.ip})"
            size = guest.spec.disk_bytes // 10 + guest.memory()
            for percent in (25, 50, 75, 100):
                yield size / MIGRATE_BYTES_PER_S / 4, f"transferred {size * percent // 100} of {size} bytes"
                if not world.nodes[target].online:
                    raise TaskError("migration aborted")
            guest.node = target
            yield 0.5, f"migration finished successfully (duration {size / MIGRATE_BYTES_PER_S:.0f} s)"
        finally:
            guest.lock = None
            world.index_guests()
        return None

    return _run(world, guest, "migrate", user, script())


def snapshot(world: World, guest: Guest, user: str, name: str, description: str, vmstate: bool) -> str:
    require_quorum(world, guest.node)
    _require_free(guest)
    if any(known.name == name for known in guest.snapshots):
        raise Refused(500, f"snapshot name '{name}' already used")

    def script() -> Script:
        guest.lock = "snapshot"
        world.config_version += 1
        try:
            yield 1.5 + (4 if vmstate else 0), f"snapshotting 'drive-scsi0' (local-lvm:vm-{guest.vmid}-disk-0)"
        finally:
            guest.lock = None
            world.config_version += 1
        guest.snapshots.append(Snapshot(name, description, int(world.now), guest.parent, vmstate))
        guest.parent = name
        return None

    return _run(world, guest, "snapshot", user, script())


def _snapshot_of(guest: Guest, name: str) -> Snapshot:
    found = next((known for known in guest.snapshots if known.name == name), None)
    if found is None:
        raise Refused(500, f"snapshot '{name}' does not exist")
    return found


def delete_snapshot(world: World, guest: Guest, user: str, name: str) -> str:
    require_quorum(world, guest.node)
    _require_free(guest)
    found = _snapshot_of(guest, name)

    def script() -> Script:
        yield 1.2, None
        guest.snapshots.remove(found)
        for other in guest.snapshots:
            if other.parent == name:
                other.parent = found.parent
        if guest.parent == name:
            guest.parent = found.parent
        return None

    return _run(world, guest, "delsnapshot", user, script())


def rollback(world: World, guest: Guest, user: str, name: str, start_after: bool) -> str:
    require_quorum(world, guest.node)
    _require_free(guest)
    found = _snapshot_of(guest, name)

    def script() -> Script:
        if guest.running:
            yield 0.8, None
            guest.stop()
        yield 2.0, None
        guest.parent = name
        if start_after or found.vmstate:
            guest.start()
        return None

    return _run(world, guest, "rollback", user, script())


def snapshot_rows(guest: Guest) -> list[dict[str, Any]]:
    """``GET …/snapshot``: the snapshots and ``current``."""
    rows: list[dict[str, Any]] = []
    for known in guest.snapshots:
        row: dict[str, Any] = {"name": known.name, "description": known.description, "snaptime": known.snaptime}
        if known.parent is not None:
            row["parent"] = known.parent
        if guest.spec.kind == "vm":
            row["vmstate"] = int(known.vmstate)
        rows.append(row)
    current: dict[str, Any] = {"name": "current", "description": "You are here!", "digest": f"{guest.seed:08x}" * 5}
    if guest.spec.kind == "vm":
        current["running"] = int(guest.running)
    if guest.parent is not None:
        current["parent"] = guest.parent
    return [*rows, current]


def power_node(world: World, node: str, command: str, user: str) -> None:
    """``reboot`` or ``shutdown`` of a node: its guests go down in order, then the power."""

    def script() -> Script:
        for guest in world.guests_on(node):
            if guest.running:
                yield 0.5, f"Stopping {guest.label}"
                guest.stop()
        yield 2.0, None
        world.timeline.after(0.0, lambda: _cut(world, node, command))
        return None

    world.tasks.start(node, "stopall", "", user, script())


def _cut(world: World, node: str, command: str) -> None:
    world.power_off(node)
    if command == "reboot":
        world.power_on(node)
