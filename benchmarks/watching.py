"""One observed stretch of watching a simulated cluster, shared by the benchmarks that read from it."""

from __future__ import annotations

import functools
import json
import ssl
import threading
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

from benchmarks.lab import Lab, cpu_s, rss_mb

SMALL = (4, 18)
LARGE = (32, 5000)
STRETCH_S = 60.0


@dataclass(frozen=True)
class Observation:
    """A daemon with one client attached, over ``STRETCH_S`` after its start had settled."""

    nodes: int
    guests: int
    calls_per_min: float
    cpu_share: float
    rss_mb: float
    poll_cpu_ms: float | None
    bare_ms: float
    """CPU of fetching and parsing the poll's main reply with the standard library alone, in ms."""


@functools.cache
def observe(nodes: int, guests: int) -> Observation:
    """Watch for ``STRETCH_S`` and tell what it took."""
    with Lab(nodes, guests) as lab:
        state = lab.cluster()
        assert len(state["nodes"]) == nodes, f"{len(state['nodes'])} nodes seen instead of {nodes}"
        assert len(state["guests"]) == guests, f"{len(state['guests'])} guests seen instead of {guests}"
        _pass(20)  # what happens only once, at the start
        calls, used, began = _calls(lab), cpu_s(lab.daemon), time.monotonic()
        _pass(STRETCH_S)
        elapsed = time.monotonic() - began
        calls, used = _calls(lab) - calls, cpu_s(lab.daemon) - used
        return Observation(
            nodes, guests, calls * 60 / elapsed, used / elapsed, rss_mb(lab.daemon),
            lab.health().get("poll_cpu_ms"), bare_fetch_ms(lab.told),
        )  # fmt: skip


def _pass(seconds: float) -> None:
    """Let time pass: a benchmark watches other processes, whose clock is not ours to move."""
    threading.Event().wait(seconds)


def _calls(lab: Lab) -> int:
    """API requests answered by the simulator so far."""
    return int(lab.simulator("status")["requests"])


def bare_fetch_ms(told: dict[str, Any], rounds: int = 5) -> float:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(
        f"{told['endpoints'][0]}/api2/json/cluster/resources",
        headers={"Authorization": f"PVEAPIToken={told['token_id']}={told['token_secret']}"},
    )
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        with urllib.request.urlopen(request, context=context, timeout=30) as reply:
            json.loads(reply.read())
        best = min(best, time.process_time() - began)
    return best * 1000
