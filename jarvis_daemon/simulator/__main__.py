"""``python -m jarvis_daemon.simulator --dir DIR --control SOCKET``: serve a homelab that is not there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m jarvis_daemon.simulator",
        description="Serve a simulated Proxmox VE homelab on loopback; DIR/sim.json tells how to reach it.",
    )
    parser.add_argument("--dir", type=Path, required=True, help="folder for sim.json, keys and the lock")
    parser.add_argument("--control", type=Path, required=True, help="path of the control socket")
    parser.add_argument("--nodes", type=int, help="scale to so many nodes")
    parser.add_argument("--guests", type=int, help="scale to so many guests")
    parser.add_argument("--speed", type=float, default=1.0, help="how fast tasks, loads and faults run")
    parser.add_argument("--seed", type=int, default=1, help="seed of loads and names")
    parser.add_argument("--stat-interval", type=float, default=10.0, help="seconds between samples of a node")
    parser.add_argument("--auth-delay", type=float, default=3.0, help="seconds until a wrong token is told")
    parser.add_argument("--proxy-timeout", type=float, default=30.0, help="seconds until a silent node is given up")
    parser.add_argument("--linger", type=float, default=60.0, help="seconds to live after the last attached daemon")
    parser.add_argument(
        "--clock", choices=["live", "manual"], default="live", help="manual: time passes by command"
    )
    parser.add_argument("--now", type=float, help="Unix seconds at which a manual clock begins")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, check, serve; the exit code."""
    from jarvis_daemon.simulator.serve import Options, serve

    command_line = parser()
    given = command_line.parse_args(argv)
    if given.nodes is not None and given.nodes < 1:
        command_line.error("--nodes is at least 1")
    if given.guests is not None and given.guests < 0:
        command_line.error("--guests is at least 0")
    if not 0 < given.speed <= 1000:
        command_line.error("--speed is above 0 and at most 1000")
    if given.stat_interval <= 0:
        command_line.error("--stat-interval is above 0")
    options = Options(
        folder=given.dir.absolute(), control=given.control.absolute(), nodes=given.nodes, guests=given.guests,
        speed=given.speed, seed=given.seed, stat_interval_s=given.stat_interval, auth_delay_s=given.auth_delay,
        proxy_timeout_s=given.proxy_timeout, linger_s=given.linger,
        manual=given.clock == "manual", now=given.now if given.clock == "manual" else None,
    )  # fmt: skip
    return serve(options)


if __name__ == "__main__":
    sys.exit(main())
