"""The ledger: reserved before, settled after, to the token; caps hold whatever happens in between."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.assistant.llm import prices
from jarvis_daemon.assistant.llm.contract import Failed, Message, Request, ToolDef, ToolUse, Usage, guess_tokens
from jarvis_daemon.assistant.llm.ledger import Ledger, Reservation, dollars, longest_prompt
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import CostShow
from jarvis_daemon.settings.assistant import CostSettings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Registry

SONNET_4_5 = "anthropic/claude-sonnet-4-5"
NOON = time.mktime((2026, 11, 20, 12, 0, 0, 0, 0, -1))
TABLE = prices.read("""
version = "test"
[models]
"anthropic/claude-sonnet-4-5" = {input = 3.0, output = 15.0, cache_read = 0.3, cache_write = 3.75, window = 200000}
"openai/plain" = {input = 2.0, output = 8.0}
"openai/long" = {input = 1.0, output = 2.0, above = 1000, beyond = {input = 10.0, output = 20.0}}
"openai/dear" = {input = 30.0, output = 180.0}
""")


class Backend:
    """What the ledger looks at of a backend."""

    native_tools = True

    def __init__(self, model: str = SONNET_4_5, place: str = "cloud", name: str = "cloud") -> None:
        self.model, self.place, self.name = model, place, name


SONNET: Any = Backend()
HERE: Any = Backend("qwen2.5-7b-instruct", "here", "local")


def ask(size: int = 1000, max_tokens: int = 100) -> Request:
    return Request([Message("system", "s" * size, keep=True), Message("user", "hot?")], max_tokens=max_tokens)


class House:
    def __init__(self, path: Path, daily: float = 10.0, monthly: float = 100.0) -> None:
        self.clock = ManualClock(NOON)
        self.store = Store(path)
        self.settings = CostSettings(daily_usd=daily, monthly_usd=monthly)
        self.ledger = Ledger(self.settings, self.store, self.clock, prices=TABLE)

    async def reserve(self, backend: Any = SONNET, request: Request | None = None, turn: int = 1) -> Reservation:
        made = await self.ledger.reserve(backend, request or ask(), turn)
        assert isinstance(made, Reservation), made
        return made

    async def spend(self, usage: Usage, backend: Any = SONNET, **given: Any) -> float:
        made = await self.reserve(backend)
        return await self.ledger.settle(made, usage=usage, status="done", **given)

    async def rows(self) -> list[dict[str, Any]]:
        def fn(db: Any) -> list[dict[str, Any]]:
            return list(db.query("select * from llm_calls order by id"))

        return await self.store.read(fn)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path / "jarvis.db")
    await house.store.open()
    await house.ledger.start()
    yield house
    await house.store.close()


# --- prices -----------------------------------------------------------------------------------------------------


def test_a_call_costs_what_its_tokens_cost() -> None:
    price = TABLE.of("anthropic/claude-sonnet-4-5")
    usage = Usage(input=10_000, output=500, cached=7_000, written=2_000)
    assert price.usd(usage) == pytest.approx((1_000 * 3 + 7_000 * 0.3 + 2_000 * 3.75 + 500 * 15) / 1e6, abs=1e-12)
    assert TABLE.of("openai/plain").usd(Usage(input=1000, cached=400)) == pytest.approx(0.002)
    assert price.worst(10_000, 500) == pytest.approx((10_000 * 3.75 + 500 * 15) / 1e6)


def test_a_long_prompt_is_charged_by_its_own_row() -> None:
    price = TABLE.of("openai/long")
    assert price.usd(Usage(input=1000, output=10)) == pytest.approx(1020 / 1e6)
    assert price.usd(Usage(input=1001, output=10)) == pytest.approx(10_210 / 1e6)
    assert price.worst(1001, 10) == pytest.approx(10_210 / 1e6)


@pytest.mark.parametrize(("model", "row"), [
    ("anthropic/claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"), ("plain", "openai/plain"),
    ("openai/plain-2026-01-31", "openai/plain"),
])  # fmt: skip
def test_a_dated_release_costs_what_its_model_costs(model: str, row: str) -> None:
    assert TABLE.of(model).model == row
    assert TABLE.of(model).known


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-6", "ollama/x", "", "bedrock/claude-sonnet-4-5"])
def test_what_is_not_known_counts_as_the_dearest(model: str) -> None:
    price = TABLE.of(model)
    assert not price.known
    assert price.like == "openai/dear"
    assert price.usd(Usage(input=1_000_000)) == 30.0


def test_the_shipped_table() -> None:
    table = prices.shipped()
    assert table.version
    default = table.of("anthropic/claude-sonnet-4-5")
    assert (default.rates.input, default.rates.output) == (3.0, 15.0)
    for price in table:
        rates = price.rates
        assert 0 < rates.cache_read <= rates.input <= rates.cache_write < rates.output, price
        assert price.window is not None
        assert (price.above is None) == (price.beyond is None)
        assert price.model.partition("/")[2], "as litellm names it"
    assert table.of("nobody/knows").like == table.dearest.model


@pytest.mark.parametrize("text", [
    'version = "1"\n[models]', 'version = "1"\n[models]\na = {input = 1.0}',
    'version = "1"\n[models]\na = {input = -1, output = 2}', "no toml",
])  # fmt: skip
def test_a_table_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"row|price|Expected"):
        prices.read(text)


# --- reserve and settle -----------------------------------------------------------------------------------------


async def test_reserved_before_and_settled_to_the_token(house: House) -> None:
    made = await house.reserve(turn=7)
    (row,) = await house.rows()
    assert (row["status"], row["estimated"], row["turn"], row["day"]) == ("open", 1, 7, "2026-11-20")
    assert row["usd"] == row["reserved_usd"] == made.usd > 0
    usage = Usage(input=2_000, output=50, cached=1_500, written=300)
    paid = await house.ledger.settle(
        made, usage=usage, status="done", first_token_ms=321.0, total_ms=900.0, fallback_of="local"
    )
    (row,) = await house.rows()
    assert paid == pytest.approx((200 * 3 + 1_500 * 0.3 + 300 * 3.75 + 50 * 15) / 1e6, abs=1e-12)
    assert (row["usd"], row["estimated"], row["status"]) == (paid, 0, "done")
    counted = [row[f"{name}_tokens"] for name in ("input", "output", "cached", "written")]
    assert counted == [2_000, 50, 1_500, 300]
    assert (row["first_token_ms"], row["total_ms"], row["fallback_of"]) == (321.0, 900.0, "local")


@pytest.mark.parametrize(
    "why", ["unreachable", "auth", "rate_limit", "overloaded", "missing", "overflow", "refused"]
)
async def test_what_never_began_costs_nothing(house: House, why: str) -> None:
    assert await house.ledger.settle(await house.reserve(), usage=None, status=why) == 0
    (row,) = await house.rows()
    assert (row["usd"], row["estimated"], row["status"]) == (0, 0, why)


@pytest.mark.parametrize("why", ["cut", "timeout", "cancelled", "bad_reply", "done", "anything"])
async def test_what_may_have_cost_counts_as_its_worst_case(house: House, why: str) -> None:
    made = await house.reserve()
    assert await house.ledger.settle(made, usage=None, status=why) == made.usd
    (row,) = await house.rows()
    assert (row["usd"], row["estimated"]) == (made.usd, 1)
    told = await house.ledger.cost(CostShow())
    assert (told.rows[0].estimated, told.today_usd) == (1, made.usd)


async def test_a_failed_call_costs_what_was_used(house: House) -> None:
    made = await house.reserve()
    assert await house.ledger.settle(made, usage=Usage(input=100), status="cut") == pytest.approx(0.0003)


async def test_calls_in_the_house_are_free_and_written_when_over(house: House) -> None:
    made = await house.reserve(HERE)
    assert await house.rows() == [], "nothing is written before the first token"
    await house.ledger.settle(made, usage=Usage(input=900, output=40), status="done", first_token_ms=80.0)
    (row,) = await house.rows()
    assert (row["backend"], row["usd"], row["input_tokens"], row["first_token_ms"]) == ("local", 0, 900, 80.0)


async def test_who_is_cancelled_still_pays(house: House) -> None:
    made = await house.reserve()
    settling = asyncio.ensure_future(house.ledger.settle(made, usage=Usage(input=100), status="cancelled"))
    await asyncio.sleep(0)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    async with asyncio.timeout(5):
        while (await house.rows())[0]["status"] == "open":
            await asyncio.sleep(0.01)
    assert (await house.rows())[0]["usd"] == pytest.approx(0.0003)


def test_no_tokenizer_makes_more_tokens_than_there_are_bytes() -> None:
    hard = '\U0001f9d1\u200d\U0001f680 ünï 漢字 {"a":1}\n\t\x00' * 50
    call = ToolUse("toolu_1", "get_guest", {"guest": hard}, broken=hard)
    request = Request(
        [
            Message("system", hard), Message("assistant", hard, calls=(call,)),
            Message("tool", hard, call_id="toolu_1"),
        ],
        tools=(ToolDef("get_guest", hard, {"type": "object", "description": hard}),), schema={"title": hard},
    )  # fmt: skip
    assert longest_prompt(request) > 8 * len(hard.encode()) > guess_tokens(hard) * 8
    assert longest_prompt(Request([Message("user", "\ud800")])) > 0, "half a character is counted too"


# --- caps -------------------------------------------------------------------------------------------------------


async def limited(path: Path, daily: float, monthly: float = 100.0) -> House:
    house = House(path / "jarvis.db", daily, monthly)
    await house.store.open()
    await house.ledger.start()
    return house


async def test_a_cap_ends_the_cloud_in_the_middle_of_a_turn_and_midnight_brings_it_back(tmp_path: Path) -> None:
    house = await limited(tmp_path, daily=0.092)
    try:
        await house.spend(Usage(input=30_000))
        refused = await house.ledger.reserve(SONNET, ask(), 1)  # the next call of the same turn
        could = dollars(TABLE.of(SONNET.model).worst(longest_prompt(ask()), 100))
        assert refused == Failed(
            "budget",
            "No cloud model is asked: $0.0900 of $0.0920 are spent today (assistant.cost.daily_usd), and this "
            f"could cost {could}; that ends at midnight.",
            retry_after_s=12 * 3600,
        )
        assert len(await house.rows()) == 1, "what is refused is not written down"
        assert isinstance(await house.ledger.reserve(HERE, ask(), 1), Reservation), "the house goes on"
        await house.clock.advance(12 * 3600 + 1)
        await house.reserve()
    finally:
        await house.store.close()


async def test_the_month_has_a_cap_of_its_own(tmp_path: Path) -> None:
    house = await limited(tmp_path, daily=1.0, monthly=0.1)
    try:
        await house.spend(Usage(input=33_000))
        await house.clock.advance(2 * 86400)
        refused = await house.ledger.reserve(SONNET, ask(), 1)
        assert isinstance(refused, Failed)
        assert "$0.0990 of $0.1000 are spent this month (assistant.cost.monthly_usd)" in refused.text
        assert refused.text.endswith("that ends on 1 December.")
        assert refused.retry_after_s == 8.5 * 86400
        await house.clock.advance(8.5 * 86400 + 1)
        await house.reserve()
    finally:
        await house.store.close()


@pytest.mark.parametrize(("daily", "monthly", "setting"), [
    (0.0, 100.0, "assistant.cost.daily_usd is $0.00"), (10.0, 0.0, "assistant.cost.monthly_usd is $0.00"),
    (0.001, 100.0, "assistant.cost.daily_usd is $0.0010"),
])  # fmt: skip
async def test_a_cap_that_no_call_fits_into(tmp_path: Path, daily: float, monthly: float, setting: str) -> None:
    house = await limited(tmp_path, daily, monthly)
    try:
        refused = await house.ledger.reserve(SONNET, ask(), 1)
        assert isinstance(refused, Failed)
        assert refused.why == "budget"
        assert setting in refused.text
        assert refused.retry_after_s is None, "waiting does not help"
    finally:
        await house.store.close()


async def test_calls_under_way_at_once_never_pass_the_cap_together(tmp_path: Path) -> None:
    worst = TABLE.of(SONNET.model).worst(longest_prompt(ask()), 100)
    house = await limited(tmp_path, daily=worst * 3.5)
    try:
        made = await asyncio.gather(*(house.ledger.reserve(SONNET, ask(), n) for n in range(10)))
        held = [one for one in made if isinstance(one, Reservation)]
        assert len(held) == 3
        await house.ledger.settle(held[0], usage=None, status="unreachable")
        await house.reserve(turn=11)  # what was not used is free again
        assert isinstance(await house.ledger.reserve(SONNET, ask(), 12), Failed)
    finally:
        await house.store.close()


async def test_an_unknown_model_is_not_asked_blindly(tmp_path: Path) -> None:
    house = await limited(tmp_path, daily=10.0)
    try:
        made = await house.reserve(Backend("openai/brand-new"))
        assert made.note == (
            "The price of openai/brand-new is not known: it counts as openai/dear, the dearest model of the table."
        )
        assert made.usd == pytest.approx(TABLE.of("openai/dear").worst(longest_prompt(ask()), 100))
        assert (await house.reserve()).note == ""
    finally:
        await house.store.close()


async def test_what_cannot_be_written_down_is_not_asked(tmp_path: Path) -> None:
    house = await limited(tmp_path, daily=10.0)
    await house.store.write(lambda db: db.execute("drop table llm_calls"))
    refused = await house.ledger.reserve(SONNET, ask(), 1)
    assert isinstance(refused, Failed)
    assert refused.why == "budget"
    assert "cannot be written down" in refused.text
    free = await house.reserve(HERE)
    await house.ledger.settle(free, usage=Usage(), status="done")  # the answer is there: it is not lost for that
    await house.store.close()


DYING = """
import asyncio, sys
from pathlib import Path
from tests.unit.assistant.llm.test_ledger import House, SONNET, ask

