"""Reads of one node: status, time, certificate, storages, tasks, disks, services, replication, history."""

from __future__ import annotations

from typing import Any

from jarvis_daemon.simulator import history
from jarvis_daemon.simulator.errors import Refused
from jarvis_daemon.simulator.nodes import KERNEL, PVE_SERVICES, Node
from jarvis_daemon.simulator.pve_api import Context, Paged, answers
from jarvis_daemon.simulator.reads_cluster import version_row
from jarvis_daemon.simulator.storages import Disk
from jarvis_daemon.simulator.tasks import Task

GIB = 1024**3


def node_of(context: Context) -> Node:
    """The node that the path names. Raises Refused 500 for one that is not there."""
    name = context.values["node"]
    node = context.world.nodes.get(name if name != "localhost" else context.endpoint)
    if node is None:
        raise Refused(500, f"no such cluster node '{name}'")
    return node


@answers("GET", "/nodes/{node}/status")
def status(context: Context) -> dict[str, Any]:
    """The real shape of PVE 9: many keys that the schema does not declare; load averages are text."""
    world, node = context.world, node_of(context)
    cpu, used = world.node_cpu(node.name), world.node_memory(node.name)
    total = node.spec.memory_bytes
    cache = int((total - used) * 0.4)
    root = world.disk("local", node.name)
    root_total, root_used = (root.spec.size_bytes, root.used()) if root else (0, 0)
    release, version = KERNEL
    swap = 8 * GIB
    swapped = int(swap * max(0.0, used / total - 0.8))
    return {
        "uptime": node.uptime(), "cpu": cpu, "wait": cpu * 0.02, "idle": 0, "cpuinfo": node.cpuinfo(),
        "loadavg": node.loadavg(cpu), "ksm": {"shared": 0},
        "memory": {"total": total, "used": used, "free": total - used - cache, "available": total - used},
        "swap": {"total": swap, "used": swapped, "free": swap - swapped},
        "rootfs": {
            "total": root_total, "used": root_used, "free": root_total - root_used,
            "avail": max(0, int(root_total * 0.95) - root_used),
        },
        "kversion": f"Linux {release} {version}", "boot-info": {"mode": "efi", "secureboot": 0},
        "current-kernel": {"sysname": "Linux", "machine": "x86_64", "release": release, "version": version},
        "pveversion": f"pve-manager/{world.inventory.pve_version}/0a1b2c3d4e5f6071",
    }  # fmt: skip


@answers("GET", "/nodes/{node}/time")
def time(context: Context) -> dict[str, Any]:
    now = int(node_of(context).time())
    return {"timezone": "UTC", "time": now, "localtime": now}


@answers("GET", "/nodes/{node}/version")
def version(context: Context) -> dict[str, str]:
    return version_row(context.world)


@answers("GET", "/nodes/{node}/config")
def config(context: Context) -> dict[str, Any]:
    node = node_of(context)
    row = {"description": node.spec.role + "\n", "wakeonlan": node.spec.mac, "digest": "0" * 40}
    wanted = context.values.get("property", "all")
    return row if wanted == "all" else {key: row[key] for key in (wanted, "digest") if key in row}


@answers("GET", "/nodes/{node}/certificates/info")
def certificates(context: Context) -> list[dict[str, Any]]:
    certificate = context.certificate
    if certificate is None:
        return []
    spec = node_of(context).spec
    return [{
        "filename": "pve-ssl.pem", "fingerprint": certificate.fingerprint, "subject": certificate.subject,
        "issuer": certificate.subject, "notbefore": certificate.not_before, "notafter": certificate.not_after,
        "pem": certificate.pem, "san": ["127.0.0.1", spec.ip, "localhost", spec.name],
        "public-key-type": "id-ecPublicKey", "public-key-bits": 256,
    }]  # fmt: skip


def _disk(context: Context, storage: str) -> Disk:
    if not any(spec.name == storage for spec in context.world.inventory.storages):
        raise Refused(500, f"storage '{storage}' does not exist")
    disk = context.world.disk(storage, node_of(context).name)
    if disk is None:
        raise Refused(500, f"storage '{storage}' is not available on node '{node_of(context).name}'")
    return disk


def _may_use(context: Context, storage: str) -> bool:
    path = f"/storage/{storage}"
    return context.allowed(path, "Datastore.Audit") or context.allowed(path, "Datastore.AllocateSpace")


