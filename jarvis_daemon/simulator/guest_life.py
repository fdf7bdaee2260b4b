"""Writes that change what a guest is: its configuration and size, its copies, its beginning and its end."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from jarvis_daemon.simulator.actions import require_quorum
from jarvis_daemon.simulator.errors import Refused
from jarvis_daemon.simulator.guest_calls import guest_of
from jarvis_daemon.simulator.guests import Guest
from jarvis_daemon.simulator.inventory import GIB, GuestSpec
from jarvis_daemon.simulator.pve_api import Context, answers
from jarvis_daemon.simulator.reads_node import node_of
from jarvis_daemon.simulator.storages import Disk, Volume
from jarvis_daemon.simulator.tasks import Script, TaskError
from jarvis_daemon.simulator.world import World

COPY_BYTES_PER_S: Final = 900e6
MIB: Final = 2**20
BRIDGE: Final = "/sdn/zones/localnetwork/vmbr0"
_PREFIX: Final = {"qemu": "qm", "lxc": "vz"}
_TAG: Final = re.compile(r"(?i:[a-z0-9_][a-z0-9_\-+.]*)")


def _wrong(name: str, text: str) -> Refused:
    return Refused(400, "Parameter verification failed.\n", {name: text})


def _require_unlocked(guest: Guest) -> None:
    if guest.lock is not None:
        raise Refused(500, f"{guest.spec.kind.upper()} is locked ({guest.lock})")


def _begin(context: Context, kind: str, verb: str, vmid: int, script: Script) -> str:
    node = node_of(context).name
    return context.world.tasks.start(
        node, _PREFIX[kind] + verb, str(vmid), context.user, script, frozenset({vmid})
    ).upid  # fmt: skip


def _register(kind: str) -> None:
    base = f"/nodes/{{node}}/{kind}"
    one = base + "/{vmid}"

    @answers("PUT", one + "/config")
    def config(context: Context) -> None:
        guest = guest_of(context, kind)
        require_quorum(context.world, guest.node)
        _require_unlocked(guest)
        _set(context.world, guest, context.values)

    @answers("PUT", one + "/resize")
    def resize(context: Context) -> str:
        return _begin(context, kind, "resize", context.values["vmid"], _resize(context, guest_of(context, kind)))

    @answers("POST", one + "/clone")
    def clone(context: Context) -> str:
        guest, values, world = guest_of(context, kind), context.values, context.world
        world.access.require(context.token, f"/vms/{guest.vmid}", ("VM.Clone",))
        world.access.require(context.token, f"/vms/{values['newid']}", ("VM.Allocate",))
        world.access.require(context.token, BRIDGE, ("SDN.Use",))
        require_quorum(world, guest.node)
        _require_unlocked(guest)
        _require_new(world, values["newid"])
        if kind == "lxc" and guest.running:
            raise Refused(500, "Cannot do full clones on a running container without snapshots")
        name = values.get("name") or values.get("hostname") or f"Copy-of-{guest.spec.name}"
        return _begin(context, kind, "clone", guest.vmid, _clone(world, guest, values["newid"], name))

    @answers("POST", base)
    def create(context: Context) -> str:
        return _create(context, kind)

    @answers("DELETE", one)
    def destroy(context: Context) -> str:
        guest = guest_of(context, kind)
        require_quorum(context.world, guest.node)
        _require_unlocked(guest)
        if guest.running:
            what = f"{guest.label} is running - destroy failed" if kind == "qemu" else \
                f"unable to destroy {guest.label} - container is running"  # fmt: skip
            raise Refused(500, what)
        if guest.ha_sid in context.world.ha.resources and not context.values.get("purge"):
            raise Refused(
                500, f"unable to remove {guest.label} - used in HA resources and purge parameter not set."
            )
        return _begin(context, kind, "destroy", guest.vmid, _destroy(context.world, guest))


def _set(world: World, guest: Guest, values: dict[str, Any]) -> None:
    changes: dict[str, Any] = {}
    if "tags" in values:
        tags = [tag for tag in re.split(r"[;, ]+", values["tags"]) if tag]
        if any(not _TAG.fullmatch(tag) for tag in tags):
            raise _wrong("tags", "invalid format - invalid characters in tag\n")
        guest.spec = replace(guest.spec, tags=tuple(sorted(set(tags))))
    if "cores" in values:
        changes["cores"] = values["cores"]
    if "memory" in values:
        changes["memory_bytes"] = int(str(values["memory"]).removeprefix("current=")) * MIB
    if guest.spec.kind == "vm" and guest.running:
        guest.pending |= changes
    else:
        guest.spec = replace(guest.spec, **changes)
    world.config_version += 1


def _resize(context: Context, guest: Guest) -> Script:
    world, values = context.world, context.values
    require_quorum(world, guest.node)
    _require_unlocked(guest)
    only = "scsi0" if guest.spec.kind == "vm" else "rootfs"
    if values["disk"] != only:
        raise Refused(500, f"disk '{values['disk']}' does not exist")
    match = re.fullmatch(r"(\+?)(\d+)([MGT]?)", values["size"])
    if match is None:
        raise _wrong("size", "value does not match the regex pattern")
    size = int(match[2]) * {"": 1, "M": MIB, "G": GIB, "T": 1024 * GIB}[match[3]]
    wanted = guest.spec.disk_bytes + size if match[1] else size
    if wanted < guest.spec.disk_bytes:
        raise Refused(500, "shrinking disks is not supported")

    def script() -> Script:
        yield 1.0, f"resizing {only} to {wanted} bytes"
        disk = world.disk("local-lvm", guest.node)
        if disk is None or disk.free() < wanted - guest.spec.disk_bytes:
            raise TaskError("lvextend error: insufficient free space")
        guest.spec = replace(guest.spec, disk_bytes=wanted)
        world.config_version += 1
        return None

    return script()


def _require_new(world: World, vmid: int) -> None:
    if (known := world.guests.get(vmid)) is not None:
        raise Refused(500, f"unable to create VM {vmid} - VM {vmid} already exists on node '{known.node}'")


def _clone(world: World, guest: Guest, newid: int, name: str) -> Script:
    spec = replace(
        guest.spec, vmid=newid, name=name, node=guest.node, template=False, status="stopped", lock=None, ha=None,
        onboot=False,
    )  # fmt: skip
    made = _add(world, spec, "clone")
    try:
        for percent in (25, 50, 75, 100):
            yield spec.disk_bytes / COPY_BYTES_PER_S / 4, f"transferred {percent} %"
        disk = world.disk("local-lvm", guest.node)
        if disk is None or disk.free() < spec.disk_bytes // 10:
            raise TaskError("clone failed: lvcreate error: no free space")
    except BaseException:
        _remove(world, made)
        raise
    made.lock = None
    world.config_version += 1
    return None


def _add(world: World, spec: GuestSpec, lock: str | None) -> Guest:
    made = Guest(spec, world.timeline, world.seed)
    made.lock = lock
    world.guests[spec.vmid] = made
    world.index_guests()
    return made


def _remove(world: World, guest: Guest) -> None:
    world.guests.pop(guest.vmid, None)
    world.ha.resources.pop(guest.ha_sid, None)
    world.replication.forget(guest.vmid)
    world.index_guests()


def _create(context: Context, kind: str) -> str:
    world, values = context.world, context.values
    node, vmid = node_of(context).name, values["vmid"]
    archive = values.get("archive") if kind == "qemu" else values["ostemplate"]
    if not archive or (kind == "lxc" and not values.get("restore")):
        raise Refused(500, "this homelab makes guests from backups and clones only")
    world.access.require(context.token, f"/vms/{vmid}", ("VM.Allocate",))
    storage = values.get("storage", "local-lvm")
    world.access.require(context.token, f"/storage/{storage}", ("Datastore.AllocateSpace",))
    world.access.require(context.token, BRIDGE, ("SDN.Use",))
    require_quorum(world, node)
    known = world.guests.get(vmid)
    if known is not None and not (values.get("force") and known.node == node and known.spec.pve_type == kind):
        _require_new(world, vmid)
    if known is not None:
        _require_unlocked(known)
        if known.running:
            raise Refused(500, f"unable to restore {known.label} - it is running")
    return _begin(context, kind, "restore", vmid, _restore(world, node, kind, vmid, str(archive)))


def _restore(world: World, node: str, kind: str, vmid: int, archive: str) -> Script:
    volume = next((v for disk in world.disks.values() for v in disk.volumes if v.volid == archive), None)
    if volume is None or volume.vmid is None or f"vzdump-{kind}-" not in archive:
        raise TaskError(f"volume '{archive}' does not exist")
    source = world.guests.get(volume.vmid)
    spec = source.spec if source is not None else next(g for g in world.inventory.guests if g.vmid == volume.vmid)
    known = world.guests.get(vmid)
    made = known or _add(world, replace(spec, vmid=vmid, node=node, status="stopped", lock=None, ha=None), None)
    made.lock = "create"
    world.config_version += 1
    try:
        for percent in (25, 50, 75, 100):
            yield spec.disk_bytes / COPY_BYTES_PER_S / 4, f"progress {percent}%"
    finally:
        made.lock = None
        world.config_version += 1
    made.snapshots.clear()
    made.parent = None
    made.restored_at = world.now
    return None


def _destroy(world: World, guest: Guest) -> Script:
    yield 1.5, f'Logical volume "vm-{guest.vmid}-disk-0" successfully removed.'
    _remove(world, guest)
    return None


@answers("DELETE", "/nodes/{node}/storage/{storage}/content/{volume}")
def delete_volume(context: Context) -> str:
    world, node, values = context.world, node_of(context).name, context.values
    storage, volid = values["storage"], values["volume"]
    disk = world.disk(storage, node)
    if disk is None:
        raise Refused(500, f"storage '{storage}' does not exist")
    volid = volid if ":" in volid else f"{storage}:{volid}"
    volume = next((known for known in disk.volumes if known.volid == volid), None)
    world.access.require(context.token, f"/storage/{storage}", ("Datastore.Allocate",))
    if volume is None:
        raise Refused(500, f"volume '{volid}' does not exist")
    name = f"{volume.vmid}@{storage}"
    return world.tasks.start(node, "imgdel", name, context.user, _delete(disk, volume)).upid


def _delete(disk: Disk, volume: Volume) -> Script:
    yield 0.8, f"Removed volume '{volume.volid}'"
    disk.volumes.remove(volume)
    if not volume.counted:
        disk.base_used -= min(volume.size, disk.base_used)
    return None


for _kind in ("qemu", "lxc"):
    _register(_kind)
