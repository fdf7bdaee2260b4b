"""What is said to and by the assistant: conversation, memory, cost, traces, explanations.

A *session* is one conversation, shared by everything that attaches; a *turn* is one thing a person said and what
came of it. What is told of a turn while it goes on are events of topic ``chat`` (numbered, kept), in this order:
``chat.asked``, then any of ``chat.text`` (a piece of the reply, to be put behind what was there), ``chat.replaced``
(the whole reply so far, instead of what was there), ``chat.call`` (``data`` is a ``ChatCall``) and ``chat.note`` (a
sentence about how it goes), and at last ``chat.done`` (``data`` is the ``ChatReply``). Each has ``data.session``
and ``data.turn``.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from jarvis_daemon.protocol.base import Message

ChatBackend = Literal["auto", "intents", "local", "cloud"]
"""auto: the router chooses; intents: no model at all; local: nothing leaves the house; cloud: ask there first."""
TurnStatus = Literal["open", "done", "asks", "cut", "cancelled", "failed"]
"""open: under way; asks: a call in it waits for the person's word; cut: the daemon ended in the middle; cancelled:
by the person; failed: nothing could answer. The person's text is kept in every case."""
CallStatus = Literal[
    "running", "asks", "awaiting", "done", "verified", "contradicted", "unverified", "failed", "refused", "denied",
    "expired", "cancelled",
]  # fmt: skip
"""As the gate's outcomes; running: under way; asks: the person who ordered it has to confirm it here."""


class ChatSend(Message):
    """Say something. Answers with the turn's events as progress ``{seq, kind, text, data}``, then its reply.

    ``session``: an id, ``last`` for the one used last, or None for a new one. ``key``: of the client's making; the
    same key again attaches to the same turn instead of asking twice, so a client may repeat after a lost link.
    Cancelling this call cancels the turn; a link that is lost does not.
    """

    text: str = ""
    session: str | None = None
    key: str | None = None
    backend: ChatBackend = "auto"
    brevity: Literal["screen", "voice"] = "screen"


class ChatCall(Message):
    """A tool call of a turn, as the gate answered it."""

    id: str = ""
    """Of the call within its turn."""
    name: str = ""
    args: dict[str, Any] = {}
    tier: str = ""
    status: CallStatus = "running"
    target: str = ""
    target_name: str = ""
    text: str = ""
    why: str = ""
    next: str = ""
    effects: list[str] = []
    needs: Literal["nothing", "confirm", "typed_name", "approval"] = "nothing"
    pin_needed: bool = False
    digest: str | None = None
    """Of the plan that is to be confirmed."""
    approval_id: str | None = None
    undo: dict[str, Any] | None = None
    origins: list[str] = []
    """A line each argument of a model's call: where its value came from."""
    by: Literal["words", "model"] = "words"
    """words: the person's own sentence, understood without a model; model: a model proposed it."""


class ChatReply(Message):
    """What came of a turn."""

    session: str = ""
    turn: int = 0
    status: TurnStatus = "done"
    text: str = ""
    calls: list[ChatCall] = []
    backend: str = "intents"
    """``intents``, or place and model: ``local qwen2.5-7b-instruct``."""
    meant: Literal["", "order", "question", "blocked", "unknown"] = ""
    """What the sentence was taken for: an order; a question; blocked, so that nothing was done; unknown, so that
    nothing was understood. Empty where a model was asked."""
    suggestion: str | None = None
    """A sentence that would have been understood; saying ``yes`` in the session says it."""
    notes: list[str] = []
    """Honest sentences about how it went: which backend did not answer, what was cut."""
    trace: str = ""
    seq: int = 0
    """Number of the turn's last event."""


class ChatConfirm(Message):
    """Answer a call of status ``asks``: ``approve`` runs it as the plan was shown. Streams like ``chat.send``."""

    turn: int = 0
    call: str = ""
    approve: bool = False
    typed: str | None = None
    pin: str | None = None


class ChatFollow(Message):
    """The events of a turn behind number ``after``, those to come too, then its reply: for after a lost link."""

    turn: int = 0
    after: int = 0


class ChatCancel(Message):
    """Stop a turn: the model's server is told, what was said so far is kept."""

    turn: int = 0


class ChatList(Message):
    """Sessions, the one used last first."""

    limit: int = 20


class ChatSession(Message):
    id: str = ""
    title: str = ""
    """The beginning of what was said first."""
    client: str = ""
    created_at: float = 0.0
    used_at: float = 0.0
    turns: int = 0


class ChatListResult(Message):
    sessions: list[ChatSession] = []


class ChatShow(Message):
    """The last ``limit`` turns of a session (an id, or ``last``), before turn ``before``, oldest first."""

    session: str = "last"
    limit: int = 50
    before: int | None = None


class ChatTurn(Message):
    turn: int = 0
    at: float = 0.0
    asked: str = ""
    reply: ChatReply = msgspec.field(default_factory=ChatReply)


class ChatShown(Message):
    session: ChatSession = msgspec.field(default_factory=ChatSession)
    turns: list[ChatTurn] = []


class ChatForget(Message):
    """Delete a session and all that was said in it."""

    session: str = ""


