"""``/cluster/resources`` and ``/cluster/status`` as one node of the cluster sees them.

The order of keys and what is left out follow PVE: a template flag and a name come from the guest's last
sample, lock, tags and HA state from the configuration, so they survive the sample's death.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jarvis_daemon.simulator.world import World

Allowed = Callable[[str, str], bool]
"""(path, privilege) -> whether the asking token holds it."""


def resources(world: World, view: str, kind: str | None, allowed: Allowed) -> list[dict[str, Any]]:
    """The rows of ``GET /cluster/resources`` on ``view``: what may not be seen is silently left out."""
    rows: list[dict[str, Any]] = []
    if kind in {None, "vm"}:
        rows += _guests(world, view, allowed)
    if kind in {None, "node"}:
        members = world.members(view)
        rows += [node_row(world, view, name, members, allowed) for name in world.nodes]
    if kind in {None, "storage"}:
        rows += _storages(world, view, allowed)
    if kind in {None, "sdn"}:
        rows += [
            {"id": f"network/{name}/zone/localnetwork", "network": "localnetwork", "network-type": "zone",
             "node": name, "status": "ok", "type": "network", "zone-type": "localnetwork"}
            for name in sorted(world.members(view))
            if allowed("/sdn/zones/localnetwork", "SDN.Audit")
        ]  # fmt: skip
    return rows


def _guests(world: World, view: str, allowed: Allowed) -> list[dict[str, Any]]:
    rows = []
    samples = {name: world.replicas.of(view, name, world.timeline.elapsed) for name in world.nodes}
    for vmid, guest in world.guests.items():
        if not allowed(f"/vms/{vmid}", "VM.Audit"):
            continue
        kind = guest.spec.pve_type
        sample = samples[guest.node]
        row = sample.guests.get(vmid) if sample is not None else None
        if row is None:
            row = {"id": f"{kind}/{vmid}", "vmid": vmid, "node": guest.node, "type": kind, "status": "unknown"}
        else:
            row = dict(row)
        if guest.lock:
            row["lock"] = guest.lock
        if guest.spec.tags:
            row["tags"] = ";".join(guest.spec.tags)
        resource = world.ha.resources.get(guest.ha_sid)
        if resource is not None:
            row["hastate"] = resource.state
        rows.append(row)
    return rows


def node_row(world: World, view: str, name: str, members: set[str], allowed: Allowed) -> dict[str, Any]:
    """One node's row; without Sys.Audit it has a status and no numbers."""
    row: dict[str, Any] = {
        "id": f"node/{name}",
        "node": name,
        "type": "node",
        "status": "unknown",
        "cgroup-mode": 2,
    }
    audit = allowed(f"/nodes/{name}", "Sys.Audit")
    sample = world.replicas.of(view, name, world.timeline.elapsed)
    if sample is not None:
        stats = dict(sample.node)
        if name in members:
            row["status"] = "online"
        else:
            stats = {key: value for key, value in stats.items() if key.startswith("max")}
        row["level"] = ""
        if audit:
            row |= stats
    if name not in members:
        row["status"] = "offline"
    return row


def _storages(world: World, view: str, allowed: Allowed) -> list[dict[str, Any]]:
    rows = []
    for spec in world.inventory.storages:
        if not allowed(f"/storage/{spec.name}", "Datastore.Audit"):
            continue
        for name in spec.nodes:
            row: dict[str, Any] = {
                "id": f"storage/{name}/{spec.name}", "storage": spec.name, "node": name, "type": "storage",
                "plugintype": spec.type, "status": "unknown", "shared": int(spec.shared),
                "content": ",".join(spec.content),
            }  # fmt: skip
            sample = world.replicas.of(view, name, world.timeline.elapsed)
            if sample is not None and spec.name in sample.storages:
                used, total = sample.storages[spec.name]
                row |= {"status": "available", "disk": used, "maxdisk": total}
            rows.append(row)
    return rows


def status(world: World, view: str) -> list[dict[str, Any]]:
    """The rows of ``GET /cluster/status`` on ``view``; a single node has no cluster row and nodeid 0."""
    members = world.members(view)
    if len(world.nodes) == 1:
        spec = world.nodes[view].spec
        return [{"type": "node", "id": f"node/{view}", "name": view, "ip": spec.ip, "local": 1, "nodeid": 0,
                 "online": 1, "level": ""}]  # fmt: skip
    rows: list[dict[str, Any]] = [{
        "type": "cluster", "id": "cluster", "name": world.inventory.cluster, "nodes": len(world.nodes),
        "version": len(world.nodes), "quorate": int(world.quorate(view)),
    }]  # fmt: skip
    for number, (name, node) in enumerate(world.nodes.items(), start=1):
        rows.append({
            "type": "node", "id": f"node/{name}", "name": name, "nodeid": number, "local": int(name == view),
            "online": int(name in members), "ip": node.spec.ip, "level": "",
        })  # fmt: skip
    return rows


def tasks(world: World, allowed: Allowed, user: str) -> list[dict[str, Any]]:
    """The rows of ``GET /cluster/tasks``: what runs, and the last 25 of each node."""
    see_all = allowed("/", "Sys.Audit")
    found = []
    for name in world.nodes:
        recent = [task for _, task in zip(range(25), world.tasks.finished(name), strict=False)]
        found += world.tasks.running(name) + recent
    found.sort(key=lambda task: task.starttime, reverse=True)
    return [task.row() | {"saved": "0" if task.running else "1"} for task in found if see_all or task.user == user]
