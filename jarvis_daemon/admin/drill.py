"""``admin drill``: a drill, told line by line; the last line is its report."""

from __future__ import annotations

import json
import secrets
import sys
from typing import Any

from jarvis_daemon.drill.run import Plan, drill
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

MINUTES_MAX = 10_080.0


def run(words: list[str]) -> dict[str, Any]:
    """``{"report": …}``; before it goes ``{"progress": text}`` for each thing that is told.

    ``words``: ``--minutes N``, ``--seed N``, ``--runbook NAME``, ``--power-cut``. Raises ``invalid_params``, and as
    ``run.drill``.
    """

    def tell(text: str) -> None:
        sys.stdout.write(json.dumps({"progress": clean(text, limit=400)}) + "\n")
        sys.stdout.flush()

    return {"report": drill(_plan(words), tell)}


def _plan(words: list[str]) -> Plan:
    given: dict[str, str] = {}
    rest = list(words)
    power_cut = "--power-cut" in rest
    rest = [word for word in rest if word != "--power-cut"]
    while rest:
        name, *values = rest[:2]
        if name not in {"--minutes", "--seed", "--runbook"} or not values:
            raise JarvisError(
                "invalid_params", f"admin drill does not know {clean(name, limit=60)!r}",
                next="--minutes N, --seed N, --runbook NAME, --power-cut.",
            )  # fmt: skip
        given[name] = values[0]
        rest = rest[2:]
    try:
        minutes = float(given.get("--minutes", "60"))
        seed = int(given["--seed"]) if "--seed" in given else secrets.randbelow(100_000)
    except ValueError as error:
        raise JarvisError("invalid_params", "Minutes and seed are numbers", why=str(error)) from None
    if not 1 <= minutes <= MINUTES_MAX or seed < 0:
        raise JarvisError("invalid_params", f"A drill takes from 1 to {MINUTES_MAX:g} minutes")
    return Plan(minutes, seed, given.get("--runbook"), power_cut)
