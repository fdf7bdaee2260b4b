"""The power of guests and the reads about them over the wire: success read back, refusals, failed tasks, read-backs
that contradict, and bad days.

One homelab serves all cases of a file; each case leaves the guests it used as it found them.
"""

from __future__ import annotations

import dataclasses

import pytest

from jarvis_daemon.simulator import actions
from jarvis_daemon.simulator.tasks import Script, TaskError
from tests.integration.guest_house import AGENT, GuestHouse
from tests.integration.guest_tricks import changed

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
        assert done.result["config"]["cipassword"] in {"(hidden)", "***"}  # ours, and what every agent is told
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
