"""Cleaning a node, what takes its space, and the plan after it is lost: through the gate, read back."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from jarvis_daemon.simulator.backups import Order
from jarvis_daemon.simulator.storages import Disk, File
from tests.integration.node_house import AGENT, NodeHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")
MIB = 2**20


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house() -> AsyncIterator[NodeHouse]:
    async with NodeHouse() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def healed(house: NodeHouse) -> AsyncIterator[None]:
    yield
    for node in house.lab.world.nodes.values():
        node.refused_commands.clear()
        node.held_back = False
    await house.lab.heal()
    await house.until(lambda: all(n.status == "online" for n in house.nodes.values()), 40)


def local(house: NodeHouse, node: str) -> Disk:
    return house.lab.world.disks[f"{node}/local"]


# --- cleaning ----------------------------------------------------------------------------------------------


async def test_a_package_cache_is_emptied_and_what_is_freed_is_told(house: NodeHouse) -> None:
    before = local(house, "pve").used()
    plan = await house.plan("clean_package_cache", node="pve")
    assert (plan.outcome, plan.tier) == ("planned", "yellow")
    assert "723.0 MiB are freed at most." in plan.effects
    done = await house.call("clean_package_cache", node="pve")
    assert done.outcome == "verified", done
    freed = before - local(house, "pve").used()
    assert done.result["freed_bytes"] == freed > 700 * MIB
    assert done.result["free_after_bytes"] - done.result["free_before_bytes"] == freed
    assert done.text.startswith("723.0 MiB of package cache are removed from pve. ")
    again = await house.call("clean_package_cache", node="pve")
    assert (again.outcome, again.text) == ("refused", "pve has no package cache to clean.")


async def test_old_task_logs_are_removed_and_counted(house: NodeHouse) -> None:
    files = local(house, "pve").files
    house.lab.world.files_on("pve")  # so that they are made
    logs = sum("/UPID:" in file.path for file in files)
    plan = await house.plan("clean_task_logs", node="pve", older_than_days=100)
    assert any(text.endswith("logs of tasks cannot be read any more.") for text in plan.effects)
    first = await house.call("clean_task_logs", node="pve", older_than_days=100)
    assert first.outcome == "verified", first
    left = sum("/UPID:" in file.path for file in files)
    assert 30 < left < logs
    assert (await house.call("clean_task_logs", node="pve")).outcome == "verified"
    assert sum("/UPID:" in file.path for file in files) == 30
    assert (await house.call("clean_task_logs", node="pve")).outcome == "refused"
    assert (await house.call("clean_task_logs", node="pve", older_than_days=5)).code == "invalid_params"


async def test_what_a_broken_backup_left_is_removed_and_the_storage_has_room(house: NodeHouse) -> None:
    await house.lab.fault("vzdump-orphan", "agent1")
    full = local(house, "agent1").used()
    plan = await house.plan("clean_backup_leftovers", node="agent1")
    assert sum("is removed" in text for text in plan.effects) == 2, plan.effects
    done = await house.call("clean_backup_leftovers", node="agent1")
    assert done.outcome == "verified", done
    assert full - local(house, "agent1").used() == done.result["freed_bytes"] - 4096, "and the folder itself"
    assert house.lab.world.faults.active() == []
    kept = [volume for volume in house.lab.world.disks["externalhdd"].volumes if volume.content == "backup"]
    assert kept, "backups themselves are never touched"
    assert (await house.call("clean_backup_leftovers", node="agent1")).outcome == "refused"


async def test_nothing_is_cleaned_while_a_backup_runs_there(house: NodeHouse) -> None:
    await house.lab.fault("vzdump-orphan", "agent1")
    world = house.lab.world
    upid = world.backups.start(Order("agent1", (113,), "externalhdd", duration_s=4000.0))
    refused = await house.call("clean_backup_leftovers", node="agent1")
    assert (refused.outcome, refused.text.startswith("A backup runs on agent1")) == ("refused", True)
    shared = await house.call("clean_backup_leftovers", node="pve", storage="externalhdd")
    assert shared.text.startswith("A backup runs on agent1"), "it may write to the shared storage"
    elsewhere = await house.call("clean_backup_leftovers", node="pve")
    assert elsewhere.text == "pve has no leftovers of backups to clean."
    task = world.tasks.get(upid)
    assert task is not None
    world.tasks.stop(task)
    assert (await house.call("clean_backup_leftovers", node="agent1")).outcome == "verified"


async def test_leftovers_on_a_mounted_storage(house: NodeHouse) -> None:
    disk = house.lab.world.disks["externalhdd"]
    old = house.lab.world.now - 2 * 86400
    disk.files += [
        File("/dump/vzdump-qemu-110-2026_01_01-02_30_05.vma.dat", 3 * 2**30, old, counted=True),
        File("/dump/vzdump-qemu-110-2026_01_02-02_30_05.vma.dat", 2**30, house.lab.world.now - 600, counted=True),
    ]
    done = await house.call("clean_backup_leftovers", node="pve", storage="externalhdd")
    assert (done.outcome, done.result["freed_bytes"]) == ("verified", 3 * 2**30), done
    assert [file.size for file in disk.files] == [2**30], "what was written to minutes ago stays"
    disk.files.clear()
    unknown = await house.call("clean_backup_leftovers", node="pve", storage="tank")
    assert (unknown.outcome, "Where tank lies on pve is not known" in unknown.text) == ("refused", True)
    assert (await house.call("clean_backup_leftovers", node="agent", storage="tank")).code == "not_found"


async def test_a_shared_storage_is_not_cleaned_while_a_node_that_may_write_there_is_silent(
    house: NodeHouse,
) -> None:
    await house.lab.fault("node-down", "agent1")
    await house.until(lambda: house.nodes["node:agent1"].status == "offline")
    refused = await house.call("clean_backup_leftovers", node="pve", storage="externalhdd")
    assert (refused.code, refused.outcome) == ("cluster_unreachable", "refused")


@pytest.mark.parametrize("tool", ["clean_package_cache", "clean_task_logs", "clean_backup_leftovers"])
async def test_what_cannot_be_read_is_not_cleaned(house: NodeHouse, tool: str) -> None:
    await house.lab.fault("vzdump-orphan", "Home")
    used = local(house, "Home").used()
    house.lab.world.nodes["Home"].refused_commands |= {"du", "find"}
    refused = await house.call(tool, node="Home")
    assert (refused.outcome, refused.code) == ("refused", "cluster_refused"), refused
    assert local(house, "Home").used() == used
    assert (await house.call(tool, node="mars")).code == "not_found"


async def test_a_node_that_is_down_is_not_cleaned(house: NodeHouse) -> None:
    await house.lab.fault("node-down", "agent")
    await house.until(lambda: house.nodes["node:agent"].status == "offline")
    assert (await house.call("clean_package_cache", node="agent")).code == "cluster_unreachable"
    assert (await house.call("get_disk_usage", node="agent")).code == "cluster_unreachable"


async def test_a_cleaning_that_does_nothing_is_contradicted(house: NodeHouse) -> None:
    house.lab.world.nodes["agent1"].held_back = True
    done = await house.call("clean_package_cache", node="agent1")
    assert (done.outcome, "are still on agent1; 0.0 MiB are freed." in done.text) == ("contradicted", True), done


async def test_a_command_that_is_refused_fails_and_says_why(house: NodeHouse) -> None:
    house.lab.world.nodes["agent1"].refused_commands.add("apt-get clean")
    done = await house.call("clean_package_cache", node="agent1")
    assert (done.outcome, done.code) == ("failed", "cluster_refused"), done
    assert "Access denied" in str(done)


async def test_an_agent_needs_an_approval_and_a_protected_node_a_person(house: NodeHouse) -> None:
    waiting = await house.call("clean_package_cache", AGENT, node="Home")
    assert waiting.outcome == "awaiting"
    house.settings.tools.protected = ["Home"]
    assert (await house.plan("clean_package_cache", node="Home")).tier == "red"
    house.settings.tools.protected = []


async def test_the_commands_are_the_fixed_ones_and_no_other(house: NodeHouse) -> None:
    node = house.lab.world.nodes["agent"]
    node.commands.clear()
    await house.lab.fault("vzdump-orphan", "agent")
    for tool in ("clean_package_cache", "clean_task_logs", "clean_backup_leftovers"):
        assert (await house.call(tool, node="agent")).outcome == "verified"
    ran = [shlex.split(command) for command in node.commands if "jarvis-reading" not in command]
    acted = [" ".join(words) for words in ran if {"clean", "-delete", "rm"} & set(words)]
    assert acted == [
        "env LC_ALL=C apt-get clean",
        "env LC_ALL=C find /var/log/pve/tasks -xdev -mindepth 2 -maxdepth 2 -type f -name UPID:* -mmin +43200 "
        "-delete",
        "env LC_ALL=C find /var/lib/vz/dump -xdev -mindepth 1 -maxdepth 1 -mmin +1440 ( -name vzdump-*.tmp -o "
        "-name vzdump-*.dat ) -exec rm --recursive --force --one-file-system --preserve-root=all -- {} +",
        "env LC_ALL=C find /var/tmp -xdev -mindepth 1 -maxdepth 1 -mmin +1440 -uid 0 -name vzdumptmp* -exec rm "
        "--recursive --force --one-file-system --preserve-root=all -- {} +",
    ]


# --- what takes the space ----------------------------------------------------------------------------------


async def test_the_biggest_folders_and_files_of_a_node(house: NodeHouse) -> None:
    await house.lab.fault("vzdump-orphan", "Home")
    told = await house.call("get_disk_usage", AGENT, node="Home")
    assert told.outcome == "done", told
    usage = told.result
    sizes = [row["size_bytes"] for row in usage["folders"]]
    assert sizes == sorted(sizes, reverse=True)
    paths = [row["path"] for row in usage["folders"]]
    assert {"/var", "/var/lib", "/usr"} <= set(paths)
    assert "/" not in paths
    assert usage["files"][0]["path"].startswith("/var/lib/vz/dump/vzdump-lxc-")
    disk = local(house, "Home")
    assert usage["free_bytes"] == disk.spec.size_bytes - disk.used()
    assert usage["complete"] is True
    below = (await house.call("get_disk_usage", node="Home", path="/var/lib")).result
    assert all(row["path"].startswith("/var/lib/") for row in below["folders"])


@pytest.mark.parametrize("path", ["relative", "/a;reboot", "/a$(x)", "/a\n", "--help"])
async def test_a_path_that_is_none_is_refused(house: NodeHouse, path: str) -> None:
    assert (await house.call("get_disk_usage", node="Home", path=path)).code == "invalid_params"


async def test_the_biggest_volumes_of_a_storage(house: NodeHouse) -> None:
    told = await house.call("get_biggest_volumes", AGENT, storage="externalhdd")
    assert told.outcome == "done", told
    sizes = [row["size_bytes"] for row in told.result["volumes"]]
    assert sizes == sorted(sizes, reverse=True)
    assert told.result["total"] >= len(sizes)
    assert told.result["volumes"][0]["guest"] in {"immich", "nextcloud"}
    assert (await house.call("get_biggest_volumes", storage="local")).code == "ambiguous"
    here = (await house.call("get_biggest_volumes", storage="local-lvm", node="pve")).result
    assert (here["node"], here["volumes"][0]["guest"]) == ("pve", "nextcloud")
    assert (await house.call("get_biggest_volumes", storage="nas")).code == "not_found"
    assert (await house.call("get_biggest_volumes", storage="tank", node="agent")).code == "not_found"


# --- the plan ----------------------------------------------------------------------------------------------


def row(plan: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [guest for guest in plan["guests"] if guest["name"] == name]
    return dict(found)


async def test_a_node_that_is_online_needs_no_plan(house: NodeHouse) -> None:
    refused = await house.call("plan_restore", node="pve")
    assert (refused.code, "is online" in refused.text) == ("refused", True)


async def test_a_lost_node_is_planned_guest_by_guest(house: NodeHouse) -> None:
    await house.lab.fault("node-down", "pve")
    await house.until(lambda: house.nodes["node:pve"].status == "offline")
    told = await house.call("plan_restore", AGENT, node="pve")
    assert told.outcome == "done", told
    plan = told.result
    assert [guest["name"] for guest in plan["guests"]] == [
        "nextcloud", "vaultwarden", "gitea", "truenas", "dev-sandbox",
    ]  # fmt: skip
    nextcloud = row(plan, "nextcloud")
    assert nextcloud["backup"].startswith("externalhdd:backup/vzdump-lxc-101-")
    assert 0 < nextcloud["age_s"] < 2.2 * 86400
    assert nextcloud["node"] in {"Home", "agent1"}
    assert nextcloud["command"] == (
        f"jarvis tool call create_guest backup={nextcloud['backup']} node={nextcloud['node']} storage=local-lvm"
    )
    assert nextcloud["when_back"] == f"jarvis tool call restore_backup guest=101 backup={nextcloud['backup']}"
    sandbox = row(plan, "dev-sandbox")
    assert (sandbox["backup"], sandbox["command"]) == (None, None)
    assert "No backup can be reached; pve/local cannot be read now." in sandbox["why"]
    assert any("pve is off" in text for text in plan["warnings"])
    # the command is one that the gate would take now, and only from a person
    words = dict(part.split("=", 1) for part in nextcloud["command"].split()[4:])
    dry = await house.plan("create_guest", **words)
    assert (dry.outcome, dry.tier) == ("planned", "red"), dry


async def test_guests_that_nobody_has_room_for_are_said_so(house: NodeHouse) -> None:
    await house.lab.fault("node-down", "agent1")
    await house.until(lambda: house.nodes["node:agent1"].status == "offline")
    scene = house.room.scene
    async with house.room.monitor._beating:
        nodes = scene.inventory.nodes.entities
        for node in nodes.values():
            node.memory_available_bytes = 512 * MIB
        plan = (await house.call("plan_restore", node="agent1")).result
    immich = row(plan, "immich")
    assert immich["backup"] is not None
    assert (immich["node"], immich["command"]) == (None, None)
    assert "6.0 GiB of memory" in immich["why"]
