"""Writes on nodes and the cluster: backups, power, wake-on-LAN, tasks, HA requests."""

from __future__ import annotations

from jarvis_daemon.simulator import actions
from jarvis_daemon.simulator.backups import Order
from jarvis_daemon.simulator.errors import Refused
from jarvis_daemon.simulator.pve_api import Context, answers
from jarvis_daemon.simulator.reads_node import node_of, task_of


@answers("DELETE", "/nodes/{node}/tasks/{upid}")
def stop_task(context: Context) -> None:
    """Stopping another's task needs Sys.Modify on the node."""
    task = task_of(context)
    if task.user != context.user:
        context.world.access.require(context.token, f"/nodes/{task.node}", ("Sys.Modify",))
    context.world.tasks.stop(task)


@answers("POST", "/nodes/{node}/status")
def power(context: Context) -> None:
    actions.power_node(context.world, node_of(context).name, context.values["command"], context.user)


@answers("POST", "/nodes/{node}/wakeonlan")
def wakeonlan(context: Context) -> str:
    """Sends the packet from the asked node; its answer is the MAC address. A node that is off boots."""
    name = context.values["node"]
    node = context.world.nodes.get(name)
    if node is None:
        raise Refused(500, f"no such cluster node '{name}'")
    if name == context.endpoint:
        text = f"'{name}' is local node, cannot wake my self!"
        raise Refused(400, "Parameter verification failed.\n", {"node": text})
    if node.wakes:
        context.world.power_on(name)
    return node.spec.mac


@answers("POST", "/nodes/{node}/vzdump")
def vzdump(context: Context) -> str:
    world, values, node = context.world, context.values, node_of(context)
    if values.get("all"):
        vmids = tuple(guest.vmid for guest in world.guests_on(node.name))
    elif "vmid" in values:
        wanted = [int(part) for part in values["vmid"].replace(";", ",").replace(" ", ",").split(",") if part]
        vmids = tuple(wanted)
    else:
        raise Refused(400, "Parameter verification failed.\n", {"vmid": "option 'all' or 'vmid' is required"})
    for vmid in vmids:
        world.access.require(context.token, f"/vms/{vmid}", ("VM.Backup",))
    here = tuple(vmid for vmid in vmids if vmid in world.guests and world.guests[vmid].node == node.name)
    if not here:
        missing = ", ".join(map(str, vmids))
        raise Refused(500, f"unable to find VM {missing}" if len(vmids) == 1 else "no guests to back up here")
    storage = values.get("storage", "local")
    world.access.require(context.token, f"/storage/{storage}", ("Datastore.AllocateSpace",))
    disk = world.disk(storage, node.name)
    if disk is None:
        raise Refused(500, f"storage '{storage}' does not exist")
    if "backup" not in disk.spec.content:
        raise Refused(500, f"storage '{storage}' does not support backups")
    actions.require_quorum(world, node.name)
    notes = values.get("notes-template")
    return world.backups.start(
        Order(
            node.name,
            here,
            storage,
            values.get("mode", "snapshot"),
            user=context.user,
            notes=notes,
            prunes=values.get("remove", True) not in (False, "0", "False"),
        )
    )


@answers("PUT", "/cluster/ha/resources/{sid}")
def ha_resource(context: Context) -> None:
    """Only the requested state is kept; the manager acts on it in its next round."""
    world, sid = context.world, context.values["sid"]
    if sid.isdigit():
        guest = world.guests.get(int(sid))
        sid = guest.ha_sid if guest is not None else sid
    if sid not in world.ha.resources:
        raise Refused(500, f"no such resource '{sid}'")
    actions.require_quorum(world, context.endpoint)
    if "state" in context.values:
        world.ha.request(sid, context.values["state"])
