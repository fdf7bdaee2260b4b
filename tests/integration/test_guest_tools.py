"""The tools about guests over the wire: success read back, refusals, failed tasks, read-backs that contradict.

One homelab serves all cases of a process; each case leaves the guests it used as it found them.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from jarvis_daemon.simulator import actions
from jarvis_daemon.simulator.guests import Guest as SimGuest
from jarvis_daemon.simulator.guests import GuestState
from jarvis_daemon.simulator.inventory import GIB
from jarvis_daemon.simulator.tasks import Script, TaskError
from tests.integration.guest_house import AGENT, GuestHouse, guest_house

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[GuestHouse]:
    with tempfile.TemporaryDirectory(prefix="jv-", ignore_cleanup_errors=True) as folder:
        async with guest_house(Path(folder)) as made:
            yield made


@contextmanager
def changed(thing: Any, name: str, value: Any) -> Iterator[None]:
    """An instance of the simulated world misbehaves for the length of a case."""
    setattr(thing, name, value)
    try:
        yield
    finally:
        delattr(thing, name)


def fail(text: str) -> Any:
    """Ends the task that asks."""
    raise TaskError(text)


@contextmanager
def state_of(guest: SimGuest, *, frozen: GuestState | None = None, error: str = "") -> Iterator[None]:
    """The guest keeps a state whatever it is told, or its task fails when it is to change it."""

    def tell(self: SimGuest) -> GuestState:
        return frozen or "running"

    def told(self: SimGuest, state: GuestState) -> None:
        if error:
            fail(error)

    kept = guest.state
    guest.__class__ = type("Stubborn", (SimGuest,), {"state": property(tell, told)})
    try:
        yield
    finally:
        guest.__class__ = SimGuest
        guest.state = kept


class Rooted(SimGuest):
    """A guest that stays where it is."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "node":
            super().__setattr__(name, value)


