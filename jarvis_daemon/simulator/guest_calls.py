"""Calls on one guest, reads and writes; the same for ``qemu`` and ``lxc`` where PVE has both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jarvis_daemon.simulator import actions, history
from jarvis_daemon.simulator.errors import Refused
from jarvis_daemon.simulator.guests import Guest
from jarvis_daemon.simulator.pve_api import Context, answers
from jarvis_daemon.simulator.reads_node import node_of
from jarvis_daemon.simulator.world import World

ROOT_ONLY = ("skiplock", "migratedfrom", "stateuri", "force-cpu")


def guest_of(context: Context, kind: str) -> Guest:
    """The guest that the path names. Raises Refused 500, not 404, as PVE does."""
    node, vmid = node_of(context), context.values["vmid"]
    guest = context.world.guests.get(vmid)
    if guest is None or guest.node != node.name or guest.spec.pve_type != kind:
        folder = "qemu-server" if kind == "qemu" else "lxc"
        raise Refused(500, f"Configuration file 'nodes/{node.name}/{folder}/{vmid}.conf' does not exist")
    return guest


def _register_reads(kind: str) -> None:
    base = f"/nodes/{{node}}/{kind}"
    one = base + "/{vmid}"

    @answers("GET", base)
    def rows(context: Context) -> list[dict[str, Any]]:
        guests = context.world.guests_on(node_of(context).name)
        return [
            guest.status_row(full=bool(context.values.get("full")))
            for guest in guests
            if guest.spec.pve_type == kind and context.allowed(f"/vms/{guest.vmid}", "VM.Audit")
        ]

    @answers("GET", one + "/status/current")
    def current(context: Context) -> dict[str, Any]:
        guest = guest_of(context, kind)
        return guest.status_row() | {"ha": _ha(context.world, guest)}

    @answers("GET", one + "/config")
    def config(context: Context) -> dict[str, Any]:
        guest = guest_of(context, kind)
        wanted = context.values.get("snapshot")
        if wanted is not None and not any(known.name == wanted for known in guest.snapshots):
            raise Refused(500, f"snapshot '{wanted}' does not exist")
        return guest.config()

    @answers("GET", one + "/rrddata")
    def rrddata(context: Context) -> list[dict[str, Any]]:
        guest = context.world.guests.get(context.values["vmid"])
        if guest is None:
            return []
        return history.guest_rows(context.world, guest, context.values["timeframe"])

    @answers("GET", one + "/snapshot")
    def snapshots(context: Context) -> list[dict[str, Any]]:
        return actions.snapshot_rows(guest_of(context, kind))


def _register_writes(kind: str) -> None:
    one = f"/nodes/{{node}}/{kind}/{{vmid}}"
    for verb in ("start", "stop", "shutdown", "reboot", "suspend", "resume"):
        _power(kind, one, verb)

    @answers("POST", one + "/snapshot")
    def snapshot(context: Context) -> str:
        values = context.values
        return actions.snapshot(
            context.world, guest_of(context, kind), context.user, values["snapname"],
            values.get("description", ""), values.get("vmstate", False),
        )  # fmt: skip

    @answers("DELETE", one + "/snapshot/{snapname}")
    def delete_snapshot(context: Context) -> str:
        guest = guest_of(context, kind)
        return actions.delete_snapshot(context.world, guest, context.user, context.values["snapname"])

    @answers("POST", one + "/snapshot/{snapname}/rollback")
    def rollback(context: Context) -> str:
        guest, values = guest_of(context, kind), context.values
        return actions.rollback(context.world, guest, context.user, values["snapname"], values.get("start", False))

    @answers("POST", one + "/migrate")
    def migrate(context: Context) -> str:
        guest, values = guest_of(context, kind), context.values
        online = values.get("online", False) if kind == "qemu" else values.get("restart", False)
        return actions.migrate(context.world, guest, context.user, values["target"], online)


def _power(kind: str, one: str, verb: str) -> None:
    act: Callable[[World, Guest, str], str] = getattr(actions, verb)

    @answers("POST", f"{one}/status/{verb}")
    def power(context: Context) -> str:
        for name in ROOT_ONLY:
            if context.values.get(name):
                text = "Only root may use this option."
                raise Refused(400, "Parameter verification failed.\n", {name: text})
        return act(context.world, guest_of(context, kind), context.user)


def _ha(world: World, guest: Guest) -> dict[str, Any]:
    resource = world.ha.resources.get(guest.ha_sid)
    if resource is None:
        return {"managed": 0}
    return {"managed": 1, "state": resource.requested}


def _address(guest: Guest) -> str:
    return f"192.168.1.{100 + guest.vmid % 150}"


@answers("GET", "/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces")
def agent_interfaces(context: Context) -> dict[str, Any]:
    """The guest agent's answer; a VM that does not run has none."""
    guest = guest_of(context, "qemu")
    if not guest.running:
        raise Refused(500, f"VM {guest.vmid} is not running")
    if guest.spec.name == "windows11" or guest.state == "paused":
        raise Refused(500, "QEMU guest agent is not running")
    address = guest.spec.note.rsplit(" ", 1)[-1] if "192.168." in guest.spec.note else _address(guest)
    mac = guest.config()["net0"].split("=")[1].split(",")[0].lower()
    return {
        "result": [
            {"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": [
                {"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}]},
            {"name": "eth0", "hardware-address": mac, "ip-addresses": [
                {"ip-address": address, "ip-address-type": "ipv4", "prefix": 24}]},
        ]
    }  # fmt: skip


@answers("GET", "/nodes/{node}/lxc/{vmid}/interfaces")
def interfaces(context: Context) -> list[dict[str, Any]]:
    guest = guest_of(context, "lxc")
    if not guest.running:
        return []
    mac = guest.config()["net0"].split("hwaddr=")[1].split(",")[0].lower()
    address = _address(guest)
    return [
        {"name": "lo", "hwaddr": "00:00:00:00:00:00", "hardware-address": "00:00:00:00:00:00",
         "inet": "127.0.0.1/8", "ip-addresses": [
             {"ip-address": "127.0.0.1", "ip-address-type": "inet", "prefix": "8"}]},
        {"name": "eth0", "hwaddr": mac, "hardware-address": mac, "inet": f"{address}/24", "ip-addresses": [
            {"ip-address": address, "ip-address-type": "inet", "prefix": "24"}]},
    ]  # fmt: skip


for _kind in ("qemu", "lxc"):
    _register_reads(_kind)
    _register_writes(_kind)
