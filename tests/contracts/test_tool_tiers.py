"""The whole table of tools and their tiers: a tool that is new, gone or of another tier has to be written here.

A tier can only rise with the target (tests of the rooms show where); this is where each starts from. The tools of
foreign MCP servers are the operator's: they come and go with the settings.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from jarvis_daemon.assistant.room import AssistantRoom, Names
from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.cluster.room import ClusterRoom
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.incidents.tools import register as register_incident_tools
from jarvis_daemon.notify.room import NotifyRoom
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.remediation.room import Remediation
from jarvis_daemon.settings import ClusterSettings, Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Registry, Tier, ToolSpec
from jarvis_daemon.tools.room import ToolsRoom

GREEN, YELLOW, RED, BLACK = Tier
TIERS = {
    "explain_incident": GREEN,
    "get_backups": GREEN,
    "get_biggest_volumes": GREEN,
    "get_cluster_resources": GREEN,
    "get_cluster_status": GREEN,
    "get_containers": GREEN,
    "get_disk_health": GREEN,
    "get_disk_usage": GREEN,
    "get_docker_logs": GREEN,
    "get_feed": GREEN,
    "get_firewall_status": GREEN,
    "get_guest_addresses": GREEN,
    "get_guest_config": GREEN,
    "get_ha_status": GREEN,
    "get_incidents": GREEN,
    "get_journal": GREEN,
    "get_llm_costs": GREEN,
    "get_metrics_history": GREEN,
    "get_mount_health": GREEN,
    "get_node_status": GREEN,
    "get_node_temperature": GREEN,
    "get_notifications": GREEN,
    "get_recent_tasks": GREEN,
    "get_service_status": GREEN,
    "get_repairs": GREEN,
    "get_snapshots": GREEN,
    "get_storage": GREEN,
    "get_task_log": GREEN,
    "get_updates_available": GREEN,
    "get_uptime_checks": GREEN,
    "get_vms": GREEN,
    "list_docker_containers": GREEN,
    "list_memories": GREEN,
    "list_runbooks": GREEN,
    "list_services": GREEN,
    "plan_restore": GREEN,
    "search_memory": GREEN,
    "test_runbook": GREEN,
    "acknowledge_incident": YELLOW,
    "clean_backup_leftovers": YELLOW,
    "clean_package_cache": YELLOW,
    "clean_task_logs": YELLOW,
    "create_snapshot": YELLOW,
    "distrust_runbook": YELLOW,
    "execute_ssh": YELLOW,
    "forget_memory": YELLOW,
    "import_memories": YELLOW,
    "remember": YELLOW,
    "restart_docker_container": YELLOW,
    "restart_service": YELLOW,
    "resume_guest": YELLOW,
    "run_backup": YELLOW,
    "run_runbook": YELLOW,
    "set_alias": YELLOW,
    "set_autonomy": YELLOW,
    "set_guest_tags": YELLOW,
    "silence_incident": YELLOW,
    "start_container": YELLOW,
    "start_docker_container": YELLOW,
    "start_vm": YELLOW,
    "unset_alias": YELLOW,
    "unset_autonomy": YELLOW,
    "unsilence_incident": YELLOW,
    "wake_node": YELLOW,
    "apply_updates": RED,
    "clone_guest": RED,
    "create_guest": RED,
    "drain_node": RED,
    "migrate_guest": RED,
    "reboot_container": RED,
    "reboot_vm": RED,
    "resize_guest": RED,
    "rollback_snapshot": RED,
    "shutdown_container": RED,
    "shutdown_vm": RED,
    "stop_container": RED,
    "stop_docker_container": RED,
    "stop_vm": RED,
    "suspend_guest": RED,
    "delete_backup": BLACK,
    "delete_guest": BLACK,
    "delete_snapshot": BLACK,
    "reboot_node": BLACK,
    "restore_backup": BLACK,
    "shutdown_node": BLACK,
    "trust_runbook": BLACK,
}


@pytest.fixture
async def registry(tmp_path: Path) -> Registry:
    """As the daemon fills it; nothing is started, nothing is connected."""
    cluster = ClusterSettings(
        name="homelab",
        endpoints=["https://127.0.0.1:1"],
        token_id="a@pve!b",
        tls="insecure",
    )
    settings, clock, bus = Settings(cluster=cluster), ManualClock(), Bus()
    store = Store(tmp_path / "jarvis.db")
    feed = Feed(store, bus, clock)
    incidents = Incidents(store, bus, feed, clock, settings)
    places = Places(tmp_path, tmp_path, tmp_path, tmp_path)
    tools = ToolsRoom(settings, places, bus, store, feed, clock)
    filled = tools.registry
    room = ClusterRoom(settings, places, bus, store, feed, incidents, clock)
    room.register_tools(filled)
    register_incident_tools(filled, incidents)
    NotifyRoom(settings, places, bus, store, feed, clock, audit_head=no_head).register_tools(filled)
    Remediation(
        settings, places, bus, store, feed, clock, tools, ask_second=room.second_look, ask_orders=room.boot_orders,
        in_window=lambda now: False,
    )  # fmt: skip
    AssistantRoom(settings, places, bus, store, feed, clock, tools, Names())
    await room.scene.px.close()
    return filled


async def no_head() -> str:
    return ""


async def test_the_table_of_tiers(registry: Registry) -> None:
    assert {spec.name: spec.base_tier for spec in registry.all()} == TIERS


async def test_how_much_is_done_alone_is_the_operator_s_choice(registry: Registry) -> None:
    assert {spec.name for spec in registry.all() if spec.operator_only} == {
        "trust_runbook", "distrust_runbook", "set_autonomy", "unset_autonomy", "set_alias", "unset_alias",
        "import_memories",
    }  # fmt: skip


async def test_every_tool_that_writes_knows_its_target_reads_back_and_speaks(registry: Registry) -> None:
    for spec in registry.all():
        if spec.writes:
            assert spec.resolve is not None, spec.name
            assert spec.verify is not None, spec.name
            assert spec.sentences is not None, spec.name
            assert spec.sentences.doing, spec.name


async def test_every_tool_bounds_its_arguments(registry: Registry) -> None:
    """No text or list without an end, no number without bounds, nothing undeclared."""
    loose = [f"{spec.name}.{where}" for spec in registry.all() for where in unbounded(spec)]
    assert loose == []


def unbounded(spec: ToolSpec) -> list[str]:
    schema = spec.input_schema()
    assert schema.get("additionalProperties") is False, spec.name
    found = []
    for name, rules in schema.get("properties", {}).items():
        for one in rules.get("anyOf", [rules]):
            kind = one.get("type")
            if kind == "string" and not {"enum", "maxLength", "pattern", "format"} & set(one):
                found.append(name)
            if kind == "array" and "maxItems" not in one:
                found.append(name)
            if kind in {"integer", "number"} and not (
                {"minimum", "exclusiveMinimum"} & set(one) and {"maximum", "exclusiveMaximum"} & set(one)
            ):
                found.append(name)
    return found
