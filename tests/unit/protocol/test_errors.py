"""The error table: complete, unambiguous, the same on both sides of the wire."""

from __future__ import annotations

import pytest

from jarvis_daemon.protocol.errors import ERRORS, EXIT_CODES, JarvisError


def test_numbers_are_unique_and_exit_codes_documented() -> None:
    numbers = [row.number for row in ERRORS.values()]
    assert len(set(numbers)) == len(numbers)
    assert {row.exit_code for row in ERRORS.values()} <= set(EXIT_CODES)


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_survives_the_wire_and_names_a_next_step(code: str) -> None:
    there = JarvisError(code, "It failed", why="because", data={"vmids": [1, 2]})
    back = JarvisError.from_wire(there.to_wire())
    assert (back.code, back.what, back.why, back.next, back.data) == (
        code, "It failed", "because", ERRORS[code].next, {"vmids": [1, 2]},
    )  # fmt: skip
    assert back.next
    assert back.exit_code == ERRORS[code].exit_code


def test_a_code_of_a_newer_version_is_internal_not_a_crash() -> None:
    error = JarvisError.from_wire({"code": -32999, "message": "new", "data": {"code": "from_the_future"}})
    assert error.code == "internal"
    assert error.what == "new"
    assert JarvisError.from_wire({"message": "bare"}).what == "bare"
