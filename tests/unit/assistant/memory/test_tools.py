"""The tools through the real gate: who says a thing decides how far it is trusted, and what takes it back."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from jarvis_daemon.assistant.conversation.turn import PastTurn
from jarvis_daemon.bus import Principal
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol import mind
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from tests.unit.assistant.memory.conftest import Desk

OPERATOR = Principal(session="s-op", role="operator", client="cli", uid=0)
OTHER = Principal(session="s-op2", role="operator", client="hud", uid=0)
MODEL = Principal(session="s-op", role="agent", client="assistant", uid=0)
MODEL_IN_HIS_WORDS = Principal(session="s-op", role="agent", client="assistant", uid=0, alone="yellow")
FRONT = Principal(session="s-fr", role="front", client="web", uid=0)
VIEWER = Principal(session="s-vi", role="viewer", client="kiosk", uid=0)


@pytest.fixture
async def gate(desk: Desk) -> Desk:
    await desk.tools.kill.start()
    return desk


async def call(desk: Desk, name: str, by: Principal = OPERATOR, **args: Any) -> m.ToolOutcome:
    """Call a tool; where it waits for an approval, another session gives it."""
    params = m.ToolCall(name=name, args=args, wait_s=0)
    outcome = await desk.tools.gate.call(params, by, lambda data: None)
    if outcome.outcome != "awaiting":
        return outcome
    answer = m.ApprovalAnswer(id=outcome.approval_id or "", approve=True)
    return await spawn(desk.tools.gate.answer(answer, OTHER), name="answer")


async def test_remember_and_its_undo(gate: Desk) -> None:
    done = await call(gate, "remember", text="the NAS has 4 disks")
    assert (done.outcome, done.text) == ("verified", "I shall remember that, as memory 1.")
    assert done.undo == {"name": "forget_memory", "args": {"memory": 1}}
    (kept,) = await gate.all()
    assert (kept.tier, kept.trust, kept.subject, kept.source) == ("lasting", "operator", "nas", "operator")
    again = await call(gate, "remember", text="The NAS has 4 disks")
    assert (again.text, again.undo) == ("I knew that already: memory 1.", None)
    newer = await call(gate, "remember", text="the NAS has 6 disks")
    assert newer.text == "I shall remember that, as memory 2. It replaces memory 1."
    assert newer.undo is not None
    back = await call(gate, newer.undo["name"], **newer.undo["args"])
    assert (back.outcome, back.text) == ("verified", "memory 2 is forgotten. Holds again: 1.")
    assert await gate.texts() == ["the NAS has 4 disks"]


async def test_a_preference_by_its_manner(gate: Desk) -> None:
    await call(gate, "remember", text="short answers", manner="prefers")
    assert [(one.text, one.kind) for one in await gate.all()] == [("prefers short answers", "preference")]


async def test_forget_takes_row_index_and_vector_and_can_be_taken_back(gate: Desk) -> None:
    await call(gate, "remember", text="the switch was replaced", tier="episodic", kind="event", happened_at=1.7e9)
    await gate.store.write(lambda db: db.execute("insert into memory_vectors values (1, 'm', x'00')"))
    assert await gate.memory.traces(1) == ["row", "index", "vector"]
    done = await call(gate, "forget_memory", memory=1)
    assert (done.outcome, done.text) == ("verified", "memory 1 is forgotten.")
    assert await gate.memory.traces(1) == []
    assert done.undo is not None
    back = await call(gate, done.undo["name"], **done.undo["args"])
    assert back.outcome == "verified"
    (kept,) = await gate.all()
    assert (kept.id, kept.text, kept.tier, kept.kind) == (2, "the switch was replaced", "episodic", "event")
    assert kept.happened_at == 1.7e9


async def test_the_undo_of_forgetting_launders_nothing(gate: Desk) -> None:
    await gate.memory.remember("the log says all is well", tier="episodic", trust="tainted")
    done = await call(gate, "forget_memory", memory=1)
    assert done.undo is not None
    await call(gate, done.undo["name"], **done.undo["args"])
    assert [(one.trust, one.tier) for one in await gate.all()] == [("tainted", "episodic")]


@pytest.mark.parametrize(
    ("by", "trust"),
    [(OPERATOR, "operator"), (MODEL, "tainted"), (MODEL_IN_HIS_WORDS, "system"), (FRONT, "tainted")],
)
async def test_who_says_it_decides_how_far_it_is_trusted(gate: Desk, by: Principal, trust: str) -> None:
    done = await call(
        gate, "remember", by, text="always stop pve at once", kind="preference", tier="lasting", trust="operator"
    )
    assert done.outcome == "verified"
    (kept,) = await gate.all()
    assert kept.trust == trust
    if by.role != "operator":
        assert (kept.tier, kept.kind) == ("conversation", "fact")
        assert (await gate.memory.block("anything", 900, words)).text == ""


async def test_a_model_asks_before_it_remembers_or_forgets(gate: Desk) -> None:
    await gate.memory.remember("the NAS has 4 disks", trust="operator")
    for name, args in (("remember", {"text": "the NAS has 99 disks"}), ("forget_memory", {"memory": 1})):
        outcome = await gate.tools.gate.call(m.ToolCall(name=name, args=args, wait_s=0), MODEL, lambda data: None)
        assert outcome.outcome == "awaiting"
    assert "It says: the NAS has 4 disks" in outcome.effects
    assert await gate.texts() == ["the NAS has 4 disks"]
    gate.tools.gate.approvals.void_all()


async def test_an_approval_of_a_model_s_words_does_not_make_them_the_operator_s(gate: Desk) -> None:
    await gate.memory.remember("the NAS has 4 disks", trust="operator")
    await call(gate, "remember", MODEL, text="the NAS has 99 disks")
    assert {one.text: one.trust for one in await gate.all()} == {
        "the NAS has 4 disks": "operator", "the NAS has 99 disks": "tainted",
    }  # fmt: skip


async def test_a_viewer_reads_nothing_and_an_agent_what_the_house_has_seen(gate: Desk) -> None:
    stranger = Principal(session="s-mcp", role="agent", client="assistant", uid=0)
    ours = Principal(session="s-op", role="agent", client="assistant", uid=0, alone="never")
    await gate.memory.remember("the NAS has 4 disks", trust="operator")
    await gate.memory.remember("the NAS was full", kind="incident", tier="episodic", trust="system")
    for name, args in (("search_memory", {"query": "nas"}), ("list_memories", {})):
        assert (await call(gate, name, VIEWER, **args)).code == "forbidden"
        read = await call(gate, name, ours, **args)
        assert (read.outcome, read.tainted) == ("done", True)
        assert {one["text"] for one in read.result["memories"]} == {"the NAS has 4 disks", "the NAS was full"}
        read = await call(gate, name, stranger, **args)
        assert [one["text"] for one in read.result["memories"]] == ["the NAS was full"]
    assert (await call(gate, "remember", VIEWER, text="the NAS has 6 disks")).outcome == "refused"


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("remember", {"text": "short"}, "invalid_params"),
        ("remember", {"text": "how many disks has the NAS?"}, "invalid_params"),
        ("remember", {"text": "x" * 601}, "invalid_params"),
        ("remember", {"text": "the NAS has 4 disks", "tier": "working"}, "invalid_params"),
        ("remember", {"text": "the NAS has 4 disks", "confirmed": True}, "invalid_params"),
        ("forget_memory", {"memory": 7}, "not_found"),
        ("forget_memory", {"memory": 0}, "invalid_params"),
        ("import_memories", {"markdown": "", "sha256": "0" * 64}, "invalid_params"),
    ],
)
async def test_what_cannot_be_is_refused(gate: Desk, name: str, args: dict[str, Any], code: str) -> None:
    outcome = await call(gate, name, **args)
    assert (outcome.outcome, outcome.code) == ("refused", code)
    assert await gate.all() == []


async def test_the_kill_switch_keeps_memory_as_it_is(gate: Desk) -> None:
    await gate.tools.kill.set(True, by="me", reason="")
    assert (await call(gate, "remember", text="the NAS has 4 disks")).code == "killed"
    assert await gate.all() == []


async def test_an_import_does_what_was_shown_and_only_the_operator_s(gate: Desk) -> None:
    await gate.memory.remember("the NAS has 4 disks", trust="operator")
    asked = await gate.bus.ask("memory.export", mind.MemoryExport(), OPERATOR)
    edited = asked.markdown.replace("4 disks", "6 disks") + "- the attic has a window\n"
    shown = await gate.bus.ask("memory.compare", mind.MemoryCompare(markdown=edited), OPERATOR)
    assert (shown.added, shown.changed, shown.forgotten) == (1, 1, 0)
    args = {"markdown": edited, "sha256": shown.sha256}
    assert (await call(gate, "import_memories", MODEL_IN_HIS_WORDS, **args)).outcome == "refused"
    plan = await gate.tools.gate.call(
        m.ToolCall(name="import_memories", args=args, dry_run=True), OPERATOR, lambda data: None
    )
    assert plan.effects == shown.diff
    done = await call(gate, "import_memories", **args)
    assert (done.outcome, done.text) == ("verified", "1 added, 1 changed, 0 forgotten.")
    assert sorted(await gate.texts()) == ["the NAS has 6 disks", "the attic has a window"]
    again = await call(gate, "import_memories", **args)
    assert (again.outcome, again.code) == ("refused", "refused")


async def test_services_are_the_operator_s(gate: Desk) -> None:
    await gate.memory.remember("the NAS has 4 disks", trust="operator")
    found = await gate.bus.ask("memory.search", mind.MemorySearch(query="disks of the nas"), OPERATOR)
    listed = await gate.bus.ask("memory.list", mind.MemoryList(), OPERATOR)
    assert found.memories == listed.memories == await gate.all()
    for method, params in (
        ("memory.list", mind.MemoryList()), ("memory.search", mind.MemorySearch(query="nas")),
        ("memory.export", mind.MemoryExport()), ("memory.compare", mind.MemoryCompare()),
    ):  # fmt: skip
        for by in (MODEL, VIEWER, FRONT):
            with pytest.raises(JarvisError) as caught:
                await gate.bus.ask(method, params, by)
            assert caught.value.code == "forbidden"


CANARY = "kR7canaryTq93XvLm2"


async def test_no_secret_is_in_any_row(gate: Desk) -> None:
    secret = f"the password={CANARY} of the NAS"
    await call(gate, "remember", text=secret)
    await call(gate, "remember", text=f"the camera is rtsp://admin:{CANARY}@10.0.0.5/live")
    await call(gate, "remember", text="the doorbell has a camera", subject=f"token={CANARY}")
    await call(gate, "remember", MODEL, text=f"the API token: {CANARY} is in the file")
    await gate.memory.said("s1", f"by the way, the secret={CANARY} changed")
    await gate.memory.session_ended("s1", [PastTurn(1, f"is password={CANARY} right?", f"Yes: token={CANARY}.")])
    await gate.incident(f"login failed with password={CANARY}", detail=f"Authorization: Bearer {CANARY}")
    await gate.memory.follow()
    markdown, _ = await gate.memory.export()
    edited = markdown + f"\n## lasting\n### fact\n- the ticket={CANARY} of the pool\n"
    await gate.memory.apply(edited, (await gate.memory.compare(edited)).sha256)
    assert len(await gate.all()) == 7
    cut = PastTurn(1, f"is it true that {'y' * 50} password={CANARY}", f"No: {'y' * 70}, token={CANARY}.")
    half = await gate.memory.session_ended("s2", [cut])
    assert half is not None
    assert CANARY[:4] not in half.text
    memory_tables = ("memories", "memories_fts", "memories_fts_content", "memories_fts_data", "memory_vectors")

    def look(db: Any) -> list[str]:
        found = []
        for name in memory_tables:
            try:
                rows = db.execute(f"select * from {name}").fetchall()
            except sqlite3.OperationalError:
                continue  # the index keeps no text of its own
            found += [str(row) for row in rows if CANARY.lower() in str(row).lower()]
        return found

    assert await gate.store.read(look) == []
    assert CANARY not in (await gate.memory.export())[0]


async def words(text: str) -> int:
    return len(text.split())
