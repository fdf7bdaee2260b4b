"""``kill -9`` while mail is on its way: nothing that was told in the feed is lost, and what comes twice comes under
the same Message-ID, which mailboxes recognise."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.notify.post import PostOffice, certificate

LIFE = Path(__file__).with_name("notify_life.py")
ROOT = LIFE.parents[2]


class Life:
    """A process that tells people; ``tell`` returns once the feed has it."""

    def __init__(self, folder: Path, post: PostOffice) -> None:
        assert post.certificate is not None
        self.process = subprocess.Popen(
            [sys.executable, str(LIFE), str(folder), str(post.port), str(post.certificate[0])], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT), "PATH": ""},
        )  # fmt: skip
        assert self._line() == "up"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, text: str) -> bool:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{text}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        return self._line().startswith("ok")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture
def post(tmp_path: Path) -> Iterator[PostOffice]:
    office = PostOffice(certificate=certificate(tmp_path)).open()
    yield office
    office.close()


def told(post: PostOffice) -> list[str]:
    """Names in all mails, each once a Message-ID."""
    by_id = {str(mail["Message-ID"]): " ".join(str(mail.get_content()).split()) for mail in post.mails}
    return [name for text in by_id.values() for name in re.findall(r"fault-\d+-\d+", text.partition("When:")[0])]


def until_told(post: PostOffice, names: set[str], timeout_s: float = 90) -> None:
    deadline, waiting = time.monotonic() + timeout_s, threading.Event()
    while not names <= set(told(post)):
        assert time.monotonic() < deadline, f"lost: {sorted(names - set(told(post)))}"
        waiting.wait(0.1)


def test_killed_between_the_servers_yes_and_the_commit(tmp_path: Path, post: PostOffice) -> None:
    """The server has the mail in its hand when the process dies; the next life sends the very same one."""
    life = Life(tmp_path, post)
    kills = iter([life.kill])
    post.on_data = lambda: next(kills, lambda: None)()
    assert life.tell("fault-1-1")
    life.process.wait(30)
    life.end()
    assert len(post.mails) == 1
    life = Life(tmp_path, post)
    assert life.tell("fault-1-2")
    until_told(post, {"fault-1-1", "fault-1-2"})
    life.end()
    ids = [str(mail["Message-ID"]) for mail in post.mails]
    assert len(ids) == 3
    assert len(set(ids)) == 2
    assert post.text(0) == post.text(ids.index(ids[0], 1))


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path, post: PostOffice) -> None:
    happened: set[str] = set()
    for round_ in range(20):
        life = Life(tmp_path, post)
        if round_ % 5 == 3:
            post.close()  # the server is away for this life
        for number in range(round_ % 7 + 1):
            name = f"fault-{round_}-{number}"
            if life.tell(name):
                happened.add(name)
        threading.Event().wait(0.23 * (round_ % 12))  # anywhere in its work
        life.kill()
        life.end()
        if round_ % 5 == 3:
            post.open()
    life = Life(tmp_path, post)
    until_told(post, happened)
    life.end()
    names = told(post)
    assert sorted(names) == sorted(set(names)), "something came in two different mails"
    assert set(names) == happened
