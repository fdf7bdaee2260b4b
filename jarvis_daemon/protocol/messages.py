"""What is said on the wire: JSON-RPC 2.0 in text frames, the parameters and results of each method.

Client to daemon are *calls* (``CALLS``); daemon to client are *notifications* (``NOTIFICATIONS``).
Unknown fields are ignored and missing ones defaulted, so an older and a newer version can talk; the two
sides agree on a number of the protocol in ``hello``.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from jarvis_daemon.protocol import mind
from jarvis_daemon.protocol.base import Message as Message
from jarvis_daemon.protocol.state import Check, FeedEvent, Repair

PROTOCOL_MIN: Final = 1
PROTOCOL_MAX: Final = 1
HELLO_TIMEOUT_S: Final = 5.0
MAX_FRAME_TO_DAEMON: Final = 1 << 20
MAX_FRAME_TO_CLIENT: Final = 16 << 20
EVENT_QUEUE_MAX: Final = 1024
DELTA_RING: Final = 256
MAX_HZ_DEFAULT: Final = 1.0

Role = Literal["operator", "viewer", "agent", "front", "worker", "runbook"]
"""operator: the person; viewer: reads only (kiosk); agent: a model or MCP client; front: the process with
the TCP port; worker: a process of the daemon's own, which needs a ticket; runbook: a repair, which is never a
session."""


# --- calls ---------------------------------------------------------------------------------------------


class Hello(Message):
    """First call of a session; nothing else is heard before it."""

    client: str = ""
    version: str = ""
    protocol: tuple[int, int] = (PROTOCOL_MIN, PROTOCOL_MAX)
    role: Role = "viewer"
    ticket: str | None = None
    """Of a worker: the one-time ticket it read from its standard input."""


class Welcome(Message):
    protocol: int = PROTOCOL_MAX
    daemon_version: str = ""
    boot_id: str = ""
    simulated: bool = False
    now: float = 0.0
    """The daemon's wall clock: clients age facts by it, not by their own."""
    session: str = ""
    role: Role = "viewer"


class Subscribe(Message):
    """``since`` maps a topic to the last ``seq`` the client has; with the same ``boot_id`` (state) or always
    (events) only what is newer is sent. Event topics without ``since`` begin with ``history`` past events."""

    topics: list[str] = []
    max_hz: float = MAX_HZ_DEFAULT
    since: dict[str, int] = {}
    boot_id: str | None = None
    history: int = 200


class Subscribed(Message):
    """``began_anew``: event topics whose numbering is behind the ``since`` that was given, since their store is
    another one now: what the client has of them is of the past, and it asks again without ``since``."""

    ok: bool = True
    began_anew: list[str] = []


class Unsubscribe(Message):
    topics: list[str] = []


class StateGet(Message):
    """One snapshot of each topic, with no subscription: what a CLI command needs.

    The result is ``{now, topics: {topic: {seq, settled, state}}}``. ``wait_s``: how long to wait for topics of
    which the daemon, just started, has no first picture yet (``settled`` false).
    """

    topics: list[str] = []
    wait_s: float = 0.0


class History(Message):
    """Past events, oldest first: the ``limit`` ones before ``before`` or after ``after`` (both exclusive)."""

    topic: str = "feed"
    before: int | None = None
    after: int | None = None
    since_at: float | None = None
    limit: int = 200


class MetricsHistory(Message):
    """Series for sparklines: ``points`` buckets over the last ``span_s`` seconds of each id and metric."""

    ids: list[str] = []
    metrics: list[str] = []
    span_s: float = 3600.0
    points: int = 60


class Series(Message):
    """``values[i]`` is the mean from ``start_at + i * step_s``; None where nothing is known."""

    start_at: float = 0.0
    step_s: float = 0.0
    values: list[float | None] = []


class MetricsHistoryResult(Message):
    """``series[id][metric]``; an id or metric of which nothing is known is absent."""

    series: dict[str, dict[str, Series]] = {}


class IncidentAck(Message):
    """``id`` as shown by `jarvis incident list`."""

    id: str = ""
    by: str = ""


class IncidentSilence(Message):
    """By incident ``id``, or by ``condition`` and ``target`` (``*`` is any); at most 30 days, with a reason."""

    id: str | None = None
    condition: str = "*"
    target: str = "*"
    duration_s: float = 3600.0
    reason: str = ""
    by: str = ""
    maintenance: bool = False
    starts_at: float | None = None


class IncidentUnsilence(Message):
    id: str = ""


class IncidentList(Message):
    """Closed incidents too: the newest ``limit``, matching ``status`` when given."""

    status: Literal["open", "closed"] | None = None
    limit: int = 100


