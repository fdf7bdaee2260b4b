"""``python -m benchmarks [NAME …] [--json] [--list]``: run the benchmarks and print the table.

Exit code 1 when a budget is exceeded, 0 otherwise. A benchmark that cannot run says why in its line.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import platform
import sys
import time
from typing import Final

from benchmarks.row import Row, number, table

BENCHMARKS: Final = {
    "api_calls": "PVE API calls a minute, at 4 nodes / 18 guests and at 32 / 5,000",
    "daemon_load": "CPU and memory of the daemon with a client attached, at both sizes",
    "status_cpu": "`jarvis status` against a warm daemon, beside a bare Typer app",
    "event_latency": "from a change in the daemon to the client",
    "event_cells": "from a change in the daemon to the cells on the terminal",
    "hud_pty": "the HUD on a terminal: CPU, bytes, first paint, beside a bare Textual app",
    "intents": "from a sentence to an order or a question without a model, at 500 guests",
    "gate": "what the gate costs a call, beside the bare function",
    "repairs": "from a fault to its verified repair, and the watchman's round at 5,000 guests",
    "mcp_latency": "an MCP call in process and over HTTP, beside a bare MCP server",
    "first_token": "the first token of a model, beside a bare HTTP client at the same server",
    "install_size": "the core install",
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--json", action="store_true", help="rows as JSON on standard output")
    parser.add_argument("--list", action="store_true", help="the names and what they measure")
    options = parser.parse_args(arguments)
    if options.list:
        for name, what in BENCHMARKS.items():
            print(f"{name:<14} {what}")
        return 0
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")

    rows = [machine_speed()]
    for name in options.names or BENCHMARKS:
        print(f"bench: {name}: {BENCHMARKS[name]}", file=sys.stderr, flush=True)
        rows += measured(name)
    if options.json:
        print(json.dumps([{**dataclasses.asdict(row), "verdict": row.verdict} for row in rows], indent=1))
    else:
        print(f"\n{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
              f"load {os.getloadavg()[0]:.1f}\n\n{table(rows)}\n")  # fmt: skip
    over = [row for row in rows if row.verdict == "OVER"]
    for row in over:
        print(f"over budget: {row.what}: {number(row.measured or 0)} {row.unit}", file=sys.stderr)
    return 1 if over else 0


def measured(name: str) -> list[Row]:
    """The rows of one benchmark; a failure becomes a row, so that one broken part does not hide the others."""
    try:
        rows: list[Row] = importlib.import_module(f"benchmarks.{name}").run()
    except Exception as error:
        return [Row(name, None, "", note=f"could not be measured: {type(error).__name__}: {error}")]
    return rows


def machine_speed() -> Row:
    """How fast this machine is now: CPU of a fixed loop, to read the other lines by."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        total = 0
        for value in range(1_000_000):
            total += value & 7
        best = min(best, time.process_time() - began)
    return Row("this machine: 1,000,000 turns of a loop", best * 1000, "ms CPU")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
