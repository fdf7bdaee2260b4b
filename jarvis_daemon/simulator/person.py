"""What a person does while somebody else watches: in PVE's own interface as ``root@pam``, or at the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jarvis_daemon.simulator import actions
from jarvis_daemon.simulator.errors import ControlError, Refused
from jarvis_daemon.simulator.guests import Guest
from jarvis_daemon.simulator.world import World

USER: Final = "root@pam"


def _lock(world: World, guest: Guest) -> None:
    guest.lock = "snapshot"
    world.config_version += 1


def _unlock(world: World, guest: Guest) -> None:
    guest.lock = None
    world.config_version += 1


ACTS: Final[dict[str, Callable[[World, Guest], object]]] = {
    "stop": lambda world, guest: actions.stop(world, guest, USER),
    "start": lambda world, guest: actions.start(world, guest, USER),
    "lock": _lock,
    "unlock": _unlock,
}
"""On a guest; ``power-on`` and ``power-off`` are about a node."""


def do(world: World, act: str, target: str) -> None:
    """Raises ControlError: there is no such act or target, or PVE refuses it."""
    if act in {"power-on", "power-off"} and target in world.nodes:
        (world.power_on if act == "power-on" else world.power_off)(target)
        return
    guest, what = world.guest_named(target), ACTS.get(act)
    if guest is None or what is None:
        known = ", ".join([*ACTS, "power-on", "power-off"])
        raise ControlError("bad_request", f"A person cannot {act} {target}", f"There is: {known}")
    try:
        what(world, guest)
    except Refused as refused:
        raise ControlError("refused", refused.message) from None