@answers("GET", "/nodes/{node}/storage")
def storages(context: Context) -> list[dict[str, Any]]:
    """All storages of the cluster; what this node does not have is not active."""
    node, values = node_of(context), context.values
    wanted = set(values["content"].replace(",", " ").split()) if "content" in values else None
    rows = []
    for spec in context.world.inventory.storages:
        if values.get("storage", spec.name) != spec.name or not _may_use(context, spec.name):
            continue
        disk = context.world.disk(spec.name, node.name)
        if (wanted is not None and not wanted & set(spec.content)) or (values.get("enabled") and disk is None):
            continue
        row: dict[str, Any] = {"storage": spec.name}
        if disk is None:
            row |= {"type": spec.type, "content": ",".join(spec.content), "active": 0, "enabled": 0,
                    "shared": int(spec.shared), "total": 0, "used": 0, "avail": 0}  # fmt: skip
        else:
            row |= disk.status()
            row["used_fraction"] = row["used"] / row["total"]
        rows.append(row)
    return rows


@answers("GET", "/nodes/{node}/storage/{storage}/status")
def storage_status(context: Context) -> dict[str, Any]:
    return _disk(context, context.values["storage"]).status()


@answers("GET", "/nodes/{node}/storage/{storage}/content")
def content(context: Context) -> list[dict[str, Any]]:
    disk, values = _disk(context, context.values["storage"]), context.values
    volumes = [volume.row() for volume in disk.volumes] + _guest_volumes(context, disk)
    return [
        row for row in volumes
        if values.get("content") in {None, row["content"]} and values.get("vmid") in {None, row.get("vmid")}
        and (row.get("vmid") is None or _sees(context, row["vmid"]))
    ]  # fmt: skip


def _sees(context: Context, vmid: int) -> bool:
    return context.allowed(f"/vms/{vmid}", "VM.Audit")


def _guest_volumes(context: Context, disk: Disk) -> list[dict[str, Any]]:
    if disk.spec.name != "local-lvm":
        return []
    return [
        {
            "volid": f"local-lvm:{'base' if guest.spec.template else 'vm'}-{guest.vmid}-disk-0", "vmid": guest.vmid,
            "content": "images" if guest.spec.kind == "vm" else "rootdir", "size": guest.spec.disk_bytes,
            "ctime": int(context.world.timeline.started_at) - 90 * 86400 - guest.vmid, "format": "raw",
        }
        for guest in context.world.guests_on(node_of(context).name)
    ]  # fmt: skip


@answers("GET", "/nodes/{node}/tasks")
def tasks(context: Context) -> Paged:
    """``source``: archive (ended ones), active, or all; newest first."""
    world, node, values = context.world, node_of(context), context.values
    source = values.get("source", "archive")
    found: list[Task] = []
    if source != "archive":
        found += sorted(world.tasks.running(node.name), key=lambda task: -task.starttime)
    if source != "active":
        found += world.tasks.finished(node.name)
    audit = context.allowed(f"/nodes/{node.name}", "Sys.Audit")
    found = [task for task in found if (audit or task.user == context.user) and _wanted(task, values)]
    begin = values.get("start", 0)
    return Paged([task.row() for task in found[begin : begin + values.get("limit", 50)]], len(found))


def _wanted(task: Task, values: dict[str, Any]) -> bool:
    bad = task.exitstatus not in {None, "OK"}
    if (values.get("errors") and not bad) or ("vmid" in values and str(values["vmid"]) != task.id):
        return False
    if task.starttime < values.get("since", 0) or task.starttime > values.get("until", 2**62):
        return False
    if "statusfilter" in values:
        kind = "unknown" if task.exitstatus is None else "error" if bad else "ok"
        if kind == "error" and str(task.exitstatus).startswith("WARNINGS"):
            kind = "warning"
        if kind not in values["statusfilter"].replace(",", " ").split():
            return False
    if values.get("userfilter", "") not in task.user:
        return False
    return "typefilter" not in values or values["typefilter"] == task.type


def task_of(context: Context) -> Task:
    """The task that the path names. Raises Refused for one that is unknown or may not be seen."""
    upid = context.values["upid"]
    if not upid.startswith("UPID:"):
        text = f"value does not look like a valid UPID: {upid}"
        raise Refused(400, "Parameter verification failed.\n", {"upid": f"invalid format - {text}"})
    task = context.world.tasks.get(upid)
    if task is None or task.node != node_of(context).name:
        raise Refused(500, "no such task")
    if task.user != context.user:
        context.world.access.require(context.token, f"/nodes/{task.node}", ("Sys.Audit",))
    return task


@answers("GET", "/nodes/{node}/tasks/{upid}/status")
def task_status(context: Context) -> dict[str, Any]:
    return task_of(context).status()


@answers("GET", "/nodes/{node}/tasks/{upid}/log")
def task_log(context: Context) -> Paged:
    """Lines by number; an empty log is one line that says so."""
    lines = task_of(context).log
    begin = context.values.get("start", 0)
    limit = context.values.get("limit", 50) or len(lines)
    if not lines:
        return Paged([{"n": 1, "t": "no content"}], 1)
    rows = [{"n": begin + i, "t": text} for i, text in enumerate(lines[begin : begin + limit], start=1)]
    return Paged(rows, len(lines))


