"""Where disks lie and how much room there is, as the inventory knows it."""

from __future__ import annotations

from typing import Final

from jarvis_daemon.cluster.tools.hands import Hands
from jarvis_daemon.protocol.state import Node, Storage

_UNITS: Final = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def free_memory(node: Node) -> int | None:
    """Bytes, None when not known."""
    if node.memory_available_bytes is not None:
        return node.memory_available_bytes
    if node.memory_total_bytes is None or node.memory_used_bytes is None:
        return None
    return node.memory_total_bytes - node.memory_used_bytes


def storage_on(hands: Hands, name: str, node: str) -> Storage | None:
    """The storage ``name`` as ``node`` has it, None where it is not configured."""
    found = hands.scene.inventory.storages
    here = found.get(f"storage:{node}/{name}") or found.get(f"storage:{name}")
    return here if here is not None and (here.node == node or node in here.nodes) else None


def is_shared(hands: Hands, volume: str, node: str) -> bool:
    """Whether a volume such as ``local-lvm:vm-100-disk-0,size=32G`` lies where all nodes reach it."""
    storage = storage_on(hands, volume.partition(":")[0], node)
    return storage is not None and storage.shared


def free_space(storage: Storage) -> int | None:
    """Bytes, None when not known."""
    if storage.total_bytes is None or storage.used_bytes is None:
        return None
    return storage.total_bytes - storage.used_bytes


def size_of(volume: str) -> int:
    """Bytes of ``…,size=32G``; 0 where it is not told."""
    text = next((part[5:] for part in volume.split(",") if part.startswith("size=")), "")
    number, unit = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1)
    return int(float(number) * unit) if number.replace(".", "", 1).isdigit() else 0
