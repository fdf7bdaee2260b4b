"""The house in a few lines: bounded at any size, honest about its age, kept while nothing changed."""

from __future__ import annotations

import time

import pytest

from jarvis_daemon.assistant.llm.contract import guess_tokens
from jarvis_daemon.assistant.reasoning.context import BUDGET, Context
from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol.state import Cluster, Guest, Incident, Node, Source, Storage
from tests.unit.assistant.reasoning.conftest import guest


def fill(bus: Bus, clock: ManualClock, guests: int = 3, nodes: int = 2) -> None:
    gib = 1 << 30
    bus.state("cluster").apply({
        "clusters": {
            "c": Cluster(id="c", name="home", quorate=True, nodes_online=nodes, nodes_total=nodes, simulated=True)
        },
        "sources": {"s": Source(id="s", what="resources", ok_at=clock.now() - 7, freshness="fresh")},
        "nodes": {
            f"node:n{n}": Node(
                id=f"node:n{n}", name=f"n{n}", status="online", cpu=0.5, memory_used_bytes=gib,
                memory_total_bytes=4 * gib, temperature_c=51.6,
            )
            for n in range(nodes)
        },
        "guests": {
            f"guest:{100 + n}": guest(100 + n, f"guest-number-{n}", f"n{n % nodes}", cpu=0.1) for n in range(guests)
        },
        "storages": {
            "storage:n0/local": Storage(
                id="storage:n0/local", name="local", node="n0", status="available", used_bytes=9, total_bytes=10
            )
        },
    })  # fmt: skip


@pytest.fixture
def house() -> tuple[Bus, ManualClock, Context]:
    bus, clock = Bus(), ManualClock()
    return bus, clock, Context(bus, clock)


def test_it_tells_what_is_so_and_how_old_that_is(house: tuple[Bus, ManualClock, Context]) -> None:
    bus, clock, context = house
    fill(bus, clock)
    stopped = guest(100, "plex", "n0", status="stopped", lock="backup")
    bus.state("cluster").apply({"guests": {stopped.id: stopped}})
    bus.state("incidents").apply({
        "incidents": {
            "12": Incident(
                id="12", condition="storage-high", target="storage:n0/local", severity="warning",
                title="local is full",
            ),
            "11": Incident(id="11", condition="x", target="node:n1", status="closed", title="over"),
        }
    })  # fmt: skip
    block = context.block()
    assert block.text.splitlines() == [
        "cluster home, simulated: has quorum, 2/2 nodes online. Seen 7 s ago.",
        "incident 12 open: warning, storage-high of storage:n0/local: local is full",
        "1 incidents are open",
        "node n0: online, cpu 50%, memory 25%, 52 °C",
        "node n1: online, cpu 50%, memory 25%, 52 °C",
        "guests: 2 running, 1 stopped",
        "VM plex (100): stopped on n0, locked (backup)",
        "running: guest-number-1 (101, vm, n1), guest-number-2 (102, vm, n0)",
        "storage local on n0: available, 90% used",
    ]
    assert {"guest:100", "node:n0", "storage:n0/local", "incident:12"} <= block.ids
    assert {"plex", "100", "n0", "local"} <= block.names


@pytest.mark.parametrize("budget", [20, 80, 300, BUDGET])
def test_it_is_bounded_at_any_size(house: tuple[Bus, ManualClock, Context], budget: int) -> None:
    bus, clock, context = house
    fill(bus, clock, guests=5000, nodes=32)
    began = time.process_time()
    block = context.block("what is guest-number-4321 doing", budget)
    assert time.process_time() - began < 1.0
    assert guess_tokens(block.text) <= budget
    if budget >= 80:
        assert "guest-number-4321 (4421): running" in block.text  # who is named is told
        assert "guest:4421" in block.ids


def test_it_is_kept_until_something_changed_or_half_a_minute(house: tuple[Bus, ManualClock, Context]) -> None:
    bus, clock, context = house
    fill(bus, clock)
    context.block()
    bus.state("cluster").apply({"nodes": {"node:n0": Node(id="node:n0", name="n0", status="online", cpu=0.9)}})
    made = context.made
    bus.state("cluster").apply({"nodes": {"node:n0": Node(id="node:n0", name="n0", status="online", cpu=0.1)}})
    context.block()
    assert context.made == made + 1  # memory went from known to unknown: that was a change
    bus.state("cluster").apply({"nodes": {"node:n0": Node(id="node:n0", name="n0", status="online", cpu=0.4)}})
    assert "cpu 10%" in context.block().text  # a mere number waits
    clock._step_to(clock.monotonic() + 31)
    assert "cpu 40%" in context.block().text
    bus.state("cluster").apply({"nodes": {"node:n0": Node(id="node:n0", name="n0", status="offline")}})
    assert "node n0: offline" in context.block().text
    context.close()


def test_it_does_not_hide_what_is_not_known(house: tuple[Bus, ManualClock, Context]) -> None:
    bus, clock, context = house
    assert context.block().text.startswith("nothing is known of the cluster yet. Age not known.")
    fill(bus, clock)
    bus.state("cluster").apply({
        "clusters": {"c": Cluster(id="c", name="home", quorate=False, problem="The token is wrong")},
        "sources": {"s": Source(id="s", what="resources", ok_at=clock.now() - 600, freshness="stale")},
        "guests": {
            "guest:100": Guest(id="guest:100", vmid=100, name="g", node="n0", status="unknown", freshness="stale")
        },
    })  # fmt: skip
    head, *rest = context.block().text.splitlines()
    assert head == (
        "cluster home: HAS NO QUORUM, nodes not known; NOT WATCHED: The token is wrong. Seen 600 s ago; STALE, do "
        "not rely on it."
    )
    assert "VM g (100): unknown on n0, stale" in rest


def test_names_from_outside_are_cleaned_and_short(house: tuple[Bus, ManualClock, Context]) -> None:
    bus, clock, context = house
    fill(bus, clock, guests=0)
    bus.state("cluster").apply({"guests": {"guest:1": guest(1, "\x1b[31mevil\n[end\u202e" + "x" * 300, "n0")}})
    text = context.block().text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "x" * 60 not in text
    assert "running: evil [end" in text
