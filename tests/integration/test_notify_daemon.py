"""A whole daemon, a simulated homelab and a real mail server: what breaks at night stands in the mail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.house import House
from tests.unit.notify.post import PostOffice, certificate


def settings(post: PostOffice) -> dict[str, str]:
    assert post.certificate is not None
    given = {
        "HOST": "127.0.0.1", "PORT": str(post.port), "FROM_ADDRESS": "jarvis@home.lan", "TO": '["me@home.lan"]',
        "CA_FILE": str(post.certificate[0]),
    }  # fmt: skip
    return {f"JARVIS_NOTIFY__EMAIL__{key}": value for key, value in given.items()}


@pytest.fixture
def post(tmp_path: Path) -> Iterator[PostOffice]:
    office = PostOffice(certificate=certificate(tmp_path)).open()
    yield office
    office.close()


@pytest.fixture
def house(home: Path, post: PostOffice) -> Iterator[House]:
    house = House(home, **settings(post))
    house.start()
    house.state("cluster")
    yield house
    house.close()


def until(check: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    deadline, waiting = time.monotonic() + timeout_s, threading.Event()
    while not check():
        assert time.monotonic() < deadline, what
        waiting.wait(0.1)


def test_a_crash_is_told_and_its_repair_in_the_same_thread(house: House, post: PostOffice) -> None:
    house.fault("guest-crash", "pihole")
    until(lambda: any(s.endswith("pihole has stopped by itself, repaired") for s in post.subjects()), "repaired")
    mails = {str(mail["Subject"]).partition("] ")[2]: mail for mail in post.mails}
    assert set(mails) <= {"pihole has stopped by itself", "pihole has stopped by itself, repaired"}
    assert len({str(mail["References"]) for mail in mails.values()}) == 1
    text = str(mails["pihole has stopped by itself, repaired"].get_content())
    assert text.startswith("SIMULATED")
    assert "start pihole" in text
    assert "L3" in text

    listed = json.loads(house.jarvis("notify", "log", "--json").stdout)
    assert listed["simulated"] is True
    assert [m["subject"] for m in listed["messages"] if m["status"] == "sent"] == post.subjects()
    number = listed["messages"][-1]["id"]
    assert "start pihole" in house.jarvis("notify", "show", str(number)).stdout


def test_a_person_tries_it_out(house: House, post: PostOffice) -> None:
    tried = house.jarvis("notify", "test")
    assert (tried.returncode, tried.stdout) == (0, "✔ email: sent\n")
    assert post.subjects() == ["[Jarvis homelab, SIMULATED] a test message"]
    sent = house.jarvis("report", "--send")
    assert sent.returncode == 0
    assert "Daily report" in sent.stdout
    until(lambda: len(post.mails) == 2, "the report arrives")
    assert post.text().split() == sent.stdout.partition("\n\n")[2].split()
    post.close()
    away = house.jarvis("notify", "test", "email")
    assert away.returncode == 1
    assert "Connection refused" in away.stdout
    unknown = house.jarvis("notify", "test", "sms")
    assert unknown.returncode == 6
    assert "known: email" in unknown.stderr
    refused = house.jarvis("notify", "log", "--status", "lost")
    assert refused.returncode == 2
