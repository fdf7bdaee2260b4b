"""What is really so in a world, as plain data: for tests and drills, which judge what others made of it."""

from __future__ import annotations

from typing import Any

from jarvis_daemon.simulator.world import World


def truth(world: World) -> dict[str, Any]:
    """``nodes``, ``guests`` (by vmid), ``storages``, ``quorate`` (some part of the cluster is) and ``backing_up``
    (nodes on which a backup runs)."""
    managed = {r.vmid: r.state for r in world.ha.resources.values() if r.requested != "ignored"}
    return {
        "now": world.now,
        "nodes": {
            name: {
                "power": node.power, "frozen": node.frozen, "quorate": node.online and world.quorate(name),
                "online": node.online, "partition": node.partition, "services": dict(node.services),
            }
            for name, node in world.nodes.items()
        },
        "guests": {
            str(vmid): {
                "name": guest.spec.name, "node": guest.node, "state": guest.state, "lock": guest.lock,
                "template": guest.spec.template, "ha": managed.get(vmid), "tags": list(guest.spec.tags),
                "tasks": [[task.type, task.user] for task in world.tasks.running(vmid=vmid)],
            }
            for vmid, guest in world.guests.items()
        },
        "quorate": any(node.online and world.quorate(name) for name, node in world.nodes.items()),
        "votes_needed": world.inventory.votes_needed,
        "backing_up": sorted({task.node for task in world.tasks.running() if task.type == "vzdump"}),
    }  # fmt: skip
