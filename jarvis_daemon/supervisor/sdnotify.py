"""systemd's readiness and watchdog datagrams; does nothing where systemd did not start us."""

from __future__ import annotations

import os
import socket

from jarvis_daemon.clock import Clock


def notify(state: str) -> bool:
    """Send ``READY=1``, ``STOPPING=1`` or ``WATCHDOG=1``; False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            return False
    return True


async def watchdog(clock: Clock) -> None:
    """Tell systemd that the event loop turns, twice as often as it asks for."""
    interval_us = int(os.environ.get("WATCHDOG_USEC") or 0)
    while interval_us:
        notify("WATCHDOG=1")
        await clock.sleep(interval_us / 2e6)
