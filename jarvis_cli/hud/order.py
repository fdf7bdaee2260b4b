"""One order on its way through the gate: plan, confirmation, run, outcome. No widgets: it outlives its screen."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

from jarvis_cli.hud.verbs import Wish
from jarvis_daemon.protocol.errors import JarvisError

if TYPE_CHECKING:
    from jarvis_daemon.protocol.client import Link

LOG_LINES_MAX: Final = 2000
_NOT_SENT: Final = {
    "outcome": "refused", "code": "daemon_unreachable", "text": "The link to the daemon is down: nothing was sent.",
    "next": "Look at the plan again once the link is back.",
}  # fmt: skip
Stage = Literal["asking", "plan", "running", "ended"]
MARKS: Final = {"verified": ("ok", "good"), "done": ("ok", "good"), "contradicted": ("down", "bad"),
                "failed": ("down", "bad")}  # fmt: skip
"""Outcome -> glyph and role; every other one is amber: it was not done, or nobody knows."""


class Order:
    """``on_change`` is called after each change. Only ``confirm`` acts, and only on the plan that is shown."""

    def __init__(self, link: Link, wish: Wish, on_change: Callable[[Order], None]) -> None:
        self.link, self.wish, self._tell = link, wish, on_change
        self.stage: Stage = "asking"
        self.plan: dict[str, Any] = {}
        self.outcome: dict[str, Any] = {}
        self.lines: list[str] = []
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.lost = False
        """The link broke while it ran: what became of it is not known here."""
        self._key = secrets.token_hex(8)
        self._answers: dict[str, Any] = {}

    # --- what it needs -------------------------------------------------------------------------------------

    @property
    def needs_name(self) -> str:
        """The name that has to be typed; empty where none is asked for."""
        return str(self.plan.get("target_name") or "") if self.plan.get("needs") == "typed_name" else ""

    @property
    def needs_pin(self) -> bool:
        return bool(self.plan.get("pin_needed"))

    @property
    def tier(self) -> str:
        return str(self.outcome.get("tier") or self.plan.get("tier") or "black")

    @property
    def mark(self) -> tuple[str, str]:
        """Glyph and role of the outcome."""
        return MARKS.get(str(self.outcome.get("outcome")), ("warn", "warn"))

    # --- its way -------------------------------------------------------------------------------------------

    async def ask(self) -> None:
        """Ask for the plan; nothing is done by that."""
        self._become("asking")
        try:
            answer = await self.link.call(
                "tool.call", {"name": self.wish.tool, "args": self.wish.args, "dry_run": True}
            )
        except JarvisError as error:
            self._end(_refusal(error))
            return
        if answer.get("outcome") != "planned":
            self._end(answer)
            return
        self.plan = answer
        self._become("plan")

    async def confirm(self, typed: str = "", pin: str = "") -> None:
        """Confirm the plan as it was shown and see it through."""
        self._answers = {"confirm": self.plan.get("digest"), "typed": typed or None, "pin": pin or None}
        await self.send()

    async def send(self) -> None:
        """The confirmed call, again when the link broke: under one key the gate does it once at most."""
        if self.link.status != "up":
            self._end(self.outcome if self.lost else dict(_NOT_SENT))
            return
        self.lost = False
        self.started_at = self.link.now()
        self._become("running")
        params = {"name": self.wish.tool, "args": self.wish.args, "idempotency_key": self._key, **self._answers}
        try:
            async for part in self.link.stream("tool.call", params):
                if "outcome" in part and "call_id" in part:
                    self._end(part)
                    return
                self._take(part)
        except JarvisError as error:
            self.lost = error.code in {"daemon_unreachable", "timed_out"}
            self._end(_refusal(error) if not self.lost else _unknown(error))

    def _take(self, part: dict[str, Any]) -> None:
        """A piece of progress: log lines, or a few words."""
        lines = [str(line) for line in part.get("lines") or ()]
        if not lines:
            lines = [str(part[key]) for key in ("text", "step", "what") if part.get(key)]
        self.lines = (self.lines + lines)[-LOG_LINES_MAX:]
        self._tell(self)

    def _end(self, outcome: dict[str, Any]) -> None:
        self.outcome = outcome
        self.ended_at = self.link.now()
        self._become("ended")

    def _become(self, stage: Stage) -> None:
        self.stage = stage
        self._tell(self)

    def sentence(self) -> str:
        """The outcome for the status line."""
        text = str(self.outcome.get("text") or self.outcome.get("outcome") or "")
        why = str(self.outcome.get("why") or "")
        return f"{text.rstrip('.')}: {why}" if why and self.mark[1] != "good" else text


def _refusal(error: JarvisError) -> dict[str, Any]:
    return {"outcome": "refused", "code": error.code, "text": f"{error.what.rstrip('.')}.", "why": error.why,
            "next": error.next}  # fmt: skip


def _unknown(error: JarvisError) -> dict[str, Any]:
    return {"outcome": "unverified", "code": error.code, "why": error.sentence(),
            "text": "What became of it is not known here: the link broke while it ran.",
            "next": "Ask again once the link is back; it is never done twice."}  # fmt: skip
