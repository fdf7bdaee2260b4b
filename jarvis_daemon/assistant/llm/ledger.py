"""What models cost, written down before each call: no cap is passed, and no death of the daemon hides a cost.

A cloud call is *reserved* first: its worst case (every byte of the prompt a token, none of it cached, the longest
answer) has to fit into what the day and the month still allow. The reservation is committed and synced before
anything is sent, and counts as spent until it is *settled* with what the provider counted. One that nobody settled
(the daemon died, the connection broke) stays spent, marked as estimated. Calls in the house are written down when
they are over, at no cost.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Final

from msgspec import Meta, field

from jarvis_daemon.assistant.llm.contract import Failed, LLMBackend, Request, Usage
from jarvis_daemon.assistant.llm.prices import Prices, shipped
from jarvis_daemon.clock import Clock
from jarvis_daemon.notify.hours import local_day, moment_of
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import CostResult, CostRow, CostShow
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.settings.assistant import CostSettings
from jarvis_daemon.store import Store
from jarvis_daemon.store.database import Database
from jarvis_daemon.tools import Act, Registry, Target, Tier, ToolSpec
from jarvis_daemon.tools.spec import Args, Output

_log = logging.getLogger("jarvis.assistant")
KEEP_DAYS: Final = 400
TOOLS_TOKENS: Final = 1000
"""At most what a provider's own words about tools add to a prompt; Anthropic's take 346 to 804."""
MESSAGE_TOKENS: Final = 16
"""At most what a message or a tool adds beside its text."""
FREE: Final = frozenset(
    {"unreachable", "auth", "rate_limit", "overloaded", "missing", "budget", "overflow", "refused"}
)
"""Failures before a model began: without a usage they cost nothing. All others may have."""
DAYS_MAX: Final = 3660.0


@dataclass(frozen=True)
class Reservation:
    """One call that may be made. ``id``: its row, None where nothing is written before the call. ``usd``: what it
    costs at most. ``note``: a sentence for the person where the price is not known."""

    id: int | None
    backend: str
    model: str
    turn: int
    usd: float
    at: float
    day: str
    note: str = ""


class Ledger:
    """The table ``llm_calls``. ``start`` before the first reservation."""

    def __init__(self, settings: CostSettings, store: Store, clock: Clock, *, prices: Prices | None = None) -> None:
        self._settings, self._store, self._clock = settings, store, clock
        self._prices = prices or shipped()

    async def start(self) -> None:
        """What a daemon that died had reserved is spent; what is very old goes. Raises ``store_failed``."""
        oldest = (local_day(self._clock.now()) - timedelta(days=KEEP_DAYS)).isoformat()

        def fn(db: Database) -> None:
            db.execute("update llm_calls set status = 'cut' where status = 'open'")
            db.execute("delete from llm_calls where day < ?", [oldest])

        await self._store.write(fn, durable=True)

    # --- before a call, and after it ---------------------------------------------------------------------

    async def reserve(self, backend: LLMBackend, request: Request, turn: int) -> Reservation | Failed:
        """Take what this call may cost off the day and the month; ``Failed("budget")`` where it does not fit, or
        cannot be written down."""
        now = self._clock.now()
        today = local_day(now)
        usd = self._worst(backend, request) if backend.place == "cloud" else 0.0
        note = self._note(backend.model) if backend.place == "cloud" else ""
        free = Reservation(None, backend.name, backend.model, turn, usd, now, today.isoformat(), note)
        if backend.place != "cloud":
            return free

        def fn(db: Database) -> int | Failed:
            if (refused := self._refused(usd, *_spent(db, today), today)) is not None:
                return refused
            return _insert(db, free, status="open", usage=Usage(), usd=usd, estimated=True)

        try:
            made = await self._store.write(fn, durable=True)
        except JarvisError as error:
            return _unwritten(error)
        if isinstance(made, Failed):
            return made
        return Reservation(made, free.backend, free.model, turn, usd, now, free.day, note)

    async def settle(
        self,
        reservation: Reservation,
        *,
        usage: Usage | None,
        status: str,
        first_token_ms: float | None = None,
        total_ms: float | None = None,
        fallback_of: str = "",
    ) -> float:
        """Write down what became of it; answers the USD. ``status``: ``done``, ``cancelled``, or the ``why`` of a
        ``Failed``. Without ``usage`` what had not begun costs nothing, and anything else all that was reserved."""
        known = usage is not None or status in FREE
        spent = usage or Usage()
        usd = reservation.usd
        if known:
            usd = self._prices.of(reservation.model).usd(spent) if reservation.id is not None else 0.0
        row = _Row(status, spent, usd, not known and usd > 0, first_token_ms, total_ms, fallback_of)
        writing = spawn(self._settle(reservation, row), name="llm-ledger")
        await asyncio.shield(writing)  # who was cancelled still pays
        return usd

    async def _settle(self, reservation: Reservation, row: _Row) -> None:
        def fn(db: Database) -> None:
            number = reservation.id
            if number is None:
                number = _insert(db, reservation, status=row.status, usage=row.usage, usd=row.usd, estimated=False)
            db.execute(
                "update llm_calls set status = ?, input_tokens = ?, output_tokens = ?, cached_tokens = ?, "
                "written_tokens = ?, usd = ?, estimated = ?, first_token_ms = ?, total_ms = ?, fallback_of = ? "
                "where id = ?",
                [
                    row.status, row.usage.input, row.usage.output, row.usage.cached, row.usage.written, row.usd,
                    int(row.estimated), row.first_token_ms, row.total_ms, row.fallback_of, number,
                ],
            )  # fmt: skip

        try:
            await self._store.write(fn, durable=reservation.id is not None)
        except JarvisError as error:  # it stays reserved, which is the worst case
            _log.warning("a model's cost is not written down", extra={"data": {"why": error.sentence()}})

    def _worst(self, backend: LLMBackend, request: Request) -> float:
        return self._prices.of(backend.model).worst(longest_prompt(request), request.max_tokens)

    def _note(self, model: str) -> str:
        price = self._prices.of(model)
        if price.known:
            return ""
        return f"The price of {model} is not known: it counts as {price.like}, the dearest model of the table."

    def _refused(self, usd: float, day_usd: float, month_usd: float, today: date) -> Failed | None:
        """Why a call of at most ``usd`` may not be made."""
        tomorrow = today + timedelta(days=1)
        next_month = date(today.year + today.month // 12, today.month % 12 + 1, 1)
        limits = (
            ("monthly_usd", self._settings.monthly_usd, month_usd, "this month", next_month,
             f"on {next_month.day} {next_month:%B}"),
            ("daily_usd", self._settings.daily_usd, day_usd, "today", tomorrow, "at midnight"),
        )  # fmt: skip
        for name, cap, spent, when, until, ends in limits:
            if spent + usd <= cap + 1e-9:
                continue
            setting = f"assistant.cost.{name}"
            if usd > cap:
                text = f"No cloud model is asked: this could cost {dollars(usd)}, {setting} is {dollars(cap)}."
                return Failed("budget", text)
            text = (
                f"No cloud model is asked: {dollars(spent)} of {dollars(cap)} are spent {when} ({setting}), and "
                f"this could cost {dollars(usd)}; that ends {ends}."
            )
            return Failed("budget", text, retry_after_s=max(0.0, moment_of(until, "00:00") - self._clock.now()))
        return None

    # --- looking at it -----------------------------------------------------------------------------------

    async def cost(self, params: CostShow) -> CostResult:
        """Raises ``invalid_params``, ``store_failed``."""
        if not 0 < params.days <= DAYS_MAX:
            raise JarvisError("invalid_params", f"Costs are told of the last 1 to {DAYS_MAX:g} days")
        today = local_day(self._clock.now())
        first = (today - timedelta(days=max(0, -int(-params.days // 1) - 1))).isoformat()
        rows, (day_usd, month_usd) = await self._store.read(lambda db: (_rows(db, first), _spent(db, today)))
        return CostResult(
            rows=rows, today_usd=day_usd, month_usd=month_usd, daily_cap_usd=self._settings.daily_usd,
            monthly_cap_usd=self._settings.monthly_usd, prices=self._prices.version,
        )  # fmt: skip

    def register_tools(self, registry: Registry) -> None:
        registry.add(ToolSpec(
            name="get_llm_costs", room="assistant", tier=Tier.GREEN, args=CostsArgs, output=Costs, run=self._tool,
            description="What language models were asked and what that cost, by day and model, with the caps.",
            idempotent=True, concurrency=16,
        ))  # fmt: skip

    async def _tool(self, args: CostsArgs, target: Target, act: Act) -> Costs:
        told = await self.cost(CostShow(days=float(args.days)))
        return Costs(
            rows=told.rows, today_usd=told.today_usd, month_usd=told.month_usd, daily_cap_usd=told.daily_cap_usd,
            monthly_cap_usd=told.monthly_cap_usd, prices=told.prices,
        )  # fmt: skip


class CostsArgs(Args):
    days: Annotated[int, Meta(ge=1, le=366, description="how many days back, today included")] = 30


class Costs(Output):
    rows: list[CostRow] = field(default_factory=list)
    today_usd: float = 0.0
    month_usd: float = 0.0
    daily_cap_usd: float = 0.0
    monthly_cap_usd: float = 0.0
    prices: str = ""


@dataclass(frozen=True)
class _Row:
    status: str
    usage: Usage
    usd: float
    estimated: bool
    first_token_ms: float | None
    total_ms: float | None
    fallback_of: str


def longest_prompt(request: Request) -> int:
    """No tokenizer makes more tokens than there are bytes: at most so many, with what a provider wraps around."""
    parts: list[Any] = []
    for message in request.messages:
        calls = [[call.id, call.name, call.args, call.broken] for call in message.calls]
        parts.append([message.role, message.text, calls, message.call_id])
    parts += [[tool.name, tool.description, tool.schema] for tool in request.tools]
    size = len(json.dumps([parts, request.schema], ensure_ascii=False, default=str).encode(errors="replace"))
    return size + MESSAGE_TOKENS * len(parts) + (TOOLS_TOKENS if request.tools or request.schema else 0)


def dollars(usd: float) -> str:
    """``$9.97``, ``$0.0213``: small amounts with more digits."""
    return f"${usd:.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def _unwritten(error: JarvisError) -> Failed:
    return Failed("budget", f"No cloud model is asked, as its cost cannot be written down ({error.sentence()}).")


def _insert(db: Database, made: Reservation, *, status: str, usage: Usage, usd: float, estimated: bool) -> int:
    cursor = db.execute(
        "insert into llm_calls (at, day, backend, model, turn, status, input_tokens, output_tokens, cached_tokens, "
        "written_tokens, usd, reserved_usd, estimated, fallback_of) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
        [
            made.at, made.day, made.backend, made.model, made.turn, status, usage.input, usage.output, usage.cached,
            usage.written, usd, made.usd, int(estimated),
        ],
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


def _spent(db: Database, today: date) -> tuple[float, float]:
    """USD of this day and of its month, what is reserved included."""
    day = today.isoformat()
    found = db.execute(
        "select coalesce(sum(case when day = ? then usd end), 0), coalesce(sum(usd), 0) from llm_calls "
        "where day between ? and ?",
        [day, f"{day[:7]}-01", f"{day[:7]}-31"],
    ).fetchone()
    return float(found[0]), float(found[1])


def _rows(db: Database, first: str) -> list[CostRow]:
    found = db.execute(
        "select day, model, count(*), sum(status not in ('done', 'open', 'cancelled')), sum(input_tokens), "
        "sum(output_tokens), sum(cached_tokens), sum(written_tokens), sum(usd), avg(first_token_ms), "
        "avg(total_ms), sum(estimated) "
        "from llm_calls where day >= ? group by day, backend, model order by day desc, sum(usd) desc, model",
        [first],
    ).fetchall()
    return [
        CostRow(
            day=row[0], model=row[1], calls=row[2], failed=row[3], input_tokens=row[4], output_tokens=row[5],
            cached_tokens=row[6], written_tokens=row[7], usd=row[8], first_token_ms=row[9], total_ms=row[10],
            estimated=row[11],
        )
        for row in found
    ]  # fmt: skip
