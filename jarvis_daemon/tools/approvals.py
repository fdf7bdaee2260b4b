"""Approvals: objects of the gate, bound to one call as it was shown, used once, gone after five minutes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Approval
from jarvis_daemon.tools.spec import Target
from jarvis_daemon.tools.tiers import Tier

LIFE_S: Final = 300.0
SHOW_ANSWERED_S: Final = 600.0
PENDING_MAX: Final = 50
PENDING_OF_ONE: Final = 10
"""Of one asker: who floods the queue shall not keep others out of it."""
_SCRYPT: Final = {"n": 1 << 14, "r": 8, "p": 1, "maxmem": 64 << 20}


def digest(tool: str, args: Mapping[str, Any], target: Target, tier: Tier, principal: str, plan: list[str]) -> str:
    """What an approval is bound to: sha256 of the sorted-key JSON of all that was shown. Any change voids it."""
    bound = {
        "tool": tool, "arguments": dict(args), "identity": target.identity(), "tier": tier.word,
        "principal": principal, "plan": plan,
    }  # fmt: skip
    text = json.dumps(bound, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_pin(pin: str) -> str:
    """``scrypt$salt$key`` in hex, for ``[approvals] pin``."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${hashlib.scrypt(pin.encode(), salt=salt, **_SCRYPT).hex()}"


def pin_fits(pin: str | None, kept: str) -> bool:
    """False for anything malformed."""
    try:
        kind, salt, key = kept.split("$")
        found = hashlib.scrypt((pin or "").encode(), salt=bytes.fromhex(salt), **_SCRYPT)
    except ValueError:
        return False
    return kind == "scrypt" and hmac.compare_digest(found.hex(), key)


@dataclass
class Held:
    """An approval and who waits for it. ``decided`` is True once approved, False once denied or expired."""

    approval: Approval
    digest: str
    asker: Principal
    decided: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    used: bool = False


class Approvals:
    """``ask`` makes one and publishes it; ``answer`` decides it, once; ``use`` spends it, once."""

    def __init__(self, bus: Bus, clock: Clock, *, pin: str | None = None) -> None:
        self._topic, self._clock, self._pin = bus.state("approvals"), clock, pin
        self._held: dict[str, Held] = {}
        self._deadlines: dict[str, float] = {}

    @property
    def pin_set(self) -> bool:
        return self._pin is not None

    def check_pin(self, pin: str | None) -> None:
        """Raises ``forbidden`` when a pin is set and this is not it."""
        if self._pin is not None and not pin_fits(pin, self._pin):
            raise JarvisError(
                "forbidden", "The pin is wrong or missing", next="Answer again with the operator's pin.",
                data={"pin": True},
            )  # fmt: skip

    def ask(self, approval: Approval, bound: str, asker: Principal) -> Held:
        """Publish a pending approval. Raises ``busy`` when fifty wait already, or ten of the same asker."""
        waiting = [h for h in self._held.values() if h.approval.status == "pending"]
        of_one = sum(str(h.asker) == str(asker) for h in waiting)
        if len(waiting) >= PENDING_MAX or of_one >= PENDING_OF_ONE:
            count = f"{of_one} approvals of yours" if of_one >= PENDING_OF_ONE else f"{PENDING_MAX} approvals"
            raise JarvisError("busy", f"{count} wait already", next="`jarvis approvals` shows them.")
        approval.asked_at = self._clock.now()
        approval.expires_at = approval.asked_at + LIFE_S
        approval.pin_needed = self.pin_set
        held = Held(approval, bound, asker)
        self._held[approval.id] = held
        self._deadlines[approval.id] = self._clock.monotonic() + LIFE_S
        self._publish(held)
        return held

    def find(self, approval_id: str | None) -> Held | None:
        """None once it is forgotten: answered long ago."""
        return self._held.get(approval_id or "")

    def get(self, approval_id: str) -> Held:
        """Raises ``not_found``."""
        if (held := self.find(approval_id)) is None:
            raise JarvisError(
                "not_found", f"There is no approval {approval_id[:40]!r}", next="`jarvis approvals` shows them."
            )
        return held

    def answer(self, approval_id: str, approve: bool, principal: Principal, pin: str | None = None) -> Held:
        """Decide it. Raises ``forbidden`` for who may not, ``refused`` when it is decided or over."""
        held = self.get(approval_id)
        if principal.role != "operator":
            raise JarvisError("forbidden", "Only an operator answers approvals")
        if principal.session == held.asker.session:
            raise JarvisError("forbidden", "The session that asked cannot answer", why="another one has to")
        self._expire(held)
        if held.approval.status != "pending":
            by = f" by {held.approval.answered_by}" if held.approval.answered_by else ""
            raise JarvisError(
                "refused", f"The approval {approval_id} is {held.approval.status} already{by}",
                next="`jarvis approvals` shows what waits.",
            )  # fmt: skip
        if approve:
            self.check_pin(pin)
        self._decide(held, "approved" if approve else "denied", str(principal))
        return held

    def use(self, held: Held, bound: str) -> bool:
        """Spend an approved one for the call it was bound to; False when anything differs or it was spent."""
        fits = held.approval.status == "approved" and not held.used and hmac.compare_digest(held.digest, bound)
        held.used = True
        if not fits and held.approval.status == "approved":
            self._decide(held, "void", held.approval.answered_by or "")
        return fits

    def void(self, held: Held) -> None:
        """The call is off: whoever asked has gone, or the kill switch was pulled."""
        if held.approval.status == "pending":
            self._decide(held, "void", "")

    def void_all(self) -> None:
        """The kill switch empties the queue."""
        for held in list(self._held.values()):
            self.void(held)

    def outcome(self, held: Held, outcome: str) -> None:
        """Show what became of it."""
        held.approval.outcome = outcome
        if self.find(held.approval.id) is held:  # a long call may outlive what is shown of its approval
            self._publish(held)

    def sweep(self) -> None:
        """Expire what is due, forget what was answered long ago."""
        for key, held in list(self._held.items()):
            self._expire(held)
            if (
                held.approval.status != "pending"
                and self._clock.monotonic() > self._deadlines[key] + SHOW_ANSWERED_S
            ):
                del self._held[key], self._deadlines[key]
                self._topic.remove("approvals", key)

    def _expire(self, held: Held) -> None:
        late = self._clock.monotonic() >= self._deadlines[held.approval.id]
        if held.approval.status == "pending" and late:
            self._decide(held, "expired", "")

    def _decide(self, held: Held, status: str, by: str) -> None:
        held.approval.status = status  # type: ignore[assignment]
        held.approval.answered_by = by or None
        held.approval.answered_at = self._clock.now()
        if not held.decided.done():
            held.decided.set_result(status == "approved")
        self._publish(held)

    def _publish(self, held: Held) -> None:
        copy = Approval(**{name: getattr(held.approval, name) for name in held.approval.__struct_fields__})
        self._topic.apply({"approvals": {copy.id: copy}})