class Unmovable(SimGuest):
    """A guest whose migration fails."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "node":
            fail("migration aborted")
        super().__setattr__(name, value)


class Immortal(dict[int, Any]):
    """Guests, of whom none comes and none goes."""

    def __setitem__(self, vmid: int, guest: Any) -> None:
        return

    def pop(self, vmid: int, default: Any = None) -> Any:
        return default


class Forgetful(list[Any]):
    """A list that neither takes nor gives up anything."""

    def append(self, thing: Any) -> None:
        return

    def remove(self, thing: Any) -> None:
        return


class TestPower:
    @pytest.mark.parametrize(("kind", "guest"), [("container", "gitea"), ("vm", "immich")], ids=["container", "vm"])
    async def test_down_and_up_again(self, house: GuestHouse, kind: str, guest: str) -> None:
        down = await house.do(f"shutdown_{kind}", guest=guest, timeout_s=60)
        assert (down.outcome, down.text) == ("verified", f"{guest} is shut down.")
        assert not house.guest(guest).running
        assert down.result["upid"].startswith("UPID:")
        assert down.result["duration_s"] >= 0
        assert down.undo == {"name": f"start_{kind}", "args": {"guest": str(house.guest(guest).vmid)}}
        up = await house.do(down.undo["name"], **down.undo["args"])
        assert (up.outcome, up.text) == ("verified", f"{guest} runs.")
        assert house.guest(guest).running
        assert await house.audit_kinds(up.call_id) == ["asked", "intent", "step", "outcome"]

    async def test_a_reboot_is_proved_by_a_new_uptime(self, house: GuestHouse) -> None:
        before = house.guest("plex").started_at
        done = await house.do("reboot_container", guest="plex")
        assert (done.outcome, done.tier) == ("verified", "red")
        assert house.guest("plex").started_at > before
        assert done.evidence["uptime_s"] <= 5
        assert house.lines[-1] == "TASK OK"

    async def test_a_reboot_after_which_it_runs_on_as_before_contradicts(self, house: GuestHouse) -> None:
        guest = house.guest("plex")
        guest.start(at=house.world.now - 1000)
        with changed(guest, "stop", lambda: None), changed(guest, "start", lambda: None):
            done = await house.do("reboot_container", guest="103")
        assert done.outcome == "contradicted"
        assert "not freshly started" in done.text

    async def test_a_stop_that_does_not_stop_contradicts(self, house: GuestHouse) -> None:
        guest = house.guest("paperless")
        with changed(guest, "stop", lambda: None):
            done = await house.do("stop_container", guest="paperless")
        assert (done.outcome, done.undo) == ("contradicted", None)
        assert "paperless is not stopped" in done.text

    async def test_a_failed_task_is_told_with_its_reason(self, house: GuestHouse) -> None:
        def broken() -> None:
            raise TaskError("startup for container '104' failed")

        with changed(house.guest("jellyfin"), "start", broken):
            done = await house.do("start_container", guest="jellyfin")
        assert (done.outcome, done.code) == ("failed", "cluster_refused")
        assert "startup for container '104' failed" in done.why
        assert "jarvis task show UPID:" in done.next

    async def test_a_guest_of_ha_really_goes_down_and_comes_back(self, house: GuestHouse) -> None:
        plan = await house.plan("shutdown_container", guest="postgres")
        assert any("managed by HA" in effect for effect in plan.effects)
        down = await house.do("shutdown_container", guest="postgres")
        assert down.outcome == "verified"
        assert not house.guest("postgres").running
        up = await house.do("start_container", guest="postgres")
        assert up.outcome == "verified"
        assert house.guest("postgres").running

    @pytest.mark.parametrize(
        ("tool", "guest", "code", "text"),
        [
            ("start_container", "plex", "refused", "plex runs already"),
            ("stop_vm", "windows11", "refused", "windows11 is stopped already"),
            ("start_vm", "plex", "refused", "plex is a container, not a VM"),
            ("start_vm", "debian12-template", "refused", "debian12-template is a template"),
            ("stop_vm", "dev-sandbox", "refused", "dev-sandbox is locked (backup)"),
            ("start_vm", "4711", "not_found", "There is no guest '4711'"),
            ("start_vm", "windws11", "not_found", "There is no guest"),
        ],
    )
    async def test_refusals(self, house: GuestHouse, tool: str, guest: str, code: str, text: str) -> None:
        refused = await house.do(tool, guest=guest)
        assert (refused.outcome, refused.code) == ("refused", code)
        assert text in refused.text

    async def test_the_guest_that_carries_us_and_the_protected_one(self, house: GuestHouse) -> None:
        plan = await house.plan("reboot_vm", guest="code-server")
        assert (plan.tier, plan.needs) == ("black", "typed_name")
        assert any("carries Jarvis" in effect for effect in plan.effects)
        assert (await house.plan("start_vm", guest="code-server")).outcome == "refused"
        assert (await house.plan("reboot_vm", guest="opnsense")).tier == "black"
        refused = await house.ask("reboot_vm", AGENT, guest="code-server")
        assert (refused.outcome, refused.code) == ("refused", "forbidden")

    async def test_red_wants_a_confirmation_and_a_dry_run_changes_nothing(self, house: GuestHouse) -> None:
        asked = await house.ask("stop_container", guest="homepage")
        assert (asked.outcome, asked.needs) == ("refused", "confirm")
        plan = await house.plan("stop_container", guest="homepage")
        assert plan.text == "Would: Pull the plug of homepage."
        assert house.guest("homepage").running


class TestBadDays:
    async def test_without_quorum_nothing_is_sent(self, house: GuestHouse) -> None:
        await house.lab.fault("quorum-loss")
        try:
            await house.until(lambda: house.watched.cluster.quorate is False)
            refused = await house.do("start_vm", guest="windows11")
        finally:
            await house.lab.heal()
            await house.until(lambda: house.watched.cluster.quorate)
            await house.until(lambda: all(n.status == "online" for n in house.watched.nodes.values()))
        assert (refused.outcome, refused.text) == ("refused", "The cluster has no quorum.")

    async def test_a_guest_of_a_silent_node_is_refused(self, house: GuestHouse) -> None:
        await house.lab.fault("node-down", "agent")
        try:
            await house.until(lambda: house.watched.nodes["node:agent"].status == "offline")
            refused = await house.do("reboot_container", guest="pihole")
        finally:
            await house.lab.heal()
            await house.until(lambda: house.watched.nodes["node:agent"].status == "online")
            await house.until(lambda: house.guest("pihole").running and house.guest("homepage").running)
        assert (refused.outcome, refused.code) == ("refused", "cluster_unreachable")
        assert "agent, which does not answer" in refused.text

    async def test_a_guest_that_a_task_works_on_is_refused(self, house: GuestHouse) -> None:
        guest = house.guest("vaultwarden")

        def script() -> Script:
            yield 600.0, "slow"
            return None

        task = house.world.tasks.start(guest.node, "vzslow", "102", "root@pam", script(), frozenset({102}))
        try:
            await house.until(lambda: task.upid in house.watched.tasks)
            refused = await house.do("stop_container", guest="vaultwarden")
        finally:
            house.world.tasks.stop(task)
        assert (refused.outcome, refused.text) == ("refused", "vzslow runs on vaultwarden.")
        done = await house.do("reboot_container", guest="vaultwarden")
        assert done.outcome == "verified"

    async def test_warnings_of_a_task_are_told(self, house: GuestHouse) -> None:
        tasks = house.world.tasks
        finish = tasks._finish
        with changed(tasks, "_finish", lambda task, text, end: finish(task, "WARNINGS: 2", end)):
            done = await house.do("reboot_container", guest="homepage")
        assert (done.outcome, done.result["status"]) == ("verified", "warnings")
        assert done.text == "homepage has been rebooted. Its task ended with warnings: see its log."

    async def test_a_task_that_never_ends_is_not_known_then(
        self, house: GuestHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry = house.tools.registry
        spec = registry.get("shutdown_container")
        registry.remove("shutdown_container")
        registry.add(dataclasses.replace(spec, timeout_s=0.4))
        monkeypatch.setitem(actions.SHUTDOWN_S, "ct", 1e7)
        try:
            done = await house.do("shutdown_container", guest="homepage")
        finally:
            registry.remove("shutdown_container")
            registry.add(spec)
            for task in house.world.tasks.running(vmid=106):
                house.world.tasks.stop(task)
        assert (done.outcome, done.code) == ("unverified", "timed_out")
        assert "homepage is not stopped. Its task may still run." in done.text
        assert house.guest("homepage").running

    async def test_a_guest_that_moved_away_since_the_last_look_is_refused(self, house: GuestHouse) -> None:
        guest = house.guest("homepage")
        guest.node = "pve"
        try:
            refused = await house.do("stop_container", guest="homepage")
        finally:
            guest.node = "agent"
        assert (refused.outcome, refused.code) == ("refused", "not_found")
        assert guest.running

    async def test_a_guest_tagged_no_jarvis_is_only_for_a_person_at_a_terminal(self, house: GuestHouse) -> None:
        guest = house.guest("homepage")
        kept, guest.spec = guest.spec, dataclasses.replace(guest.spec, tags=("no-jarvis",))
        house.world.config_version += 1
        try:
            await house.known("homepage", tags=["no-jarvis"])
            plan = await house.plan("create_snapshot", guest="homepage", name="x1")
            refused = await house.ask("create_snapshot", AGENT, guest="homepage", name="x1")
        finally:
            guest.spec = kept
            house.world.config_version += 1
            await house.known("homepage", tags=[])
        assert (plan.tier, plan.needs) == ("black", "typed_name")
        assert "homepage is tagged no-jarvis" in plan.effects
        assert (refused.outcome, refused.code) == ("refused", "forbidden")

    async def test_a_missing_privilege_is_named(self, house: GuestHouse) -> None:
        await house.lab.fault("api-403", "VM.PowerMgmt", path="/vms")
        try:
            done = await house.do("stop_container", guest="homepage")
        finally:
            await house.lab.heal()
        assert (done.outcome, done.code) == ("failed", "cluster_denied")
        assert "lacks VM.PowerMgmt on /vms/106" in done.text
        assert "pveum role add JarvisHands" in done.next

    async def test_the_kill_switch_stops_before_the_act(self, house: GuestHouse) -> None:
        await house.tools.kill.set(True, by="test", reason="a look")
        try:
            refused = await house.do("start_container", guest="jellyfin")
        finally:
            await house.tools.kill.set(False, by="test", reason="")
        assert (refused.outcome, refused.code) == ("refused", "killed")
        assert not house.guest("jellyfin").running


class TestReads:
    async def test_guests_are_listed_and_narrowed(self, house: GuestHouse) -> None:
        vms = await house.ask("get_vms", AGENT)
        assert vms.tainted
        assert {"management", "windows11"} <= {row["name"] for row in vms.result["guests"]}
        assert all(row["kind"] == "vm" for row in vms.result["guests"])
        media = await house.ask("get_containers", tag="media", node="agent1")
        assert {row["name"] for row in media.result["guests"]} == {"plex", "jellyfin"}
        assert media.result["total"] == 2
        assert (await house.ask("get_vms", node="nowhere")).code == "not_found"
        assert (await house.ask("get_vms", status="asleep")).code == "invalid_params"

    async def test_a_configuration_hides_its_secrets(self, house: GuestHouse) -> None:
        guest = house.guest("management")
        plain = guest.config()
        with changed(guest, "config", lambda: plain | {"cipassword": "hunter2"}):
            done = await house.ask("get_guest_config", AGENT, guest="management")
        assert done.outcome == "done"
        assert done.tainted
        assert done.result["config"]["cipassword"] == "(hidden)"
        assert "hunter2" not in str(done)
        assert done.result["config"]["cores"] == 4

    async def test_addresses_or_why_not(self, house: GuestHouse) -> None:
        done = await house.ask("get_guest_addresses", guest="plex")
        assert [row["ip"] for row in done.result["addresses"]] == ["192.168.1.203"]
        stopped = await house.ask("get_guest_addresses", guest="windows11")
        assert (stopped.result["addresses"], stopped.result["why"]) == (None, "it does not run (stopped)")

    async def test_backups_of_all_and_of_one(self, house: GuestHouse) -> None:
        everything = await house.ask("get_backups", limit=5)
        assert len(everything.result["backups"]) == 5
        assert everything.result["total"] > 5
        own = await house.ask("get_backups", guest="nextcloud", storage="externalhdd")
        assert {row["guest"] for row in own.result["backups"]} == {"nextcloud"}
        assert own.result["not_asked"] == {}
        ages = [row["at"] for row in own.result["backups"]]
        assert ages == sorted(ages, reverse=True)
        assert (await house.ask("get_backups", storage="nowhere")).code == "not_found"


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


class TestBirthAndDeath:
    async def test_clone_and_delete(self, house: GuestHouse) -> None:
        plan = await house.plan("clone_guest", guest="dev-sandbox", name="copy")
        assert "locked (backup)" in plan.text
        plan = await house.plan("clone_guest", guest="immich", name="immich-copy")
        assert plan.tier == "red"
        assert "immich goes on; its copy is as after a loss of power." in plan.effects
        done = await house.do("clone_guest", guest="immich", name="immich-copy")
        assert done.outcome == "verified"
        vmid = done.result["vmid"]
        assert house.guest(str(vmid)).spec.name == "immich-copy"
        assert not house.guest(str(vmid)).running
        assert done.undo == {"name": "delete_guest", "args": {"guest": str(vmid)}}
        await house.known("immich-copy", status="stopped", lock=None)
        assert (
            "called immich-copy already"
            in (await house.plan("clone_guest", guest="gitea", name="immich-copy")).text
        )

        plan = await house.plan("delete_guest", guest="immich-copy")
        assert (plan.tier, plan.needs) == ("black", "typed_name")
        assert "There is no backup of it: it cannot be brought back." in plan.effects
        gone = await house.do("delete_guest", guest="immich-copy")
        assert (gone.outcome, gone.text) == ("verified", "immich-copy is deleted.")
        assert house.world.guest_named("immich-copy") is None

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
            ("clone_guest", {"guest": "immich", "name": "x", "full": False}, "is no template"),
            ("clone_guest", {"guest": "immich", "name": "a;b"}, "arguments of clone_guest are wrong"),
            ("clone_guest", {"guest": "immich", "name": "x", "vmid": 100}, "arguments of clone_guest are wrong"),
            ("clone_guest", {"guest": "immich", "name": "x", "storage": "externalhdd"}, "takes no disks of guests"),
            ("create_guest", {}, "Give either a template or a backup"),
            ("create_guest", {"template": "debian12-template"}, "needs a name"),
            ("create_guest", {"template": "immich", "name": "x"}, "immich is no template"),
            ("create_guest", {"backup": "externalhdd:backup/vzdump-lxc-1.tar"}, "There is no backup"),
            ("create_guest", {"backup": "externalhdd:../../etc/passwd"}, "There is no backup"),
        ],
    )
    async def test_refusals(self, house: GuestHouse, tool: str, args: dict[str, Any], text: str) -> None:
        refused = await house.do(tool, **args)
        assert refused.outcome == "refused"
        assert text in refused.text

    async def test_a_clone_that_fails_is_told(self, house: GuestHouse) -> None:
        disk = house.world.disk("local-lvm", "agent1")
        with changed(disk, "free", lambda: 0):
            failed = await house.do("clone_guest", guest="immich", name="never")
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