class TaskLog(Message):
    """Log lines of a task from line ``start`` (0-based). With ``follow`` each batch comes as a ``progress``
    notification ``{lines: [...]}`` and the result when the task has ended."""

    upid: str = ""
    start: int = 0
    limit: int = 500
    follow: bool = False


class TaskLogResult(Message):
    upid: str = ""
    lines: list[str] = []
    next: int = 0
    status: str = "unknown"
    exit_text: str | None = None


class GuestDescribe(Message):
    """What is read on demand of one guest: its configuration, snapshots, addresses by the guest agent."""

    id: str = ""


class GuestDescription(Message):
    id: str = ""
    config: dict[str, Any] = {}
    snapshots: list[dict[str, Any]] = []
    addresses: list[str] | None = None
    """None: not known, and ``addresses_why`` says why (no agent, not running, no right)."""
    addresses_why: str | None = None


Outcome = Literal[
    "done",
    "planned",
    "awaiting",
    "refused",
    "denied",
    "expired",
    "failed",
    "verified",
    "contradicted",
    "unverified",
    "cancelled",
]
"""done: a read answered; planned: a dry run; awaiting: an approval is asked for; the others as in docs/tools.md"""


class ToolList(Message):
    """All tools with tier and schemas; ``names`` picks some."""

    names: list[str] = []


class ToolInfo(Message):
    """One tool. ``input_schema`` and ``output_schema`` are JSON Schema (2020-12)."""

    name: str = ""
    title: str = ""
    description: str = ""
    tier: str = "black"
    room: str = ""
    input_schema: dict[str, Any] = {}
    output_schema: dict[str, Any] = {}
    idempotent: bool = False
    open_world: bool = False
    timeout_s: float = 30.0


class ToolListResult(Message):
    tools: list[ToolInfo] = []


class ToolCall(Message):
    """Call a tool. The result is a ``ToolOutcome``; long work reports ``progress`` first.

    ``confirm`` is the ``digest`` of a plan (``dry_run``) that a person confirmed; ``typed`` what they typed where
    the target's name is asked for; ``pin`` the operator's, where one is set. ``wait_s``: how long an agent's call
    waits for its approval before it answers ``awaiting``.
    """

    name: str = ""
    args: dict[str, Any] = {}
    idempotency_key: str | None = None
    dry_run: bool = False
    confirm: str | None = None
    typed: str | None = None
    pin: str | None = None
    wait_s: float = 0.0


class ToolOutcome(Message):
    """What became of a call: one of the outcomes, one sentence, never a silent success."""

    call_id: str = ""
    tool: str = ""
    outcome: Outcome = "refused"
    code: str = ""
    """Error code of ``errors.ERRORS`` where the outcome is no success."""
    tier: str = "black"
    target: str = ""
    target_name: str = ""
    text: str = ""
    why: str = ""
    next: str = ""
    result: dict[str, Any] = {}
    effects: list[str] = []
    digest: str | None = None
    """Of a plan: what ``confirm`` has to name."""
    needs: Literal["nothing", "confirm", "typed_name", "approval"] = "nothing"
    pin_needed: bool = False
    """Of a plan: its confirmation wants the operator's pin too."""
    approval_id: str | None = None
    expires_at: float | None = None
    undo: dict[str, Any] | None = None
    """``{"name", "args"}`` of the call that takes it back; in a plan, of the one that would."""
    evidence: dict[str, Any] = {}
    tainted: bool = False
    """The result holds text from outside: it is data, not instructions."""


class ToolWait(Message):
    """Wait for the outcome of a call that awaits its approval: by call id or approval id."""

    id: str = ""
    wait_s: float = 60.0


class ApprovalAnswer(Message):
    """Only an operator's session answers, never the one that asked."""

    id: str = ""
    approve: bool = False
    pin: str | None = None
    typed: str | None = None


class KillSwitchSet(Message):
    """Anyone may engage; only an operator disengages."""

    engaged: bool = True
    reason: str = ""
    pin: str | None = None


class AuditList(Message):
    """Rows newest first, older than ``before`` (exclusive)."""

    limit: int = 50
    before: int | None = None
    call_id: str | None = None
    tool: str | None = None


class AuditVerify(Message):
    """``head``: a hash noted earlier, which has to stand in the chain still."""

    head: str | None = None


class AuditVerifyResult(Message):
    ok: bool = False
    rows: int = 0
    head: str = ""
    broken_row: int | None = None
    why: str = ""


class RunbookList(Message):
    """All runbooks, the shipped ones and one's own, each with its hash, whether it is trusted, and its problem."""


