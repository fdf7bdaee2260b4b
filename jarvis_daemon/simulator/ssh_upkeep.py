"""What a shell on a simulated node answers about its packages and its network mounts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jarvis_daemon.simulator.nodes import Node
from jarvis_daemon.simulator.world import World


@dataclass(frozen=True)
class Answer:
    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0
    hangs: bool = False
    """It never ends."""


def _network_mounts(world: World, node: Node) -> dict[str, tuple[str, str]]:
    """Path to (source, type)."""
    found = {}
    for spec in world.inventory.storages:
        if spec.type in {"cifs", "nfs"} and world.disk(spec.name, node.name) is not None:
            source = f"//{node.spec.ip}/{spec.name}" if spec.type == "cifs" else f"nas:/{spec.name}"
            found[f"/mnt/pve/{spec.name}"] = (source, spec.type)
    return found


def _findmnt(world: World, node: Node, words: list[str]) -> Answer:
    rows = [
        {"target": path, "source": source, "fstype": kind}
        for path, (source, kind) in _network_mounts(world, node).items()
    ]
    return Answer(json.dumps({"filesystems": rows}) + "\n") if rows else Answer(exit_code=1)


def _stat(world: World, node: Node, words: list[str]) -> Answer:
    path = words[-1]
    if path in node.dead_mounts:
        return Answer(exit_code=137)  # what ``timeout --signal=KILL`` makes of it
    if path not in _network_mounts(world, node):
        return Answer(stderr=f"stat: cannot read file system information for '{path}'\n", exit_code=1)
    disk = world.disk(path.rpartition("/")[2], node.name)
    assert disk is not None
    total = disk.spec.size_bytes // 4096
    return Answer(f"{total} {total - disk.used() // 4096} 4096\n")


def apt(world: World, node: Node, words: list[str]) -> Answer:
    return _upgrade(node.updates, words, held_back=node.held_back)


def _upgrade(updates: dict[str, tuple[str, str]], words: list[str], *, held_back: bool) -> Answer:
    """``--simulate`` tells what an upgrade would do, the upgrade does it and empties ``updates``."""
    rows = sorted(updates.items()) if "dist-upgrade" in words else []
    lines = [f"Inst {name} [{old}] ({new} Proxmox:stable [amd64])" for name, (old, new) in rows]
    if rows and "--simulate" not in words and not held_back:
        updates.clear()
    return Answer("".join(f"{line}\n" for line in lines))


def _pct(world: World, node: Node, words: list[str]) -> Answer:
    """``pct exec VMID -- … apt-get …`` of a running container on this node; nothing else runs in there."""
    guest = world.guests.get(int(words[2])) if words[1:2] == ["exec"] and words[2].isdigit() else None
    if guest is None or guest.node != node.name or guest.spec.kind != "ct":
        return Answer(stderr="Configuration file does not exist\n", exit_code=2)
    if not guest.running:
        return Answer(stderr=f"container '{guest.vmid}' not running!\n", exit_code=255)
    if "apt-get" not in words:
        return Answer(stderr="lxc-attach: No such file or directory\n", exit_code=127)
    return _upgrade(guest.updates, words, held_back=node.held_back)


UPKEEP: Final[dict[str, Callable[[World, Node, list[str]], Answer]]] = {
    "findmnt": _findmnt, "pct": _pct, "stat": _stat,
}  # fmt: skip
