"""From a sentence to an order or a question without a model, at 500 guests: time of ``Understanding.parse``.

What is said is what the tests say: sentences that are understood, and sentences that must not act, each about
guests of all the homelab. Beside it stands hassil alone: the same templates with all names in its lists, nothing
narrowed.
"""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml
from hassil.intents import SlotList, TextSlotList, WildcardSlotList
from hassil.recognize import is_match

from benchmarks.row import Row, percentile
from jarvis_daemon.assistant.room import AssistantRoom, Names
from jarvis_daemon.assistant.understanding.lists import PARTS
from jarvis_daemon.assistant.understanding.understanding import Understanding
from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import Clock, ManualClock, SystemClock
from jarvis_daemon.cluster.room import ClusterRoom
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.incidents.tools import register as register_incident_tools
from jarvis_daemon.notify.room import NotifyRoom
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.state import Guest, Node, Storage
from jarvis_daemon.remediation.room import Remediation
from jarvis_daemon.settings import ClusterSettings, LocalModelSettings, Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools.room import ToolsRoom

GUESTS: Final = 500
NODES: Final = ("Home", "pve", "agent1", "agent")
ROUNDS: Final = 5
BARE: Final = 15
"""Sentences that hassil alone is asked."""
SAID: Final = Path(__file__).parents[1] / "tests/data/sentences"
_WORDS: Final = ("web", "db", "media", "photo", "dns", "mail", "build", "game", "proxy", "cache", "wiki", "backup")


def run() -> list[Row]:
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "jarvis.db")
        await store.open()
        try:
            room = await house(Path(folder), store)
            understanding, names = room.understanding, fill(room.bus)
            meant, not_acted = _sentences(names)
            began = time.perf_counter()
            understanding.reload()
            loading = (time.perf_counter() - began) * 1000
            understanding.parse("restart nothing that is here")
            first = _times(understanding, [*meant, *not_acted], rounds=1)
            known, other = _times(understanding, meant), _times(understanding, not_acted)
            bare = _bare_ms(understanding, meant[:BARE], names)
        finally:
            await store.close()
    templates = sum(len(intent.says) for intent in understanding.intents.values())
    size = f"{len(understanding.intents)} intents, {templates} templates, {GUESTS} guests"
    baseline = f"hassil alone, nothing narrowed: {bare:.0f} ms"
    return [
        Row("a sentence that is understood, p95", percentile(known, 0.95), "ms", 1, 0.3, baseline,
            f"median {percentile(known, 0.5):.2f} ms; {size}"),
        Row("a sentence that must not act, p95", percentile(other, 0.95), "ms", 1, 0.3, baseline,
            f"median {percentile(other, 0.5):.2f} ms, suggestions included"),
        Row("all of them, p95", percentile(known + other, 0.95), "ms", 1, 0.3, baseline,
            f"{percentile(first, 0.95):.2f} ms for the first time each, with what else runs here"),
        Row("reading the sentence files, once", loading, "ms"),
    ]  # fmt: skip


async def house(
    folder: Path, store: Store, *, local: LocalModelSettings | None = None, guests: int = 0
) -> AssistantRoom:
    """All rooms as the daemon builds them; nothing is started but the store. ``local``: a model."""
    cluster = ClusterSettings(name="bench", endpoints=["https://127.0.0.1:1"], token_id="a@pve!b", tls="insecure")
    settings, bus, places = Settings(cluster=cluster), Bus(), Places(folder, folder, folder, folder)
    clock: Clock = ManualClock() if local is None else SystemClock()
    settings.assistant.local = local or settings.assistant.local
    feed = Feed(store, bus, clock)
    incidents = Incidents(store, bus, feed, clock, settings)
    tools = ToolsRoom(settings, places, bus, store, feed, clock)
    room = ClusterRoom(settings, places, bus, store, feed, incidents, clock)
    room.register_tools(tools.registry)
    register_incident_tools(tools.registry, incidents)
    NotifyRoom(settings, places, bus, store, feed, clock, audit_head=_no_head).register_tools(tools.registry)
    Remediation(
        settings, places, bus, store, feed, clock, tools, ask_second=room.second_look, ask_orders=room.boot_orders,
        in_window=lambda now: False,
    )  # fmt: skip
    mind = AssistantRoom(settings, places, bus, store, feed, clock, tools, Names())
    await room.scene.px.close()
    if guests:
        fill(bus, guests)
    return mind


async def _no_head() -> str:
    return ""


def fill(bus: Bus, count: int = GUESTS) -> list[str]:
    """The nodes, and as many guests as wanted; their names."""
    nodes = {f"node:{name}": Node(id=f"node:{name}", name=name, status="online") for name in NODES}
    guests = {}
    for number in range(count):
        name = f"{_WORDS[number % len(_WORDS)]}-{number // len(_WORDS):02d}"
        kind, node = ("vm", "ct")[number % 2], NODES[number % len(NODES)]
        guest = Guest(id=f"guest:{1000 + number}", vmid=1000 + number, name=name, kind=kind, node=node)  # type: ignore[arg-type]
        guests[guest.id] = guest
    storages = {f"storage:{n}/local": Storage(id=f"storage:{n}/local", name="local", node=n) for n in NODES}
    bus.state("cluster").apply({"nodes": nodes, "guests": guests, "storages": storages})
    return [guest.name for guest in guests.values()]


def _sentences(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those of the tests, with other guests in them."""
    document = yaml.safe_load((SAID / "meant.yaml").read_text("utf-8"))
    meant = [*document["orders"], *document.get("questions", {})]
    lines = (SAID / "not_acted.txt").read_text("utf-8").splitlines()
    not_acted = [line for line in lines if line and line[0] not in "[#"]
    chosen, pattern = random.Random(5), re.compile(r"\b(plex|gitea|nextcloud|immich|truenas|code.server)\b")
    return (
        [pattern.sub(lambda match: chosen.choice(names), sentence) for sentence in meant],
        [pattern.sub(lambda match: chosen.choice(names), sentence) for sentence in not_acted],
    )


def _times(understanding: Understanding, sentences: Sequence[str], rounds: int = ROUNDS) -> list[float]:
    """Milliseconds a sentence, the best of some rounds each: the rest is what else runs on this machine."""
    best = [float("inf")] * len(sentences)
    for _ in range(rounds):
        for number, sentence in enumerate(sentences):
            began = time.perf_counter()
            understanding.parse(sentence)
            best[number] = min(best[number], (time.perf_counter() - began) * 1000)
    return best


def _bare_ms(understanding: Understanding, sentences: Sequence[str], names: Sequence[str]) -> float:
    """Mean of hassil's own matcher over all templates, with every name in every list."""
    everything = TextSlotList.from_strings(
        [*names, *(name.replace("-", " ") for name in names)], allow_template=False
    )
    lists: dict[str, SlotList] = dict.fromkeys(PARTS, everything) | {"text": WildcardSlotList(name="text")}
    began = time.perf_counter()
    for sentence in sentences:
        for intent in understanding.intents.values():
            own = {
                name: TextSlotList.from_strings(choices, allow_template=False)
                for name, choices in intent.lists.items()
            }
            for say in intent.says:
                is_match(sentence, say.sentence, slot_lists=lists | own, expansion_rules=intent.rules)
    return (time.perf_counter() - began) * 1000 / len(sentences)
