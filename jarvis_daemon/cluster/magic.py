"""The magic packet that wakes a machine: six bytes 0xFF, then its hardware address sixteen times, by UDP."""

from __future__ import annotations

import asyncio
import socket

from jarvis_daemon.cluster.addresses import require_loopback
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import ClusterSettings
from jarvis_daemon.tools import Act


def magic_packet(mac: str) -> bytes:
    """``mac`` as ``02:50:56:a8:01:02``."""
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) * 16


async def send_magic_packet(act: Act, what: str, cluster: ClusterSettings, mac: str) -> None:
    """Send it under the gate's permit. Raises ``unavailable`` when this machine cannot, and by the permit."""
    wake = cluster.wake
    if cluster.simulated:
        require_loopback(wake.address)
    async with act.step(what):
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=(wake.address, wake.port), allow_broadcast=True,
                family=socket.AF_UNSPEC,
            )  # fmt: skip
        except OSError as error:
            raise JarvisError(
                "unavailable", f"No magic packet can be sent to {wake.address}", why=error.strerror or str(error),
                next="Set cluster.wake.address to the broadcast address of the nodes' network.",
            ) from None  # fmt: skip
        transport.sendto(magic_packet(mac))
        transport.close()
