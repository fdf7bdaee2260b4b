"""Replies that turn in circles, and those that only repeat themselves a little."""

from __future__ import annotations

import pytest

from jarvis_daemon.assistant.llm.circles import Circles


def stops_at(text: str, size: int = 3) -> int | None:
    circles = Circles()
    for at in range(0, len(text), size):
        if circles.take(text[at : at + size]):
            return at
    return None


@pytest.mark.parametrize("words", ["a ferret is a ferret, ", "x", "generally speaking ", "Yes, sir. " * 9])
def test_the_same_again_and_again_is_stopped(words: str) -> None:
    begin = "The operator says: tell me a joke. "
    at = stops_at(begin + words * (3000 // len(words)))
    assert at is not None
    assert at < len(begin) + max(400, 8 * len(words)) + 70


def test_honest_repetition_is_not() -> None:
    table = "| node | cpu | memory |\n|" + "-" * 60 + "|\n" + "".join(
        f"| pve{n} | {n * 7 % 100} % | {n} GiB |\n" for n in range(60)
    )  # fmt: skip
    assert stops_at(table) is None
    assert stops_at("very " * 20 + "hot. " + " ".join(str(n) for n in range(400))) is None
    assert stops_at("- online\n" * 30 + "That is all.") is None
