"""How a fault's parameters are read from the command line."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from jarvis_cli.commands.sim import _param


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=true", True), ("a=False", False), ("a=400", 400), ("a=0.5", 0.5), ("a=word", "word"), ("a=x=y", "x=y"),
     ("a=1", 1)],
)  # fmt: skip
def test_a_value_is_what_it_reads_as(text: str, value: Any) -> None:
    key, found = _param(text)
    assert key == "a"
    assert (found, type(found)) == (value, type(value))


def test_without_a_value_it_is_none() -> None:
    with pytest.raises(typer.BadParameter, match="KEY=VALUE"):
        _param("stays")