MemoryTier = Literal["working", "conversation", "episodic", "lasting"]
"""working: this session; conversation: 7 days; episodic: 30 days; lasting: no end."""
MemoryKind = Literal["fact", "preference", "event", "incident", "summary"]


class MemoryItem(Message):
    """One thing that is remembered. ``trust``: operator (said by the person), system (seen by the daemon itself),
    tainted (text from outside is in it: data, never an order)."""

    id: int = 0
    tier: MemoryTier = "conversation"
    kind: MemoryKind = "fact"
    subject: str = ""
    """Entity id or a word; empty where it is about nothing in particular."""
    text: str = ""
    source: str = ""
    """``chat:SESSION`` ``incident:N`` ``operator`` ``import``"""
    trust: Literal["operator", "system", "tainted"] = "system"
    happened_at: float = 0.0
    """What it tells of; of what was only said, when it was said."""
    created_at: float = 0.0
    used_at: float | None = None
    uses: int = 0
    expires_at: float | None = None
    superseded_by: int | None = None


class MemoryList(Message):
    """The newest first; ``tier`` and ``kind`` pick some; what was superseded only with ``all``."""

    tier: MemoryTier | None = None
    kind: MemoryKind | None = None
    limit: int = 100
    all: bool = False


class MemorySearch(Message):
    """By words, the best first; ``since_at`` and ``until_at`` bound when it happened (Unix seconds). Without them a
    time in the words does (``the NAS last week``). ``happened``: what happened to it, oldest first, with incidents
    of the history that memory does not have (their ``id`` is 0)."""

    query: str = ""
    limit: int = 10
    since_at: float | None = None
    until_at: float | None = None
    happened: bool = False


class MemoryListResult(Message):
    memories: list[MemoryItem] = []


class MemoryExport(Message):
    """All that is remembered as Markdown, to be read, edited and imported again."""


class MemoryExported(Message):
    markdown: str = ""
    memories: int = 0


class MemoryCompare(Message):
    """What importing an edited export would change; nothing is changed (the tool ``import_memories`` does that)."""

    markdown: str = ""


class MemoryCompared(Message):
    """A line each: ``+`` would be added, ``-`` forgotten, ``~`` changed. ``sha256`` names this very text."""

    diff: list[str] = []
    added: int = 0
    changed: int = 0
    forgotten: int = 0
    sha256: str = ""


class CostShow(Message):
    """What models cost over the last ``days``."""

    days: float = 30.0


class CostRow(Message):
    """One model on one day (local date). Tokens; USD by the price table."""

    day: str = ""
    model: str = ""
    calls: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Read from the provider's prompt cache; part of ``input_tokens``."""
    written_tokens: int = 0
    """Written into it; part of ``input_tokens``."""
    usd: float = 0.0
    estimated: int = 0
    """Calls of which nobody knows what was used: their worst case is part of ``usd``."""
    first_token_ms: float | None = None
    """Mean."""
    total_ms: float | None = None


class CostResult(Message):
    rows: list[CostRow] = []
    today_usd: float = 0.0
    month_usd: float = 0.0
    daily_cap_usd: float = 0.0
    monthly_cap_usd: float = 0.0
    prices: str = ""
    """Version of the price table."""


class TraceShow(Message):
    """Where the time of a turn went; without ``turn`` of the last one."""

    turn: int | None = None


class TraceSpan(Message):
    """``intent`` ``context`` ``queue`` ``first token`` ``tokens`` ``tool`` ``memory`` ``total``; milliseconds."""

    name: str = ""
    began_ms: float = 0.0
    lasted_ms: float = 0.0
    note: str = ""


class TraceShown(Message):
    id: str = ""
    turn: int = 0
    at: float = 0.0
    asked: str = ""
    backend: str = ""
    spans: list[TraceSpan] = []


class ModelsShow(Message):
    """The backends as they are: asked for their health now."""


class ModelInfo(Message):
    """A backend. ``why``: one sentence where it cannot be used."""

    name: Literal["local", "embedded", "cloud"] = "local"
    model: str = ""
    place: Literal["here", "lan", "cloud"] = "here"
    enabled: bool = False
    healthy: bool = False
    why: str = ""
    window_tokens: int | None = None
    native_tools: bool = False
    breaker: Literal["closed", "open", "half-open"] = "closed"


class ModelsResult(Message):
    models: list[ModelInfo] = []


class IncidentExplain(Message):
    """Why an incident is: from the evidence alone, or with ``prose`` told by a model too."""

    id: str = ""
    prose: bool = False


class Cause(Message):
    """A likely cause, with what speaks for it and against it."""

    text: str = ""
    speaks_for: list[str] = []
    against: list[str] = []


class Advice(Message):
    """What could be done: the tool call, ready to be ordered by ``command``."""

    text: str = ""
    tool: str = ""
    args: dict[str, Any] = {}
    tier: str = ""
    command: str = ""


class IncidentExplained(Message):
    id: str = ""
    title: str = ""
    evidence: list[str] = []
    causes: list[Cause] = []
    advice: list[Advice] = []
    prose: str = ""
    """Told by a model, from the above only; empty without one."""
    backend: str = ""
