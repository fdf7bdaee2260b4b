"""The faults in force: begin one, heal one or all, list what there is. Kinds: ``fault_kinds.py``."""

from __future__ import annotations

import difflib
import inspect
import math
from typing import TYPE_CHECKING, Any

from jarvis_daemon.simulator import fault_upkeep  # noqa: F401  (its kinds register themselves)
from jarvis_daemon.simulator.errors import ControlError
from jarvis_daemon.simulator.fault_kinds import KINDS, Fault, candidates

if TYPE_CHECKING:
    from jarvis_daemon.simulator.world import World


class Faults:
    """Keyed by name and target: a fault is in force once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._active: dict[tuple[str, str], Fault] = {}

    def begin(self, name: str, target: str | None = None, params: dict[str, Any] | None = None) -> Fault:
        """Break something. Raises ControlError with the nearest name for what is unknown."""
        kind = KINDS.get(name)
        if kind is None:
            raise ControlError("unknown_fault", f"There is no fault {name!r}", _nearest(name, list(KINDS)))
        chosen = self._target(kind, target)
        given = _parameters(kind, params or {})
        self._prune()
        fault = kind(self._world, chosen, given)
        if (complaint := fault.unfit()) is not None:
            raise ControlError(
                "unfit_target", f"{name} is not possible: {complaint}", "`jarvis sim heal` mends all."
            )
        before = self._active.pop((name, chosen), None)
        if before is not None:
            before.mend()
        fault.mend = fault.begin()
        self._active[name, chosen] = fault
        return fault

    def heal(self, target: str | None = None) -> list[Fault]:
        """Mend what is in force: all, or what ``target`` names (a fault, a target, or ``name:target``)."""
        self._prune()
        chosen = [fault for fault in self._active.values() if target is None or self._is(fault, target)]
        if target is not None and not chosen:
            names = [f"{fault.name}" for fault in self._active.values()] + [f.target for f in self._active.values()]
            raise ControlError("not_broken", f"Nothing is broken at {target!r}", _nearest(target, names))
        for fault in reversed(chosen):
            fault.mend()
            self._active.pop((fault.name, fault.target), None)
        return chosen

    def _is(self, fault: Fault, target: str) -> bool:
        names = {fault.name, fault.target, f"{fault.name}:{fault.target}"}
        if fault.targets == "guest":
            names |= {str(fault.guest.vmid), fault.guest.spec.name, f"{fault.name}:{fault.guest.vmid}"}
        return target in names

    def active(self) -> list[dict[str, Any]]:
        """What is in force, oldest first."""
        self._prune()
        return [{"name": f.name, "target": f.target, "params": f.given} for f in self._active.values()]

    def _prune(self) -> None:
        for key in [key for key, fault in self._active.items() if fault.over()]:
            del self._active[key]

    def kinds(self) -> list[dict[str, Any]]:
        """Every fault with what it aims at, its parameters, its default target and one sentence."""
        return [
            {
                "name": kind.name, "target": kind.targets, "default_target": self._default(kind),
                "params": dict(kind.params), "about": inspect.getdoc(kind) or "",
            }
            for kind in KINDS.values()
        ]  # fmt: skip

    def _default(self, kind: type[Fault]) -> str:
        known = candidates(self._world, kind.targets)
        if kind.default_target in known:
            return self._canonical(kind, kind.default_target)
        return self._canonical(kind, known[0]) if known else ""

    def _target(self, kind: type[Fault], target: str | None) -> str:
        known = candidates(self._world, kind.targets)
        if not known:
            raise ControlError("unknown_target", f"This homelab has no {kind.targets} that {kind.name} could break")
        if not target:
            return self._default(kind)
        if target not in known:
            raise ControlError(
                "unknown_target", f"{kind.name} aims at a {kind.targets}; there is no {target!r}",
                _nearest(target, known),
            )  # fmt: skip
        return self._canonical(kind, target)

    def _canonical(self, kind: type[Fault], target: str) -> str:
        if kind.targets == "guest":
            guest = self._world.guest_named(target)
            return guest.spec.name if guest is not None else target
        if kind.targets == "container" and "/" not in target:
            known = candidates(self._world, "container")
            return next(ident for ident in known if ident.endswith(f"/{target}"))
        if kind.targets == "storage" and target not in self._world.disks:
            return next(ident for ident in self._world.disks if ident.endswith(f"/{target}"))
        return target


def _parameters(kind: type[Fault], params: dict[str, Any]) -> dict[str, Any]:
    for name, value in params.items():
        if name not in kind.params:
            raise ControlError(
                "unknown_parameter", f"{kind.name} has no parameter {name!r}", _nearest(name, list(kind.params))
            )
        _check(f"{name} of {kind.name}", kind.params[name], value)
    return {**kind.params, **params}


def _check(what: str, wanted: float | str | bool, value: Any) -> None:
    if isinstance(wanted, bool):
        if not isinstance(value, bool):
            raise ControlError("bad_parameter", f"{what} is true or false")
    elif isinstance(wanted, float):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ControlError("bad_parameter", f"{what} is a number")
    elif not isinstance(value, str):
        raise ControlError("bad_parameter", f"{what} is text")


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There is: {', '.join(known[:20])}" if known else "`jarvis sim status` shows what is broken."
