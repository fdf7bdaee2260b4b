"""The homelab's data file, exactly, and what it becomes when scaled."""

from __future__ import annotations

from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
import yaml

from jarvis_daemon.simulator.inventory import GIB, load

ADDED = {"startup", "protected"}
"""What our file tells of guests beyond the one that it was taken from."""


def test_the_file_is_carried_whole(shared_data: Path) -> None:
    """Every entry with every value; only ``ADDED`` stands beside."""
    ours = yaml.safe_load(resources.files("jarvis_daemon.data").joinpath("homelab.yaml").read_text("utf-8"))
    given = yaml.safe_load((shared_data / "homelab.yaml").read_text("utf-8"))
    for guest in ours["guests"]:
        for key in ADDED:
            guest.pop(key, None)
    assert ours == given


def test_boot_orders_and_protection() -> None:
    guests = {guest.name: guest for guest in load().guests}
    ordered = sorted(guests.values(), key=lambda guest: (guest.startup_order, guest.vmid))
    assert [guest.name for guest in ordered[:4]] == ["opnsense", "pihole", "truenas", "postgres"]
    assert guests["jellyfin"].startup_order == float("inf")
    assert [guest.name for guest in guests.values() if guest.protected] == ["opnsense"]


def test_names_ids_and_flags() -> None:
    inventory = load()
    assert [node.name for node in inventory.nodes] == ["Home", "pve", "agent1", "agent"]
    guests = {guest.vmid: guest for guest in inventory.guests}
    assert len(guests) == 18
    assert guests[102].memory_bytes == GIB // 2
    assert guests[108].ha == "started"
    assert guests[116].lock == "backup"
    assert guests[9000].template
    assert guests[9000].status == "stopped"
    assert {vmid for vmid, guest in guests.items() if guest.status == "stopped"} == {104, 109, 9000}
    assert inventory.votes_needed == 3
    assert inventory.runs_on == "Home"
    tank = next(storage for storage in inventory.storages if storage.name == "tank")
    assert tank.nodes == ("pve",)


def test_scaled_up_it_keeps_what_the_file_has() -> None:
    small, big = load(), load(32, 5000)
    assert len(big.nodes) == 32
    assert len(big.guests) == 5000
    assert big.guests[:18] == small.guests
    assert len({guest.vmid for guest in big.guests}) == 5000
    assert {guest.node for guest in big.guests} <= {node.name for node in big.nodes}
    assert big.votes_needed == 17


def test_what_is_made_up_spreads_evenly() -> None:
    """A scaled homelab that is healthy must not run hot on some nodes by the way it was made up."""
    large = load(32, 5000)
    cores = Counter[str]()
    for guest in large.guests:
        cores[guest.node] += guest.cores
    made_up = [cores[node.name] for node in large.nodes[4:]]
    assert max(made_up) <= 1.05 * min(made_up)


def test_scaled_down_to_a_single_node() -> None:
    one = load(1)
    assert [node.name for node in one.nodes] == ["Home"]
    assert {guest.node for guest in one.guests} == {"Home"}
    assert one.votes_needed == 1
    with pytest.raises(ValueError, match="at least 1 node"):
        load(0)
