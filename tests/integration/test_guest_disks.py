"""Snapshots, backups and sizes of guests over the wire."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from jarvis_daemon.simulator.backups import volume
from jarvis_daemon.simulator.inventory import GIB
from jarvis_daemon.simulator.storages import disk_of
from tests.integration.guest_house import AGENT, GuestHouse
from tests.integration.guest_tricks import Forgetful, changed

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestSnapshots:
    @pytest.mark.parametrize("name", ["gitea", "immich"])
    async def test_take_go_back_delete(self, house: GuestHouse, name: str) -> None:
        guest = house.guest(name)
        taken = await house.do("create_snapshot", guest=name, name="before-update", description="a try")
        assert (taken.outcome, taken.text) == ("verified", f"Snapshot before-update of {name} is taken.")
        assert taken.undo == {
            "name": "delete_snapshot",
            "args": {"guest": str(guest.vmid), "name": "before-update"},
        }
        listed = await house.ask("get_snapshots", guest=name)
        assert [row["description"] for row in listed.result["snapshots"]] == ["a try"]
        second = await house.do("create_snapshot", guest=name, name="second")
        assert second.outcome == "verified"

        plan = await house.plan("rollback_snapshot", guest=name, name="before-update", start=True)
        assert (plan.tier, plan.needs) == ("red", "confirm")
        assert "What changed on its disks since snapshot before-update is lost." in plan.effects
        assert "It is stopped and started again." in plan.effects
        back = await house.do("rollback_snapshot", guest=name, name="before-update", start=True)
        assert (back.outcome, back.evidence) == ("verified", {"parent": "before-update"})
        assert guest.running

        plan = await house.plan("delete_snapshot", guest=name, name="second")
        assert (plan.tier, plan.needs) == ("black", "typed_name")
        for snapshot in ("second", "before-update"):
            gone = await house.do("delete_snapshot", guest=name, name=snapshot)
            assert gone.outcome == "verified"
        assert guest.snapshots == []

    @pytest.mark.parametrize("name", ["1st", "a", "a b", "../x", "x" * 41, "sn;ap"])
    async def test_names_that_pve_refuses_are_refused(self, house: GuestHouse, name: str) -> None:
        assert (await house.do("create_snapshot", guest="gitea", name=name)).code == "invalid_params"

    @pytest.mark.parametrize(
        ("tool", "args", "text"),
        [
            ("create_snapshot", {"guest": "gitea", "name": "current"}, "PVE's word"),
            ("create_snapshot", {"guest": "gitea", "name": "x1", "with_memory": True}, "Only a running VM"),
            ("create_snapshot", {"guest": "dev-sandbox", "name": "x1"}, "locked (backup)"),
            ("create_snapshot", {"guest": "debian12-template", "name": "x1"}, "is a template"),
            ("rollback_snapshot", {"guest": "gitea", "name": "nope"}, "gitea has no snapshot nope; it has none"),
            ("delete_snapshot", {"guest": "gitea", "name": "nope"}, "gitea has no snapshot nope"),
        ],
    )
    async def test_refusals(self, house: GuestHouse, tool: str, args: dict[str, Any], text: str) -> None:
        refused = await house.do(tool, **args)
        assert refused.outcome == "refused"
        assert text in refused.text

    async def test_a_snapshot_that_is_not_there_afterwards_contradicts(self, house: GuestHouse) -> None:
        guest = house.guest("homepage")
        kept, guest.snapshots = guest.snapshots, Forgetful()
        try:
            done = await house.do("create_snapshot", guest="homepage", name="lost")
        finally:
            guest.snapshots, guest.parent = kept, None
        assert done.outcome == "contradicted"
        assert "lost is not among the snapshots of homepage" in done.text

    async def test_a_snapshot_that_stays_contradicts(self, house: GuestHouse) -> None:
        guest = house.guest("homepage")
        await house.do("create_snapshot", guest="homepage", name="stays")
        guest.snapshots = Forgetful(guest.snapshots)
        try:
            gone = await house.do("delete_snapshot", guest="homepage", name="stays")
        finally:
            guest.snapshots, guest.parent = [], None
        assert gone.outcome == "contradicted"
        assert "stays is still among the snapshots of homepage" in gone.text

    async def test_a_missing_privilege_fails_with_its_name(self, house: GuestHouse) -> None:
        await house.lab.fault("api-403", "VM.Snapshot", path="/vms")
        try:
            done = await house.do("create_snapshot", guest="homepage", name="never")
        finally:
            await house.lab.heal()
        assert (done.outcome, done.code) == ("failed", "cluster_denied")
        assert "lacks VM.Snapshot on /vms/106" in done.text


class TestBackups:
    async def test_back_up_read_back_delete(self, house: GuestHouse) -> None:
        plan = await house.plan("run_backup", guest="homepage", storage="externalhdd", notes="by hand")
        assert (plan.tier, plan.needs) == ("yellow", "nothing")
        assert "It goes to externalhdd." in plan.effects
        done = await house.do("run_backup", guest="homepage", storage="externalhdd", notes="by hand")
        assert done.outcome == "verified"
        assert done.text.startswith("The backup of homepage lies on externalhdd (")
        volid = done.result["volid"]
        assert any("Finished Backup of VM 106" in line for line in house.lines)
        assert done.undo == {"name": "delete_backup", "args": {"backup": volid}}

        plan = await house.plan("delete_backup", backup=volid)
        assert (plan.tier, plan.needs) == ("black", "typed_name")
        assert "It is the last backup of homepage." in plan.effects
        gone = await house.do("delete_backup", backup=volid)
        assert gone.outcome == "verified"
        again = await house.do("delete_backup", backup=volid)
        assert (again.outcome, again.code) == ("refused", "not_found")

    async def test_a_backup_prunes_no_older_one(self, house: GuestHouse) -> None:
        """It is YELLOW: run often enough, pruning would delete every backup that is worth something."""
        world = house.lab.world
        disk = disk_of(world.disks, "externalhdd", world.guests[106].node)
        assert disk is not None
        old = [volume("externalhdd", world.guests[106], 1 << 20, 1.7e9 + day * 86400) for day in range(4)]
        disk.volumes.extend(old)
        try:
            done = await house.do("run_backup", guest="homepage", storage="externalhdd")
            assert done.outcome == "verified"
            assert {v.volid for v in old} | {done.result["volid"]} <= {v.volid for v in disk.volumes}
        finally:
            disk.volumes[:] = [v for v in disk.volumes if v not in old]

    async def test_a_mode_that_stops_the_guest_is_red(self, house: GuestHouse) -> None:
        plan = await house.plan("run_backup", guest="gitea", mode="stop")
        assert plan.tier == "red"
        assert "It is shut down, backed up and started again." in plan.effects

    async def test_a_failed_backup_fails_with_its_reason(self, house: GuestHouse) -> None:
        house.world.backups.failing[107] = "Input/output error"
        try:
            done = await house.do("run_backup", guest="gitea")
        finally:
            house.world.backups.failing.clear()
        assert (done.outcome, done.code) == ("failed", "cluster_refused")
        assert any("Input/output error" in line for line in house.lines)

    async def test_a_backup_that_leaves_nothing_contradicts(self, house: GuestHouse) -> None:
        disk = house.world.disk("externalhdd", "pve")
        kept, disk.volumes = disk.volumes, Forgetful(disk.volumes)
        try:
            done = await house.do("run_backup", guest="vaultwarden")
            volid = kept[0].volid
            gone = await house.do("delete_backup", backup=volid)
        finally:
            disk.volumes = kept
        assert (done.outcome, done.undo) == ("contradicted", None)
        assert "No new backup of vaultwarden lies on externalhdd" in done.text
        assert (gone.outcome, "still lies on externalhdd" in gone.text) == ("contradicted", True)

    @pytest.mark.parametrize(
        ("args", "text"),
        [
            ({"guest": "gitea", "storage": "tank"}, "pve has no storage tank that takes backups"),
            ({"guest": "dev-sandbox"}, "locked (backup)"),
            ({"guest": "nobody"}, "There is no guest"),
        ],
    )
    async def test_refusals(self, house: GuestHouse, args: dict[str, Any], text: str) -> None:
        refused = await house.do("run_backup", **args)
        assert refused.outcome == "refused"
        assert text in refused.text

    async def test_restore_over_a_stopped_guest(self, house: GuestHouse) -> None:
        volid = (await house.ask("get_backups", guest="paperless")).result["backups"][0]["volid"]
        await house.do("create_snapshot", guest="paperless", name="to-lose")
        running = await house.do("restore_backup", guest="paperless", backup=volid)
        assert (running.outcome, running.text) == ("refused", "paperless is not stopped (running).")
        await house.do("stop_container", guest="paperless")
        other = await house.do("restore_backup", guest="jellyfin", backup=volid)
        assert "not of jellyfin" in other.text
        plan = await house.plan("restore_backup", guest="paperless", backup=volid)
        assert (plan.tier, plan.needs) == ("black", "typed_name")
        assert "Its 1 snapshots are lost." in plan.effects
        done = await house.do("restore_backup", guest="paperless", backup=volid)
        assert done.outcome == "verified"
        assert house.guest("paperless").restored_at is not None
        await house.do("start_container", guest="paperless")

    async def test_an_agent_never_destroys(self, house: GuestHouse) -> None:
        volid = (await house.ask("get_backups", AGENT, guest="gitea")).result["backups"][0]["volid"]
        refused = await house.ask("delete_backup", AGENT, backup=volid)
        assert (refused.outcome, refused.code) == ("refused", "forbidden")


class TestResize:
    async def test_a_disk_grows(self, house: GuestHouse) -> None:
        before = house.guest("paperless").spec.disk_bytes
        plan = await house.plan("resize_guest", guest="paperless", disk="rootfs", grow_gib=2)
        assert plan.tier == "red"
        assert "rootfs: 30 → 32 GiB. A disk never shrinks again." in plan.effects
        done = await house.do("resize_guest", guest="paperless", disk="rootfs", grow_gib=2)
        assert (done.outcome, done.undo) == ("verified", None)
        assert house.guest("paperless").spec.disk_bytes == before + 2 * GIB == done.result["disk_bytes"]

    async def test_cores_and_memory_of_a_container_and_back(self, house: GuestHouse) -> None:
        done = await house.do("resize_guest", guest="gitea", cores=3, memory_mib=3072)
        assert done.outcome == "verified"
        assert house.guest("gitea").spec.cores == 3
        assert done.undo == {"name": "resize_guest", "args": {"guest": "107", "cores": 2, "memory_mib": 2048}}
        assert (await house.do(done.undo["name"], **done.undo["args"])).outcome == "verified"
        assert house.guest("gitea").spec.memory_bytes == 2 * GIB

    async def test_a_running_vm_takes_it_on_later(self, house: GuestHouse) -> None:
        plan = await house.plan("resize_guest", guest="immich", cores=6)
        assert "It takes them on when it is next shut down and started." in plan.effects
        done = await house.do("resize_guest", guest="immich", cores=6)
        assert (done.outcome, house.guest("immich").spec.cores) == ("verified", 4)
        await house.do("resize_guest", guest="immich", cores=4)

    @pytest.mark.parametrize(
        ("args", "text"),
        [
            ({"disk": "rootfs"}, "A disk is grown with both"),
            ({"cores": 2, "disk": "rootfs", "grow_gib": 1}, "Give either a disk to grow"),
            ({}, "Give either a disk to grow"),
            ({"cores": 2}, "gitea has that already"),
            ({"cores": 64}, "pve has 6 cores"),
            ({"memory_mib": 999_999}, "pve has 31 GiB of memory"),
            ({"disk": "scsi0", "grow_gib": 1}, "gitea has no disk scsi0; it has rootfs"),
            ({"disk": "rootfs", "grow_gib": 5000}, "local-lvm on pve has"),
            ({"disk": "rootfs", "grow_gib": 0}, "arguments of resize_guest are wrong"),
            ({"disk": "../x", "grow_gib": 1}, "arguments of resize_guest are wrong"),
        ],
    )
    async def test_refusals(self, house: GuestHouse, args: dict[str, Any], text: str) -> None:
        refused = await house.do("resize_guest", guest="gitea", **args)
        assert refused.outcome == "refused"
        assert text in refused.text

    async def test_a_failed_one_fails_and_one_without_effect_contradicts(self, house: GuestHouse) -> None:
        guest, disk = house.guest("gitea"), house.world.disk("local-lvm", "pve")
        with changed(disk, "free", lambda: 0):
            failed = await house.do("resize_guest", guest="gitea", disk="rootfs", grow_gib=1)
        assert (failed.outcome, failed.code) == ("failed", "cluster_refused")
        assert "insufficient free space" in failed.why
        plain = guest.config()
        with changed(guest, "config", lambda: plain):
            done = await house.do("resize_guest", guest="gitea", cores=4)
        guest.spec = dataclasses.replace(guest.spec, cores=2)
        assert done.outcome == "contradicted"
        assert "The configuration of gitea says 2 cores" in done.text