@answers("GET", "/nodes/{node}/rrddata")
def rrddata(context: Context) -> list[dict[str, Any]]:
    return history.node_rows(context.world, node_of(context), context.values["timeframe"])


@answers("GET", "/nodes/{node}/replication")
def replication(context: Context) -> list[dict[str, Any]]:
    rows = context.world.replication.status_rows(node_of(context).name)
    wanted = context.values.get("guest")
    return [row for row in rows if wanted in {None, row["guest"]} and _sees(context, row["guest"])]


@answers("GET", "/nodes/{node}/replication/{id}/status")
def replication_status(context: Context) -> dict[str, Any]:
    job = context.world.replication.jobs.get(context.values["id"])
    if job is None or not _sees(context, job.vmid):
        raise Refused(500, f"replication job '{context.values['id']}' does not exist")
    return context.world.replication.status_row(job)


@answers("GET", "/nodes/{node}/disks/list")
def disks(context: Context) -> list[dict[str, Any]]:
    node = node_of(context)
    if not context.allowed("/", "Sys.Audit"):
        context.world.access.require(context.token, f"/nodes/{node.name}", ("Sys.Audit",))
    if context.values.get("type"):
        return []
    return [{
        "devpath": "/dev/nvme0n1", "type": "nvme", "size": 1024 * 10**9, "model": "Samsung SSD 980 1TB",
        "serial": f"S64{node.seed:010d}", "vendor": "unknown", "wwn": "unknown", "health": node.disk_health,
        "wearout": node.disk_wearout,
        "gpt": 1, "used": "LVM", "osdid": -1, "osdid-list": None, "rpm": 0, "by_id_link": "/dev/disk/by-id/nvme-0",
    }]  # fmt: skip


@answers("GET", "/nodes/{node}/disks/zfs")
def zfs(context: Context) -> list[dict[str, Any]]:
    """One pool where a storage of the kind lies on the node."""
    node = node_of(context)
    rows = []
    for spec in context.world.inventory.storages:
        disk = context.world.disk(spec.name, node.name)
        if spec.type == "zfspool" and disk is not None:
            used = disk.used()
            rows.append({
                "name": spec.name, "size": spec.size_bytes, "alloc": used, "free": spec.size_bytes - used,
                "frag": 12, "dedup": 1.0, "health": "ONLINE",
            })  # fmt: skip
    return rows


@answers("GET", "/nodes/{node}/firewall/options")
def firewall_options(context: Context) -> dict[str, Any]:
    node_of(context)
    return {"enable": 1, "digest": "0" * 40, "log_level_in": "nolog"}


@answers("GET", "/nodes/{node}/firewall/rules")
def firewall_rules(context: Context) -> list[dict[str, Any]]:
    node_of(context)
    return [
        {"pos": 0, "type": "in", "action": "ACCEPT", "enable": 1, "proto": "tcp", "dport": "8006",
         "source": "192.168.1.0/24", "comment": "the web interface from home", "digest": "0" * 40},
        {"pos": 1, "type": "in", "action": "DROP", "enable": 0, "digest": "0" * 40},
    ]  # fmt: skip


@answers("GET", "/cluster/firewall/options")
def cluster_firewall_options(context: Context) -> dict[str, Any]:
    return {"enable": 0, "policy_in": "DROP", "digest": "0" * 40}


@answers("GET", "/nodes/{node}/disks/smart")
def smart(context: Context) -> dict[str, Any]:
    if context.values["disk"] != "/dev/nvme0n1":
        raise Refused(500, f"no such disk '{context.values['disk']}'")
    if context.values.get("healthonly"):
        return {"health": node_of(context).disk_health}
    celsius = round(node_of(context).temperature() * 0.6 + 10)
    text = f"SMART/Health Information (NVMe Log 0x02)\nCritical Warning: 0x00\nTemperature: {celsius} Celsius\n"
    node = node_of(context)
    return {"health": node.disk_health, "type": "text", "text": text, "wearout": node.disk_wearout}


@answers("GET", "/nodes/{node}/apt/update")
def updates(context: Context) -> list[dict[str, Any]]:
    node_of(context)
    return [{
        "Package": "pve-manager", "Title": "Virtual Environment Management Tools", "Version": "9.1.4",
        "OldVersion": context.world.inventory.pve_version, "Arch": "all", "Section": "admin",
        "Priority": "optional", "Origin": "Proxmox", "Description": "the management tools",
    }]  # fmt: skip


@answers("GET", "/nodes/{node}/services")
def services(context: Context) -> list[dict[str, Any]]:
    """PVE's own services only, as the real call; others are asked over SSH."""
    states = node_of(context).services
    return [
        {"service": name, "name": name, "desc": f"{name} service", "state": _state(states[name]),
         "active-state": states[name], "unit-state": "enabled"}
        for name in PVE_SERVICES
    ]  # fmt: skip


def _state(active: str) -> str:
    return "running" if active == "active" else "dead"
