"""The simulator as a process: one a folder, until nobody needs it or it is told to end."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from jarvis_daemon.simulator.control import Control
from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.inventory import load
from jarvis_daemon.simulator.pve_api import Delays


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    folder: Path
    control: Path
    nodes: int | None = None
    guests: int | None = None
    speed: float = 1.0
    seed: int = 1
    stat_interval_s: float = 10.0
    auth_delay_s: float = 3.0
    proxy_timeout_s: float = 30.0
    linger_s: float = 60.0
    manual: bool = False
    """Time passes by the control command ``advance`` only."""
    now: float | None = None
    """Unix seconds at which a manual clock begins; else the machine's."""


def serve(options: Options) -> int:
    """Serve until the end; the exit code (1: another simulator has the folder)."""
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(options.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print(f"Another simulator already serves {options.folder}.", file=sys.stderr)
        return 1
    (options.folder / "sim.json").unlink(missing_ok=True)  # of one that was killed
    try:
        asyncio.run(_serve(options))
    finally:
        (options.folder / "sim.json").unlink(missing_ok=True)
        os.close(lock)
    return 0


async def _serve(options: Options) -> None:
    lab = Homelab(
        load(options.nodes, options.guests), options.folder, seed=options.seed, speed=options.speed,
        now=options.now, sleep=None if options.manual else asyncio.sleep,
        stat_interval_s=options.stat_interval_s,
        delays=Delays(options.auth_delay_s, options.proxy_timeout_s), live=not options.manual,
    )  # fmt: skip
    control = Control(lab, options.control, linger_s=options.linger_s)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, control.finished.set)
    async with lab:
        await control.start()
        try:
            if options.manual:  # nothing may depend on how soon a library is loaded
                await lab.ssh_ready()
            lab.write_sim_json()
            await control.finished.wait()
        finally:
            await control.close()
