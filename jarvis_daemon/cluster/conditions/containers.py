"""Docker containers that are not well."""

from __future__ import annotations

from typing import Final

from jarvis_daemon.cluster.conditions.picture import Picture
from jarvis_daemon.cluster.conditions.round import Round
from jarvis_daemon.settings import ConditionSettings

CONDITION: Final = "docker-container-unhealthy"


def containers(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """As each Docker host of the settings told when it was last asked; one that is not fresh is not judged."""
    found.cover(CONDITION)
    fresh = {host for host in picture.containers if picture.is_fresh("docker", host)}
    for target in found.active(CONDITION):
        host = target.removeprefix("container:").partition("/")[0]
        if host in picture.containers and host not in fresh:
            found.skip(CONDITION, target)
    for host in sorted(fresh):
        source = picture.source("docker", host)
        guest = next((g for g in picture.guests.values() if host in {g.name, str(g.vmid)}), None)
        for one in picture.containers[host]:
            target, loops = f"container:{host}/{one.name}", one.health == "restarting"
            if one.health == "starting":
                found.skip(CONDITION, target)
                continue
            found.report(
                CONDITION, target, "error",
                f"{one.name} on {host} {'restarts again and again' if loops else 'is unhealthy'}",
                f"Docker says: {one.status}.",
                evidence={
                    "node": guest.node if guest is not None else host, "host": host, "container": one.name,
                    "health": one.health, "status": one.status, "since_at": one.since_at,
                },
                settled=f"{one.name} on {host} is well again", seen_at=source.ok_at if source else None,
            )  # fmt: skip
