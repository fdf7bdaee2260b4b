"""Guests paused, moved, tagged, born and deleted over the wire."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from jarvis_daemon.simulator.guests import Guest as SimGuest
from tests.integration.guest_house import SPEED, GuestHouse
from tests.integration.guest_tricks import Immortal, Rooted, Unmovable, changed, state_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestPause:
    async def test_suspend_and_resume(self, house: GuestHouse) -> None:
        plan = await house.plan("suspend_guest", guest="truenas")
        assert plan.tier == "red"
        assert "It answers nobody until it is resumed; its memory stays taken." in plan.effects
        slept = await house.do("suspend_guest", guest="truenas")
        assert (slept.outcome, house.guest("truenas").state) == ("verified", "paused")
        again = await house.do("suspend_guest", guest="truenas")
        assert again.text == "truenas is suspended already."
        assert slept.undo is not None
        awake = await house.do(slept.undo["name"], **slept.undo["args"])
        assert (awake.outcome, awake.tier, house.guest("truenas").state) == ("verified", "yellow", "running")

    @pytest.mark.parametrize(
        ("tool", "guest", "text"),
        [
            ("suspend_guest", "plex", "plex is a container"),
            ("suspend_guest", "windows11", "windows11 does not run (stopped)"),
            ("resume_guest", "immich", "immich is not suspended (running)"),
            ("resume_guest", "dev-sandbox", "locked (backup)"),
        ],
    )
    async def test_refusals(self, house: GuestHouse, tool: str, guest: str, text: str) -> None:
        refused = await house.do(tool, guest=guest)
        assert refused.outcome == "refused"
        assert text in refused.text

    async def test_a_vm_that_runs_on_contradicts_and_a_failed_task_fails(self, house: GuestHouse) -> None:
        guest = house.guest("truenas")
        with state_of(guest, frozen="running"):
            done = await house.do("suspend_guest", guest="truenas")
        assert (done.outcome, "truenas is not suspended" in done.text) == ("contradicted", True)
        with state_of(guest, error="qmp command 'stop' failed - got timeout"):
            failed = await house.do("suspend_guest", guest="truenas")
        assert (failed.outcome, failed.code) == ("failed", "cluster_refused")
        assert "got timeout" in failed.why


class TestMigrate:
    async def test_a_vm_moves_while_it_runs_and_back(self, house: GuestHouse) -> None:
        plan = await house.plan("migrate_guest", guest="immich", node="pve")
        assert plan.tier == "red"
        assert "It goes on running; at the end it stands still for about a second." in plan.effects
        moved = await house.do("migrate_guest", guest="immich", node="pve")
        assert (moved.outcome, moved.text) == ("verified", "immich is on pve now.")
        assert house.guest("immich").node == "pve"
        assert house.guest("immich").running
        assert moved.undo == {"name": "migrate_guest", "args": {"guest": "114", "node": "agent1"}}
        await house.known("immich", node="pve")
        back = await house.do("migrate_guest", guest="immich", node="agent1")
        assert back.outcome == "verified"
        await house.known("immich", node="agent1")

    async def test_a_container_is_restarted_there(self, house: GuestHouse) -> None:
        plan = await house.plan("migrate_guest", guest="vaultwarden", node="agent1")
        assert any(effect.startswith("It stops for about") for effect in plan.effects)
        moved = await house.do("migrate_guest", guest="vaultwarden", node="agent1")
        assert (moved.outcome, house.guest("vaultwarden").node) == ("verified", "agent1")
        await house.known("vaultwarden", node="agent1")
        await house.do("migrate_guest", guest="vaultwarden", node="pve")
        await house.known("vaultwarden", node="pve")

    @pytest.mark.parametrize(
        ("guest", "node", "text"),
        [
            ("plex", "agent1", "plex is on agent1 already"),
            ("plex", "nowhere", "There is no node 'nowhere'"),
            ("truenas", "agent", "of memory free; truenas wants 12.0"),
            ("dev-sandbox", "agent1", "locked (backup)"),
        ],
    )
    async def test_refusals(self, house: GuestHouse, guest: str, node: str, text: str) -> None:
        refused = await house.do("migrate_guest", guest=guest, node=node)
        assert refused.outcome == "refused"
        assert text in refused.text

    async def test_a_disk_on_a_storage_that_the_node_lacks_is_refused(self, house: GuestHouse) -> None:
        guest = house.guest("gitea")
        plain = guest.config()
        with changed(guest, "config", lambda: plain | {"rootfs": "tank:subvol-107-disk-0,size=60G"}):
            refused = await house.do("migrate_guest", guest="gitea", node="agent1")
        assert refused.text == "agent1 has no storage tank, where rootfs of gitea lies."

    async def test_a_failed_move_fails_and_one_that_did_not_happen_contradicts(self, house: GuestHouse) -> None:
        guest = house.guest("homepage")
        guest.__class__ = Unmovable
        try:
            failed = await house.do("migrate_guest", guest="homepage", node="pve")
        finally:
            guest.__class__ = SimGuest
        assert (failed.outcome, failed.code) == ("failed", "cluster_refused")
        assert "migration aborted" in failed.why
        guest.__class__ = Rooted
        try:
            done = await house.do("migrate_guest", guest="homepage", node="pve")
        finally:
            guest.__class__ = SimGuest
        assert (done.outcome, "homepage is not on pve" in done.text) == ("contradicted", True)

    async def test_a_guest_that_moved_since_the_plan_was_shown_is_not_touched(self, house: GuestHouse) -> None:
        plan = await house.plan("stop_container", guest="vaultwarden")
        assert (await house.do("migrate_guest", guest="vaultwarden", node="agent1")).outcome == "verified"
        await house.known("vaultwarden", node="agent1")
        refused = await house.confirm(plan.digest, "stop_container", guest="vaultwarden")
        await house.do("migrate_guest", guest="vaultwarden", node="pve")
        await house.known("vaultwarden", node="pve")
        assert refused.outcome == "refused"
        assert "vaultwarden changed since the plan was shown" in refused.text
        assert house.guest("vaultwarden").running

    async def test_what_is_being_moved_is_touched_by_nothing_else(self, house: GuestHouse) -> None:
        house.world.set_speed(5.0)
        moving = asyncio.ensure_future(house.do("migrate_guest", guest="immich", node="pve"))
        await house.until(lambda: house.guest("immich").lock == "migrate")
        refused = await house.do("reboot_vm", guest="immich")
        house.world.set_speed(SPEED)
        assert (await moving).outcome == "verified"
        await house.known("immich", node="pve", lock=None)
        await house.do("migrate_guest", guest="immich", node="agent1")
        await house.known("immich", node="agent1")
        assert (refused.outcome, refused.text) == ("refused", "immich is locked (migrate).")


class TestTags:
    async def test_tags_are_set_and_taken_back(self, house: GuestHouse) -> None:
        done = await house.do("set_guest_tags", guest="plex", add=["tv"], remove=["media"])
        assert (done.outcome, done.tier) == ("verified", "yellow")
        assert house.guest("plex").spec.tags == ("tv",)
        assert done.undo == {"name": "set_guest_tags", "args": {"guest": "103", "tags": ["media"]}}
        back = await house.do(done.undo["name"], **done.undo["args"])
        assert (back.outcome, house.guest("plex").spec.tags) == ("verified", ("media",))
        await house.known("plex", tags=["media"])

    @pytest.mark.parametrize("tag", ["no-jarvis", "protected", "jarvis-ro", "no-reboot"])
    async def test_a_tag_that_carries_policy_is_red(self, house: GuestHouse, tag: str) -> None:
        plan = await house.plan("set_guest_tags", guest="plex", add=[tag])
        assert (plan.tier, plan.needs) == ("red", "confirm")
        assert f"{tag} carries policy" in plan.effects

    async def test_taking_such_a_tag_away_is_red_too(self, house: GuestHouse) -> None:
        guest = house.guest("plex")
        kept, guest.spec = guest.spec, dataclasses.replace(guest.spec, tags=("media", "protected"))
        try:
            assert (await house.plan("set_guest_tags", guest="plex", tags=["media"])).tier == "red"
        finally:
            guest.spec = kept

    @pytest.mark.parametrize(
        ("args", "code", "text"),
        [
            ({"tags": ["media"]}, "refused", "The tags of plex are so already: media."),
            ({"tags": ["a"], "add": ["b"]}, "refused", "Give either"),
            ({"add": ["Bad Tag"]}, "invalid_params", "arguments of set_guest_tags are wrong"),
            ({"add": ["x;y"]}, "invalid_params", "arguments of set_guest_tags are wrong"),
        ],
    )
    async def test_refusals(self, house: GuestHouse, args: dict[str, Any], code: str, text: str) -> None:
        refused = await house.do("set_guest_tags", guest="plex", **args)
        assert (refused.outcome, refused.code) == ("refused", code)
        assert text in refused.text

    async def test_tags_that_do_not_stay_contradict(self, house: GuestHouse) -> None:
        guest = house.guest("plex")
        plain = guest.config()
        with changed(guest, "config", lambda: plain):
            done = await house.do("set_guest_tags", guest="plex", add=["lost"])
        await house.do("set_guest_tags", guest="plex", remove=["lost"])
        assert (done.outcome, "The tags of plex are media" in done.text) == ("contradicted", True)


class TestBirthAndDeath:
    async def test_clone_and_delete(self, house: GuestHouse) -> None:
        plan = await house.plan("clone_guest", guest="dev-sandbox", name="copy")
        assert "locked (backup)" in plan.text
        plan = await house.plan("clone_guest", guest="truenas", name="truenas-copy")
        assert plan.tier == "red"
        assert "truenas goes on; its copy is as after a loss of power." in plan.effects
        done = await house.do("clone_guest", guest="truenas", name="truenas-copy")
        assert done.outcome == "verified"
        vmid = done.result["vmid"]
        assert house.guest(str(vmid)).spec.name == "truenas-copy"
        assert not house.guest(str(vmid)).running
        assert done.undo == {"name": "delete_guest", "args": {"guest": str(vmid)}}
        await house.known("truenas-copy", status="stopped", lock=None)
        assert (
            "called truenas-copy already"
            in (await house.plan("clone_guest", guest="gitea", name="truenas-copy")).text
        )

        plan = await house.plan("delete_guest", guest="truenas-copy")
        assert (plan.tier, plan.needs) == ("black", "typed_name")
        assert "There is no backup of it: it cannot be brought back." in plan.effects
        gone = await house.do("delete_guest", guest="truenas-copy")
        assert (gone.outcome, gone.text) == ("verified", "truenas-copy is deleted.")
        assert house.world.guest_named("truenas-copy") is None

    async def test_create_from_a_template_and_from_a_backup(self, house: GuestHouse) -> None:
        made = await house.do("create_guest", template="debian12-template", name="fresh")
        assert made.outcome == "verified"
        assert house.guest("fresh").spec.template is False
        volid = (await house.ask("get_backups", guest="gitea")).result["backups"][0]["volid"]
        plan = await house.plan("create_guest", backup=volid, node="agent1")
        assert any("never run both at once" in effect for effect in plan.effects)
        second = await house.do("create_guest", backup=volid, node="agent1")
        assert second.outcome == "verified"
        twin = house.guest(str(second.result["vmid"]))
        assert (twin.node, twin.spec.kind, twin.running) == ("agent1", "ct", False)
        assert house.guest("107").node == "pve"
        for vmid in (made.result["vmid"], second.result["vmid"]):
            await house.until(lambda vmid=vmid: f"guest:{vmid}" in house.watched.guests)
            await house.until(lambda vmid=vmid: house.watched.guests[f"guest:{vmid}"].status == "stopped")
            assert (await house.do("delete_guest", guest=str(vmid))).outcome == "verified"
        await house.until(lambda: f"guest:{second.result['vmid']}" not in house.watched.guests)

    @pytest.mark.parametrize(
        ("tool", "args", "text"),
        [
            ("delete_guest", {"guest": "plex"}, "plex is not stopped (running)"),
            ("delete_guest", {"guest": "dev-sandbox"}, "locked (backup)"),
            ("delete_guest", {"guest": "nobody"}, "There is no guest"),
            ("clone_guest", {"guest": "plex", "name": "plex2"}, "PVE copies a stopped container only"),
            ("clone_guest", {"guest": "truenas", "name": "x", "full": False}, "is no template"),
            ("clone_guest", {"guest": "truenas", "name": "a;b"}, "arguments of clone_guest are wrong"),
            ("clone_guest", {"guest": "truenas", "name": "x", "vmid": 100}, "arguments of clone_guest are wrong"),
            (
                "clone_guest",
                {"guest": "truenas", "name": "x", "storage": "externalhdd"},
                "takes no disks of guests",
            ),
            ("create_guest", {}, "Give either a template or a backup"),
            ("create_guest", {"template": "debian12-template"}, "needs a name"),
            ("create_guest", {"template": "truenas", "name": "x"}, "truenas is no template"),
            ("create_guest", {"backup": "externalhdd:backup/vzdump-lxc-1.tar"}, "There is no backup"),
            ("create_guest", {"backup": "externalhdd:../../etc/passwd"}, "There is no backup"),
        ],
    )
    async def test_refusals(self, house: GuestHouse, tool: str, args: dict[str, Any], text: str) -> None:
        refused = await house.do(tool, **args)
        assert refused.outcome == "refused"
        assert text in refused.text

    async def test_a_clone_that_fails_is_told(self, house: GuestHouse) -> None:
        disk = house.world.disk("local-lvm", "pve")
        with changed(disk, "free", lambda: 0):
            failed = await house.do("clone_guest", guest="truenas", name="never")
        assert (failed.outcome, failed.code) == ("failed", "cluster_refused")
        assert "no free space" in failed.why
        assert house.world.guest_named("never") is None

    async def test_what_is_born_otherwise_or_does_not_die_contradicts(self, house: GuestHouse) -> None:
        kept, house.world.guests = house.world.guests, Immortal(house.world.guests)
        try:
            lost = await house.do("clone_guest", guest="jellyfin", name="phantom")
            house.world.guests = Immortal(kept)
            stays = await house.do("delete_guest", guest="jellyfin")
        finally:
            house.world.guests = kept
            house.world.index_guests()
        assert (lost.outcome, "There is no guest" in lost.text) == ("contradicted", True)
        assert (stays.outcome, "jellyfin is still there" in stays.text) == ("contradicted", True)
