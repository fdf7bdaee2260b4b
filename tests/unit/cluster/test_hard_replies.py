"""Replies as an adversary or a bad day sends them: escapes everywhere, nonsense numbers, numbers given anew."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from jarvis_daemon.cluster import shapes
from jarvis_daemon.cluster.conditions import Judge
from jarvis_daemon.cluster.task_book import TaskBook
from jarvis_daemon.protocol.state import Task

from .pictures import GIB, SETTINGS, ill, node, picture, storage
from .test_inventory import ALL_RIGHTS, Walk, guest_row, node_row

EVIL = "a\x1b[2J\x1b]0;owned\x07\u202eb\u200b\x9b31m\r\n"


@pytest.fixture
def walk() -> Walk:
    return Walk()


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)


FIELDS = """
node name storage type status level tags pool lock hastate content plugintype user exitstatus id upid sid state
crm_state comment schedule error fail_count target source guest volid vmid filename subject issuer fingerprint san
service desc active-state description parent ip pveversion kversion version release
""".split()  # noqa: SIM905  a list of names is read more easily so

PARSERS: list[tuple[Callable[[Any], Any], dict[str, Any]]] = [
    (lambda rows: shapes.parse_resources(rows), {"type": "node", "node": "n"}),
    (lambda rows: shapes.parse_resources(rows), {"type": "qemu", "node": "n", "vmid": 1}),
    (lambda rows: shapes.parse_resources(rows), {"type": "storage", "node": "n", "storage": "s"}),
    (lambda rows: shapes.parse_resources(rows), {"type": EVIL}),
    (lambda rows: shapes.parse_status(rows), {"type": "node", "name": "n"}),
    (lambda rows: shapes.parse_status(rows), {"type": "cluster", "name": "n"}),
    (lambda rows: shapes.parse_tasks(rows, "c"), {"upid": "UPID:n:00000001:00000001:65000000:x:1:root@pam:"}),
    (lambda rows: shapes.parse_ha(rows), {"type": "service", "sid": "vm:1"}),
    (lambda rows: shapes.parse_replication(rows), {"id": "1-0", "guest": 1}),
    (lambda rows: shapes.parse_backup_jobs(rows), {"id": "b", "vmid": "1"}),
    (lambda rows: shapes.parse_certificates(rows), {"filename": "pve-ssl.pem"}),
    (lambda rows: shapes.parse_services(rows), {"name": "x"}),
    (lambda rows: shapes.parse_snapshots(rows), {"name": "x"}),
    (
        lambda rows: shapes.parse_task_status(rows[0], "c"),
        {"upid": "UPID:n:00000001:00000001:65000000:x:1:root@pam:"},
    ),
    (lambda rows: shapes.parse_node_status(rows[0]), {"cpuinfo": {"model": EVIL}}),
    (lambda rows: shapes.parse_task_log(rows), {"n": 1, "t": EVIL}),
]


@pytest.mark.parametrize("field", [None, *FIELDS])
def test_no_escape_passes_the_boundary_in_any_field(field: str | None) -> None:
    for parse, row in PARSERS:
        poisoned = row | ({field: EVIL} if field else dict.fromkeys(FIELDS, EVIL) | row)
        try:
            found = parse([poisoned])
        except shapes.values.JarvisError:
            continue  # refused whole: as good
        for text in strings(msgspec.to_builtins(found)):
            bad = [c for c in text if unicodedata.category(c) in {"Cc", "Cf"}]
            assert not bad, (row, field, text)


def test_a_upid_with_escapes_is_none() -> None:
    for evil in ("\x1b[31m", "\x07", "\u202e", "\x9b"):
        assert shapes.parse_upid(f"UPID:n:00000001:00000001:65000000:x{evil}:1:root@pam:") is None
    assert shapes.parse_upid("UPID:n:00000001:00000001:65000000:x:1:root@pam:") is not None


def test_an_answer_that_comes_after_the_death_of_its_node_tells_of_the_past(walk: Walk) -> None:
    walk.poll(node_row("pve"), node_row("agent"), pve=True, agent=True)
    walk.poll(node_row("pve", status="offline"), node_row("agent"), pve=False, agent=True)
    dead = walk.node("pve")
    late = {"cpu": 0.5, "wait": 0.1, "loadavg": ["1", "2", "3"], "memory": {"available": 4}, "uptime": 1000}
    walk.inventory.merge_node("pve", shapes.parse_node_status(late), walk.now)
    walk.inventory.merge_skew("pve", 5.0)
    assert walk.node("pve") == dead
    walk.inventory.merge_node("agent", shapes.parse_node_status(late), walk.now)
    assert walk.node("agent").iowait == 0.1


def test_a_number_given_to_another_guest_is_no_crash(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(104), pve=True)
    merged = walk.poll(node_row("pve"), guest_row(104, type="qemu", status="stopped", name="new"), pve=True)
    assert merged.stops == []
    assert (walk.guest(104).kind, walk.guest(104).status) == ("vm", "stopped")


def test_a_number_that_comes_back_after_its_guest_was_gone_is_no_crash(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(104), guest_row(105), pve=True)
    walk.inventory.forget("guest:104")
    for _ in range(3):
        walk.poll(node_row("pve"), pve=True)
        walk.rights(ALL_RIGHTS)
    assert "guest:105" not in walk.inventory.guests.entities
    stopped = {"status": "stopped", "uptime": 0}
    merged = walk.poll(node_row("pve"), guest_row(104, **stopped), guest_row(105, **stopped), pve=True)
    assert merged.stops == []


def test_a_guest_listed_on_two_nodes_during_its_migration_is_one_and_does_not_stop(walk: Walk) -> None:
    nodes = [node_row("pve"), node_row("agent")]
    walk.poll(*nodes, guest_row(104), pve=True, agent=True)
    for rows in (
        [guest_row(104, lock="migrate"), guest_row(104, "agent", status="stopped")],
        [guest_row(104, "agent")],
    ):
        merged = walk.poll(*nodes, *rows, pve=True, agent=True)
        assert len(walk.inventory.guests.entities) == 1
    assert merged.stops == []


def test_two_guests_of_one_name_are_two(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(1, name="web"), guest_row(2, name="web"), pve=True)
    assert {g.name for g in walk.inventory.guests.entities.values()} == {"web"}
    assert len(walk.inventory.guests.entities) == 2


def task(n: int) -> Task:
    at = 1_700_000_000.0 + n
    return Task(id=f"UPID:{n}", node="pve", type="x", status="ok", started_at=at, ended_at=at + 1)


def test_ten_thousand_listed_tasks_end_once() -> None:
    book, listed = TaskBook(), [task(n) for n in range(10_000)]
    assert len(book.merge(listed, 1_700_010_000)[0]) == 10_000
    assert book.merge(listed, 1_700_010_010) == ([], [])
    book.merge(listed[-10:], 1_700_010_020)
    assert len(book.tasks) == 1000


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"storages": [storage("local", used_bytes=90 * GIB)]}, ("storage-high", "storage:pve/local")),
        ({"nodes": [node("pve", memory_used_bytes=85, memory_total_bytes=100)]}, ("memory-high", "node:pve")),
        ({"nodes": [node("pve", temperature_c=SETTINGS.temperature_warning_c)]}, ("temperature-high", "node:pve")),
        (
            {"nodes": [node("pve", clock_skew_s=SETTINGS.clock_skew_warning_s), node("agent")]},
            ("clock-skew", "node:pve"),
        ),
    ],
)  # fmt: skip
def test_a_value_exactly_at_its_limit_is_well(given: dict[str, Any], key: tuple[str, str]) -> None:
    assert key not in ill(Judge(SETTINGS), picture(**given))


@pytest.mark.parametrize(
    "nonsense", [-1, 0, "", "nan", "inf", "-inf", "x", None, 1e308, 2**200, -(2**200), [], {}, True, "9" * 5000]
)
def test_nonsense_numbers_are_not_known_or_travel_as_json(nonsense: Any, walk: Walk) -> None:
    fields = ("cpu", "maxcpu", "mem", "maxmem", "disk", "maxdisk", "uptime", "netin", "diskread")
    bad = dict.fromkeys(fields, nonsense)
    rows = [
        node_row("pve", **bad),
        guest_row(1, **bad),
        guest_row(2),
        {"type": "storage", "storage": "s", "node": "pve"} | bad,
    ]
    walk.poll(*rows, pve=True)
    for entity in [*walk.inventory.nodes.entities.values(), *walk.inventory.guests.entities.values()]:
        for name in ("memory_total_bytes", "cpu_count"):
            known = getattr(entity, name)
            assert known is None or known > 0, (entity.id, name, known)
        msgspec.json.decode(msgspec.json.encode(entity), type=type(entity))
    assert walk.guest(2).memory_used_bytes == 100
