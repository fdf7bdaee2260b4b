"""State topics: what a delta holds, what is urgent, what the ring remembers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.bus import StateTopic
from jarvis_daemon.protocol.mirror import Mirror
from jarvis_daemon.protocol.state import Guest, Node


def node(**fields: object) -> Node:
    return Node(id="node:pve", name="pve", **fields)  # type: ignore[arg-type]


def test_a_delta_holds_only_changed_fields() -> None:
    topic = StateTopic("cluster")
    topic.apply({"nodes": {"node:pve": node(cpu=0.1, status="online")}})
    delta = topic.apply({"nodes": {"node:pve": node(cpu=0.2, status="online")}})
    assert delta is not None
    assert delta.set == {"nodes/node:pve": {"cpu": 0.2}}
    assert topic.plain["nodes"]["node:pve"]["cpu"] == 0.2
    assert topic.get("nodes", "node:pve", Node) == node(cpu=0.2, status="online")


def test_numbers_are_not_urgent_and_everything_else_is() -> None:
    topic = StateTopic("cluster")
    first = topic.apply({"nodes": {"node:pve": node(cpu=0.1, status="online")}})
    number = topic.apply({"nodes": {"node:pve": node(cpu=0.2, status="online")}})
    status = topic.apply({"nodes": {"node:pve": node(cpu=0.2, status="offline")}})
    gone = topic.remove("nodes", "node:pve")
    assert [d.urgent for d in (first, number, status, gone) if d] == [True, False, True, True]


def test_nothing_changed_is_no_delta() -> None:
    topic = StateTopic("cluster")
    topic.apply({"nodes": {"node:pve": node()}})
    assert topic.apply({"nodes": {"node:pve": node()}}) is None
    assert topic.remove("nodes", "node:unknown") is None
    assert topic.seq == 1


def test_replace_removes_what_is_missing_from_named_collections_only() -> None:
    topic = StateTopic("cluster")
    topic.apply({"nodes": {"node:pve": node()}, "guests": {"guest:1": Guest(id="guest:1")}})
    delta = topic.replace({"guests": {}})
    assert delta is not None
    assert delta.delete == ["guests/guest:1"]
    assert "node:pve" in topic.plain["nodes"]


def test_the_ring_answers_what_it_still_has() -> None:
    topic = StateTopic("cluster")
    for step in range(300):
        topic.apply({"nodes": {"node:pve": node(cpu=step / 300)}})
    assert topic.since(topic.seq) == []
    assert [d.seq for d in topic.since(topic.seq - 2) or []] == [topic.seq - 1, topic.seq]
    assert topic.since(1) is None
    assert topic.since(topic.seq + 5) is None


values = st.one_of(st.none(), st.integers(0, 5))
steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["set", "remove"]), values, st.sampled_from(["x", "y"])),
    max_size=40,
)


@given(steps)
def test_a_mirror_fed_with_deltas_equals_the_topic(changes: list[tuple[str, str, int | None, str]]) -> None:
    topic, mirror = StateTopic("cluster"), Mirror()
    mirror.snapshot("cluster", 0, {})
    topic.listen(lambda d: mirror.delta(d.topic, d.seq, d.set, d.delete))
    for key, act, value, name in changes:
        if act == "remove":
            topic.remove("guests", key)
        else:
            topic.apply({"guests": {key: Guest(id=key, name=name, memory_used_bytes=value)}})
    mine = {c: e for c, e in mirror.state["cluster"].items() if e}
    assert mine == {c: e for c, e in topic.plain.items() if e}
