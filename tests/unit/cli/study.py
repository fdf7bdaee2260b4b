"""What the assistant remembers, costs and explains, fixed: behind the front door for the command line's tests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.protocol import mind
from tests.golden.homelab import DAY, NOW

MEMORIES = [
    mind.MemoryItem(
        id=12, tier="lasting", kind="preference", text="prefers short answers", source="operator", trust="operator",
        happened_at=NOW - 3 * DAY, created_at=NOW - 3 * DAY, used_at=NOW - 60, uses=4,
    ),
    mind.MemoryItem(
        id=31, tier="episodic", kind="incident", subject="guest:105", source="incident:5", trust="tainted",
        text="pihole stopped, and no task explains it \x1b[31m; it was put back after 43 s",
        happened_at=NOW - 3600, created_at=NOW - 3500, expires_at=NOW + 29 * DAY,
    ),
    mind.MemoryItem(
        id=9, tier="lasting", kind="fact", subject="nas", text="the NAS has 4 disks", source="operator",
        trust="operator", happened_at=NOW - 90 * DAY, created_at=NOW - 90 * DAY, superseded_by=12,
    ),
]  # fmt: skip
PAGE = "## lasting\n### preference\n- [12] 2026-11-17 prefers short answers\n"
COST = mind.CostResult(
    rows=[
        mind.CostRow(
            day="2026-11-20", model="anthropic/claude-sonnet-4-5", calls=14, failed=1, input_tokens=183_400,
            output_tokens=5_120, cached_tokens=151_000, written_tokens=12_000, usd=0.2312, first_token_ms=812.4,
            total_ms=4_420.0,
        ),
        mind.CostRow(
            day="2026-11-20", model="qwen2.5-7b-instruct", calls=41, input_tokens=90_210, output_tokens=4_004,
            first_token_ms=240.0, total_ms=1_900.0,
        ),
    ],
    today_usd=0.2312, month_usd=8.41, daily_cap_usd=2.0, monthly_cap_usd=10.0, prices="2026-11-01",
)  # fmt: skip
MODELS = mind.ModelsResult(models=[
    mind.ModelInfo(
        name="local", model="qwen2.5-7b-instruct", place="lan", enabled=True, healthy=True, window_tokens=32_768
    ),
    mind.ModelInfo(
        name="cloud", model="anthropic/claude-sonnet-4-5", place="cloud", enabled=True, breaker="open",
        why="it failed three times within a minute: the key was refused", native_tools=True, window_tokens=200_000,
    ),
    mind.ModelInfo(name="embedded", model="smollm2-135m-instruct", why="it is not switched on"),
])  # fmt: skip
TRACE = mind.TraceShown(
    id="t41", turn=41, at=NOW - 30, asked="why was nextcloud slow last night", backend="local qwen2.5-7b-instruct",
    spans=[
        mind.TraceSpan(name="intent", began_ms=0.1, lasted_ms=0.4),
        mind.TraceSpan(name="context", began_ms=0.5, lasted_ms=21.0, note="1,180 tokens"),
        mind.TraceSpan(name="first token", began_ms=21.5, lasted_ms=310.0),
        mind.TraceSpan(name="tool", began_ms=420.0, lasted_ms=180.0, note="get_guest_history"),
        mind.TraceSpan(name="tokens", began_ms=331.5, lasted_ms=1_668.5, note="112 at 67 tok/s"),
        mind.TraceSpan(name="total", began_ms=0.0, lasted_ms=2_000.0),
    ],
)  # fmt: skip
EXPLAINED = mind.IncidentExplained(
    id="1", title="pve does not answer",
    evidence=[
        "pve has not been seen since 21:46:51", "agent1 and Home agree that it is offline",
        "a backup of nextcloud ran there until 21:46:40",
    ],
    causes=[
        mind.Cause(
            text="It lost power, or it hangs", speaks_for=["nothing on it answers, SSH included"],
            against=["the switch still sees its link"],
        ),
        mind.Cause(text="Its network is gone", speaks_for=["the link flapped twice this week"]),
    ],
    advice=[
        mind.Advice(
            text="Wake it", tool="wake_node", args={"node": "pve"}, tier="yellow", command="jarvis node wake pve"
        ),
        mind.Advice(
            text="Look at what it wrote last", tool="get_journal", args={"node": "pve", "service": "pvestatd"},
            tier="green",
        ),
    ],
)  # fmt: skip


@dataclass
class Study:
    """``asked``: the parameters of each call, in order."""

    asked: list[Any] = field(default_factory=list)

    def offer(self, bus: Bus, *, trace: bool = True) -> None:
        answers = {
            "cost.show": COST, "models.show": MODELS, "memory.export": mind.MemoryExported(PAGE, 1),
            **({"trace.show": TRACE} if trace else {}),
        }  # fmt: skip
        for method, answer in answers.items():
            bus.offer(method, self._fixed(answer))
        bus.offer("memory.list", self._list, roles={"operator"})
        bus.offer("memory.search", self._list, roles={"operator"})
        bus.offer("memory.compare", self._compare, roles={"operator"})
        bus.offer("incident.explain", self._explain)

    def _fixed(self, answer: Any) -> Any:
        def handler(params: Any, who: Principal) -> Any:
            self.asked.append(params)
            return answer

        return handler

    def _list(self, params: Any, who: Principal) -> mind.MemoryListResult:
        self.asked.append(params)
        everything = getattr(params, "all", True)
        return mind.MemoryListResult([one for one in MEMORIES if everything or one.superseded_by is None])

    def _compare(self, params: mind.MemoryCompare, who: Principal) -> mind.MemoryCompared:
        self.asked.append(params)
        sha256 = hashlib.sha256(params.markdown.encode()).hexdigest()
        if params.markdown == PAGE:
            return mind.MemoryCompared(sha256=sha256)
        diff = ["+ the UPS feeds pve", "~ [12] prefers short answers -> prefers very short answers"]
        return mind.MemoryCompared(diff, added=1, changed=1, sha256=sha256)

    def _explain(self, params: mind.IncidentExplain, who: Principal) -> mind.IncidentExplained:
        self.asked.append(params)
        if not params.prose:
            return EXPLAINED
        told = {name: getattr(EXPLAINED, name) for name in ("id", "title", "evidence", "causes", "advice")}
        return mind.IncidentExplained(
            **told, prose="**pve** fell silent, sir, in the middle of a backup.", backend="local test"
        )