class RunbookInfo(Message):
    name: str = ""
    about: str = ""
    condition: str = ""
    scope: str = "report"
    shipped: bool = False
    trusted: bool = False
    sha256: str = ""
    path: str = ""
    problem: str | None = None
    """One sentence with file, line and the nearest known key, where it cannot be used."""
    note: str = ""
    """What to know of its trust: it replaces a shipped one, was edited, waits to be trusted."""
    steps: list[str] = []
    """A line each: ``start_vm guest={guest.vmid}``."""


class RunbookListResult(Message):
    runbooks: list[RunbookInfo] = []


class RunbookShow(Message):
    name: str = ""


class RunbookShown(Message):
    info: RunbookInfo = msgspec.field(default_factory=RunbookInfo)
    text: str = ""
    """The YAML as it stands in the file."""


class RunbookTest(Message):
    """What a runbook would do now, or would have done at a recorded incident: nothing is done.

    ``incident``: a number; else ``target`` (entity id, or a name) as if its condition were seen there now.
    """

    name: str = ""
    incident: str | None = None
    target: str | None = None


class RunbookTested(Message):
    runbook: str = ""
    target: str = ""
    target_name: str = ""
    replayed: bool = False
    """True: the facts are those kept at the time of the decision; False: those of now."""
    facts_at: float = 0.0
    decision: str = ""
    """``act`` ``ask`` ``hold`` ``refuse`` ``recommend`` ``report`` ``nothing``"""
    text: str = ""
    when: list[Check] = []
    """The runbook's own preconditions."""
    checks: list[Check] = []
    """Each guardrail's verdict, in the order in which they are asked."""
    steps: list[str] = []


class RepairList(Message):
    """Stories of repairs and refusals, the newest first; of one incident, or since a moment (Unix seconds)."""

    since_at: float | None = None
    incident: str | None = None
    limit: int = 100


class RepairListResult(Message):
    repairs: list[Repair] = []


class AutonomyPreview(Message):
    """What would have been done at ``level`` since ``since_at``: from the stories that were kept."""

    level: int = 3
    since_at: float | None = None


class AutonomyPreviewResult(Message):
    level: int = 3
    since_at: float = 0.0
    would_have: list[Repair] = []
    text: str = ""


class NotifyLog(Message):
    """Messages to people, the newest first; ``status`` picks some."""

    limit: int = 50
    status: Literal["queued", "sent", "failed", "skipped"] | None = None


class NotifyMessage(Message):
    """One message on one channel. ``next_at``: when it is tried again. Failed: given up after a week; skipped: the
    same was told a moment before."""

    id: int = 0
    channel: str = ""
    kind: str = ""
    severity: str = "info"
    subject: str = ""
    body: str = ""
    status: Literal["queued", "sent", "failed", "skipped"] = "queued"
    held: str = ""
    """Why it waits: ``quiet hours``, ``digest``, or the last error; of one that was sent, what is to be known."""
    created_at: float = 0.0
    sent_at: float | None = None
    next_at: float | None = None
    attempts: int = 0


class NotifyLogResult(Message):
    messages: list[NotifyMessage] = []


class NotifyTest(Message):
    """Send a test message now; without ``channel`` on all of them."""

    channel: str | None = None


class NotifyTestResult(Message):
    """Channel to what became of it: ``sent``, or one sentence."""

    results: dict[str, str] = {}
    ok: bool = False


class DailyReport(Message):
    """The health report of the last ``hours``; ``send``: also to the channels that get it; ``prose``: told by a
    model too, for who asks (what is sent is never a model's)."""

    hours: float = 24.0
    send: bool = False
    prose: bool = False


class DailyReportResult(Message):
    subject: str = ""
    text: str = ""
    sections: dict[str, list[str]] = {}
    prose: str = ""
    """Told by a model, from the text only; empty without one."""
    backend: str = ""


class DaemonStop(Message):
    """``marker``: leave the mark that keeps clients from starting the daemon again."""

    marker: bool = True


class Cancel(Message):
    id: int | str = 0


class Drop(Message):
    """Give up rights for the rest of the session; they cannot be regained."""

    role: Role = "viewer"


class StreamOpen(Message):
    """Open a binary stream of a ``kind`` that a room offers; the result names its id."""

    kind: str = ""


class StreamOpened(Message):
    stream: int = 0


class StreamClose(Message):
    stream: int = 0


class WorkerConfig(Message):
    """Asked by a worker once it is in: its settings and secrets."""


class WorkerConfigResult(Message):
    name: str = ""
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}


class Heartbeat(Message):
    """Of a worker, every 5 s."""

    busy: bool = False


class Ok(Message):
    ok: bool = True


# --- notifications -------------------------------------------------------------------------------------


