"""How a simulated guest, or the world around it, misbehaves for the length of a case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jarvis_daemon.simulator.guests import Guest as SimGuest
from jarvis_daemon.simulator.guests import GuestState
from jarvis_daemon.simulator.tasks import TaskError


@contextmanager
def changed(thing: Any, name: str, value: Any) -> Iterator[None]:
    """An instance of the simulated world misbehaves for the length of a case."""
    setattr(thing, name, value)
    try:
        yield
    finally:
        delattr(thing, name)


def fail(text: str) -> Any:
    """Ends the task that asks."""
    raise TaskError(text)


@contextmanager
def state_of(guest: SimGuest, *, frozen: GuestState | None = None, error: str = "") -> Iterator[None]:
    """The guest keeps a state whatever it is told, or its task fails when it is to change it."""

    def tell(self: SimGuest) -> GuestState:
        return frozen or "running"

    def told(self: SimGuest, state: GuestState) -> None:
        if error:
            fail(error)

    kept = guest.state
    guest.__class__ = type("Stubborn", (SimGuest,), {"state": property(tell, told)})
    try:
        yield
    finally:
        guest.__class__ = SimGuest
        guest.state = kept


class Rooted(SimGuest):
    """A guest that stays where it is."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "node":
            super().__setattr__(name, value)


class Unmovable(SimGuest):
    """A guest whose migration fails."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "node":
            fail("migration aborted")
        super().__setattr__(name, value)


class Immortal(dict[int, Any]):
    """Guests, of whom none comes and none goes."""

    def __setitem__(self, vmid: int, guest: Any) -> None:
        return

    def pop(self, vmid: int, default: Any = None) -> Any:
        return default


class Forgetful(list[Any]):
    """A list that neither takes nor gives up anything."""

    def append(self, thing: Any) -> None:
        return

    def remove(self, thing: Any) -> None:
        return