async def main():
    house = House(Path(sys.argv[1]))
    await house.store.open()
    await house.ledger.start()
    await house.reserve(turn=1)
    print("reserved", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_killed_daemon_has_spent_what_it_had_reserved(tmp_path: Path) -> None:
    path = tmp_path / "jarvis.db"
    with subprocess.Popen([sys.executable, "-c", DYING, str(path)], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"reserved\n"
        os.kill(daemon.pid, signal.SIGKILL)
    worst = TABLE.of(SONNET.model).worst(longest_prompt(ask()), 100)
    house = await limited(tmp_path, daily=worst * 1.5)
    try:
        (row,) = await house.rows()
        assert (row["status"], row["estimated"]) == ("cut", 1)
        assert row["usd"] == pytest.approx(worst)
        assert isinstance(await house.ledger.reserve(SONNET, ask(), 2), Failed)
    finally:
        await house.store.close()


# --- looking at it ----------------------------------------------------------------------------------------------


async def test_costs_by_day_and_model(house: House) -> None:
    await house.spend(Usage(input=10_000, output=100, cached=4_000), first_token_ms=100.0, total_ms=1000.0)
    await house.clock.advance(86400)
    await house.spend(Usage(input=1_000), first_token_ms=200.0, total_ms=1000.0)
    await house.spend(Usage(input=1_000), first_token_ms=400.0, total_ms=3000.0)
    await house.ledger.settle(await house.reserve(), usage=None, status="rate_limit")
    await house.spend(Usage(input=500, output=20), HERE)
    told = await house.ledger.cost(CostShow(days=30))
    assert [(row.day, row.model, row.calls, row.failed, row.input_tokens, row.estimated) for row in told.rows] == [
        ("2026-11-21", "anthropic/claude-sonnet-4-5", 3, 1, 2_000, 0),
        ("2026-11-21", "qwen2.5-7b-instruct", 1, 0, 500, 0),
        ("2026-11-20", "anthropic/claude-sonnet-4-5", 1, 0, 10_000, 0),
    ]  # fmt: skip
    assert (told.rows[0].first_token_ms, told.rows[0].total_ms) == (300.0, 2000.0)
    assert told.rows[2].cached_tokens == 4_000
    assert told.today_usd == pytest.approx(0.006)
    assert told.month_usd == pytest.approx(0.006 + (6_000 * 3 + 4_000 * 0.3 + 1_500) / 1e6)
    assert (told.daily_cap_usd, told.monthly_cap_usd, told.prices) == (10.0, 100.0, "test")
    assert {row.day for row in (await house.ledger.cost(CostShow(days=1))).rows} == {"2026-11-21"}
    assert len((await house.ledger.cost(CostShow(days=1.5))).rows) == 3
    for days in (0, -1, 4000, float("nan")):
        with pytest.raises(JarvisError, match="last 1 to 3660 days"):
            await house.ledger.cost(CostShow(days=days))


async def test_very_old_calls_go(house: House) -> None:
    await house.spend(Usage(input=10))
    await house.clock.advance(86400 * 399)
    await house.ledger.start()
    assert len(await house.rows()) == 1
    await house.clock.advance(86400 * 3)
    await house.ledger.start()
    assert await house.rows() == []


async def test_the_tool_tells_the_same(house: House) -> None:
    registry = Registry()
    house.ledger.register_tools(registry)
    await house.spend(Usage(input=10_000))
    spec = registry.get("get_llm_costs")
    assert spec is not None
    assert spec.base_tier.name == "GREEN"
    target: Any = None
    told: Any = await spec.run(spec.args(days=2), target, target)
    assert told.today_usd == pytest.approx(0.03)
    assert [row.calls for row in told.rows] == [1]


@pytest.mark.parametrize(("usd", "text"), [(0, "$0.00"), (0.00213, "$0.0021"), (9.967, "$9.97"), (100, "$100.00")])
def test_money(usd: float, text: str) -> None:
    assert dollars(usd) == text
