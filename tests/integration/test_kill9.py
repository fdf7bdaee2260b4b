"""A hundred times ``kill -9`` under load: nothing that a client was told is lost, nothing is told twice."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.protocol.errors import JarvisError
from tests.integration.house import House

KILLS = 100
GUESTS = ("plex", "pihole", "homepage", "gitea", "nextcloud", "vaultwarden", "paperless", "minecraft")


class Reader(threading.Thread):
    """Follows the feed as a HUD does, and remembers every line it was told, over all lives of the daemon."""

    def __init__(self, house: House) -> None:
        super().__init__(daemon=True)
        self.house = house
        self.told: dict[int, str] = {}
        self.doubled: list[int] = []
        self.holes: list[tuple[int, int]] = []
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            try:
                with self.house.client(role="viewer", timeout_s=3) as link:
                    last = max(self.told, default=0)
                    link.subscribe(["feed"], since={"feed": last})
                    for note in link.notifications():
                        if note["method"] == "event":
                            self._take(note["params"]["event"])
            except JarvisError:
                self.ending.wait(0.02)

    def _take(self, event: dict[str, Any]) -> None:
        number = event["seq"]
        if number in self.told:
            self.doubled.append(number)
        elif self.told and number != max(self.told) + 1:
            self.holes.append((max(self.told), number))
        self.told[number] = event["text"]


class Acker(threading.Thread):
    """Acknowledges open incidents and silences, as fast as it is answered; remembers what was acknowledged."""

    def __init__(self, house: House) -> None:
        super().__init__(daemon=True)
        self.house = house
        self.acked: dict[str, str] = {}
        self.silenced: set[str] = set()
        self.ending = threading.Event()
        self.count = itertools.count()

    def run(self) -> None:
        while not self.ending.is_set():
            try:
                with self.house.client(timeout_s=3) as link:
                    while not self.ending.wait(0.02):
                        self._round(link)
            except JarvisError:
                self.ending.wait(0.02)

    def _round(self, link: Any) -> None:
        listed = link.call("incident.list", {"status": "open", "limit": 100})
        for incident in listed["incidents"]:
            if incident["id"] not in self.acked and not incident["acked_at"]:
                by = f"tester-{next(self.count)}"
                link.call("incident.ack", {"id": incident["id"], "by": by})
                self.acked[incident["id"]] = by
        reason = f"load {next(self.count)}"
        link.call("incident.silence", {"condition": "no-such", "duration_s": 86400, "reason": reason})
        self.silenced.add(reason)


@pytest.mark.slow
def test_a_hundred_kills_lose_and_double_nothing(home: Path) -> None:
    # what is broken stays so until the test heals it; repairs under kill -9 have tests of their own
    house = House(home, JARVIS_DEMO__SPEED="20", JARVIS_REMEDIATION__ENABLED="false")
    dice = random.Random(7)
    broken: set[str] = set()
    reader, acker = Reader(house), Acker(house)
    try:
        house.start()
        house.state("cluster")
        reader.start()
        acker.start()
        for kill in range(KILLS):
            for guest in (GUESTS[kill % len(GUESTS)], GUESTS[(kill + 3) % len(GUESTS)]):
                if guest in broken:
                    house.heal(guest)
                house.fault("guest-crash", guest)
                broken.add(guest)
            reader.ending.wait(dice.uniform(0.0, 2.5))  # anywhere in the daemon's life: start, poll, write
            if kill % 4 == 3:
                house.heal()
                broken.clear()
            house.kill()
            house.start()
        house.heal()
        house.until(lambda s: not [i for i in s["incidents"].values() if i["status"] == "open"], "all closed")
        acker.ending.set()
        acker.join(10)
        kept = house.feed()
        house.until(lambda s: True, "one more answer")
        while max(reader.told) < kept[-1]["seq"]:
            reader.ending.wait(0.05)
        reader.ending.set()
        numbers = [event["seq"] for event in kept]
        texts = {event["seq"]: event["text"] for event in kept}
        with house.client() as link:
            listed = link.call("incident.list", {"limit": 1000})
        incidents = {i["id"]: i for i in listed["incidents"]}
        reasons = Counter(silence["reason"] for silence in listed["silences"])
    finally:
        house.close()

    assert numbers == list(range(1, len(numbers) + 1)), "the feed has a hole"
    assert not reader.holes
    assert not reader.doubled
    assert {n: t for n, t in reader.told.items() if texts.get(n) != t} == {}, "a told line was lost or changed"
    once = Counter((e["kind"], e["data"].get("incident")) for e in kept if e["data"].get("incident"))
    assert [
        key for key, count in once.items() if count > 1 and key[0] in {"incident.opened", "incident.closed"}
    ] == []
    assert len(acker.acked) >= KILLS / 10
    lost = {i: by for i, by in acker.acked.items() if incidents.get(i, {}).get("acked_by") != by}
    assert lost == {}, "an acknowledgement was lost"
    assert acker.silenced - set(reasons) == set(), "a silence was lost"
    assert [reason for reason, count in reasons.items() if count > 1] == [], "a silence was doubled"
    print(f"{KILLS} kills, {len(kept)} feed events, {len(incidents)} incidents, {len(acker.acked)} acks kept")