class Snapshot(Message):
    topic: str = ""
    seq: int = 0
    state: dict[str, dict[str, dict[str, Any]]] = {}


class Delta(Message):
    """``set`` maps ``guests/guest:104`` to its changed fields, ``del`` lists paths that are gone."""

    topic: str = ""
    seq: int = 0
    set: dict[str, dict[str, Any]] = {}
    delete: list[str] = msgspec.field(default_factory=list, name="del")


class Event(Message):
    """One event of an event topic; ``event.seq`` has no holes."""

    topic: str = ""
    event: FeedEvent = msgspec.field(default_factory=FeedEvent)


class Lagged(Message):
    """The client was too slow: events were dropped from its queue. It asks again with its last ``seq``."""

    topic: str = ""


class Progress(Message):
    """Of a long call; ``id`` is that call's id."""

    id: int | str = 0
    data: dict[str, Any] = {}


class Stream(Message):
    """Announces a binary stream: its frames begin with this id as unsigned 32 bit, big endian."""

    stream: int = 0
    kind: str = ""
    closed: bool = False


class Goodbye(Message):
    """The daemon ends the session on purpose: ``stopping`` ``restarting`` ``too_slow``."""

    reason: str = ""


CALLS: Final[dict[str, tuple[type[Message], type[Message] | None]]] = {
    "hello": (Hello, Welcome),
    "subscribe": (Subscribe, Subscribed),
    "unsubscribe": (Unsubscribe, Ok),
    "state.get": (StateGet, None),
    "history": (History, None),
    "metrics.history": (MetricsHistory, MetricsHistoryResult),
    "incident.list": (IncidentList, None),
    "incident.ack": (IncidentAck, None),
    "incident.silence": (IncidentSilence, None),
    "incident.unsilence": (IncidentUnsilence, None),
    "task.log": (TaskLog, TaskLogResult),
    "guest.describe": (GuestDescribe, GuestDescription),
    "tool.list": (ToolList, ToolListResult),
    "tool.call": (ToolCall, ToolOutcome),
    "tool.wait": (ToolWait, ToolOutcome),
    "approval.answer": (ApprovalAnswer, ToolOutcome),
    "killswitch.set": (KillSwitchSet, None),
    "audit.list": (AuditList, None),
    "audit.verify": (AuditVerify, AuditVerifyResult),
    "runbook.list": (RunbookList, RunbookListResult),
    "runbook.show": (RunbookShow, RunbookShown),
    "runbook.test": (RunbookTest, RunbookTested),
    "repair.list": (RepairList, RepairListResult),
    "autonomy.preview": (AutonomyPreview, AutonomyPreviewResult),
    "notify.log": (NotifyLog, NotifyLogResult),
    "notify.test": (NotifyTest, NotifyTestResult),
    "report.daily": (DailyReport, DailyReportResult),
    "chat.send": (mind.ChatSend, mind.ChatReply),
    "chat.confirm": (mind.ChatConfirm, mind.ChatReply),
    "chat.follow": (mind.ChatFollow, mind.ChatReply),
    "chat.cancel": (mind.ChatCancel, Ok),
    "chat.list": (mind.ChatList, mind.ChatListResult),
    "chat.show": (mind.ChatShow, mind.ChatShown),
    "chat.forget": (mind.ChatForget, Ok),
    "memory.list": (mind.MemoryList, mind.MemoryListResult),
    "memory.search": (mind.MemorySearch, mind.MemoryListResult),
    "memory.export": (mind.MemoryExport, mind.MemoryExported),
    "memory.compare": (mind.MemoryCompare, mind.MemoryCompared),
    "cost.show": (mind.CostShow, mind.CostResult),
    "trace.show": (mind.TraceShow, mind.TraceShown),
    "models.show": (mind.ModelsShow, mind.ModelsResult),
    "incident.explain": (mind.IncidentExplain, mind.IncidentExplained),
    "daemon.stop": (DaemonStop, Ok),
    "cancel": (Cancel, Ok),
    "drop": (Drop, Ok),
    "stream.open": (StreamOpen, StreamOpened),
    "stream.close": (StreamClose, Ok),
    "worker.config": (WorkerConfig, WorkerConfigResult),
    "worker.heartbeat": (Heartbeat, Ok),
}
"""method -> (parameters, result or None where the result is plain JSON described in docs/contract.md)"""

NOTIFICATIONS: Final[dict[str, type[Message]]] = {
    "snapshot": Snapshot,
    "delta": Delta,
    "event": Event,
    "lagged": Lagged,
    "progress": Progress,
    "stream": Stream,
    "goodbye": Goodbye,
}
