"""``jarvis-daemon``: the daemon in the foreground, JSON lines on standard error.

``python -m jarvis_daemon admin … --json`` answers what the CLI needs while no daemon runs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, places
from jarvis_daemon.protocol.version import VERSION


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["admin"]:
        from jarvis_daemon.admin import main as admin

        return admin(arguments[1:])
    options = _parse(arguments)
    try:
        where = places()
        ending = _run(where, options)
    except JarvisError as error:
        print(f"{error.sentence()}. {error.next}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    if ending == "restart":
        _begin_anew(arguments)
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="jarvis-daemon", description=__doc__)
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--log-file", type=Path, help="write the log there, rotated, not to standard error")
    demo = parser.add_argument_group("the simulated homelab (only where no cluster is configured)")
    demo.add_argument("--nodes", type=int)
    demo.add_argument("--guests", type=int)
    demo.add_argument("--speed", type=float)
    demo.add_argument("--seed", type=int)
    return parser.parse_args(arguments)


def _run(where: Places, options: argparse.Namespace) -> str:
    from jarvis_daemon import logs, settings

    # nearly all that a poll makes dies by its reference count; looking through thousands of guests for cycles
    # every other poll would cost more than the poll
    gc.set_threshold(20_000, 20, 100)
    os.umask(0o077)  # rotated logs, copies of the store: whatever a library makes is ours alone
    loaded = settings.load(where).settings
    from jarvis_daemon.app import build  # after the settings: a mistake there is told at once

    logs.set_up(loaded.log.level, options.log_file)
    for name in ("nodes", "guests", "speed", "seed"):
        if (value := getattr(options, name)) is not None:
            setattr(loaded.demo, name, value)
    daemon = build(where, loaded)

    async def serve() -> str:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.end)
        return await daemon.run()

    return asyncio.run(serve())


def _begin_anew(arguments: list[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-m", "jarvis_daemon", *arguments])  # noqa: S606  argv of ours


if __name__ == "__main__":
    sys.exit(main())
