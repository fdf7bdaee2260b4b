"""Reads of the cluster: ``/version``, ``/access``, ``/cluster/…``, ``/storage``, ``/nodes``."""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

from jarvis_daemon.simulator import cluster_view, metrics
from jarvis_daemon.simulator.errors import Refused
from jarvis_daemon.simulator.pve_api import Context, Encoded, answers, encoded
from jarvis_daemon.simulator.world import World

_Key = tuple[str, str | None, str]
_CACHE: Final[WeakKeyDictionary[World, dict[_Key, tuple[tuple[int, ...], Encoded]]]] = WeakKeyDictionary()


def version_row(world: World) -> dict[str, str]:
    full = world.inventory.pve_version
    return {"version": full, "release": ".".join(full.split(".")[:2]), "repoid": "0a1b2c3d4e5f6071"}


@answers("GET", "/version")
def version(context: Context) -> dict[str, str]:
    return version_row(context.world)


@answers("GET", "/access/permissions")
def permissions(context: Context) -> dict[str, dict[str, int]]:
    access, values = context.world.access, context.values
    token = context.token
    if "userid" in values and values["userid"] != token.id:
        access.require(token, "/access", ("Sys.Audit",))
        found = access.tokens.get(values["userid"])
        if found is None:
            raise Refused(500, f"no such user ('{values['userid']}')")
        token = found
    return access.table(token, values.get("path"))


@answers("GET", "/cluster/status")
def status(context: Context) -> list[dict[str, Any]]:
    return cluster_view.status(context.world, context.endpoint)


@answers("GET", "/cluster/resources")
def resources(context: Context) -> Encoded:
    """Encoded once for each sample, endpoint and token, however often it is asked for."""
    world, kind = context.world, context.values.get("type")
    state = (world.samples_taken, world.config_version, world.access.version)
    cache = _CACHE.setdefault(world, {})
    key = (context.endpoint, kind, context.token.id)
    held = cache.get(key)
    if held is None or held[0] != state:
        held = (state, encoded(cluster_view.resources(world, context.endpoint, kind, context.allowed)))
        cache[key] = held
    return held[1]


@answers("GET", "/cluster/tasks")
def tasks(context: Context) -> list[dict[str, Any]]:
    return cluster_view.tasks(context.world, context.allowed, context.user)


@answers("GET", "/cluster/ha/status/current")
def ha_status(context: Context) -> list[dict[str, Any]]:
    return context.world.ha.rows(context.endpoint)


@answers("GET", "/cluster/ha/resources")
def ha_resources(context: Context) -> list[dict[str, Any]]:
    kind = context.values.get("type")
    return [row for row in context.world.ha.config_rows() if kind in {None, row["type"]}]


@answers("GET", "/cluster/backup")
def backup(context: Context) -> list[dict[str, Any]]:
    return context.world.backups.job_rows()


@answers("GET", "/cluster/backup-info/not-backed-up")
def not_backed_up(context: Context) -> list[dict[str, Any]]:
    return context.world.backups.not_backed_up()


@answers("GET", "/cluster/replication")
def replication(context: Context) -> list[dict[str, Any]]:
    rows = context.world.replication.config_rows()
    return [row for row in rows if context.allowed(f"/vms/{row['guest']}", "VM.Audit")]


@answers("GET", "/cluster/options")
def options(context: Context) -> dict[str, Any]:
    if not context.allowed("/", "Sys.Audit"):
        return {}
    return {"keyboard": "en-us", "migration": {"type": "secure"}, "description": context.world.inventory.cluster}


@answers("GET", "/cluster/metrics/export")
def metrics_export(context: Context) -> dict[str, Any]:
    values = context.values
    names = set(values["node-list"].replace(";", ",").split(",")) if "node-list" in values else None
    if values.get("local-only"):
        names = {context.endpoint}
    since, history = values.get("start-time", 0), values.get("history", False)
    return {"data": metrics.export(context.world, context.endpoint, since=since, history=history, names=names)}


@answers("GET", "/cluster/nextid")
def nextid(context: Context) -> str:
    taken = context.world.guests
    wanted = context.values.get("vmid")
    if wanted is not None:
        if wanted in taken:
            text = f"VM {wanted} already exists"
            raise Refused(400, "Parameter verification failed.\n", {"vmid": text})
        return str(wanted)
    return str(next(vmid for vmid in range(100, 1_000_000) if vmid not in taken))


@answers("GET", "/storage")
def storages(context: Context) -> list[dict[str, Any]]:
    kind = context.values.get("type")
    rows = []
    for spec in context.world.inventory.storages:
        if kind not in {None, spec.type} or not context.allowed(f"/storage/{spec.name}", "Datastore.Audit"):
            continue
        row: dict[str, Any] = {
            "storage": spec.name, "type": spec.type, "content": ",".join(spec.content), "digest": "0" * 40,
        }  # fmt: skip
        if spec.shared:
            row["shared"] = 1
        if len(spec.nodes) < len(context.world.nodes):
            row["nodes"] = ",".join(spec.nodes)
        rows.append(row)
    return rows


@answers("GET", "/nodes")
def nodes(context: Context) -> list[dict[str, Any]]:
    world = context.world
    members = world.members(context.endpoint)
    rows = []
    for name in world.nodes:
        row = cluster_view.node_row(world, context.endpoint, name, members, context.allowed)
        row.pop("cgroup-mode")
        rows.append(row)
    return rows
