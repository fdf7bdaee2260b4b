"""The conversation as the HUD holds it: turns that grow while they are told, and what is said into them.

A turn's events come on the stream of the call that began it and on the topic ``chat``; its numbers tell which were
heard. Nothing here knows of widgets.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jarvis_cli.hud.states import Entity
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn

if TYPE_CHECKING:
    from jarvis_cli.hud.app import HudApp

SHOWN: Final = 30
"""Turns of a conversation that are asked for."""
KEPT: Final = 200
BACK_S: Final = 120.0
"""How long a link that was lost in the middle of an answer is waited for."""
NOTICED_S: Final = 2.0
"""A call may break before the link is known to be lost."""
_LOST: Final = frozenset({"daemon_unreachable", "timed_out"})


@dataclass
class Said:
    """One turn. ``version`` grows with each change; ``seq`` is the number of the last event heard."""

    id: int
    session: str = ""
    asked: str = ""
    at: float | None = None
    text: str = ""
    status: str = "open"
    backend: str = ""
    suggestion: str = ""
    calls: dict[str, Entity] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seq: int = 0
    version: int = 0

    @property
    def open(self) -> bool:
        return self.status == "open"

    def hear(self, event: Mapping[str, Any]) -> bool:
        """Take one event in; False for one that was heard before."""
        seq = int(event.get("seq") or 0)
        if seq <= self.seq:
            return False
        self.seq = seq
        self.version += 1
        kind, text, data = str(event.get("kind")), str(event.get("text") or ""), dict(event.get("data") or {})
        self.session = str(data.get("session") or self.session)
        if kind == "chat.asked":
            self.asked, self.at = text, event.get("at") or self.at
        elif kind == "chat.text":
            self.text += text
        elif kind == "chat.replaced":
            self.text = text
        elif kind == "chat.note":
            self._note(text)
        elif kind == "chat.call":
            self._call(data)
        elif kind == "chat.done":
            self.take(data)
        return True

    def take(self, reply: Mapping[str, Any]) -> None:
        """The reply: it says all of it once more, and how it ended."""
        self.version += 1
        self.text = str(reply.get("text") or "")
        self.status = str(reply.get("status") or "done")
        self.backend = str(reply.get("backend") or "")
        self.suggestion = str(reply.get("suggestion") or "")
        self.session = str(reply.get("session") or self.session)
        self.seq = max(self.seq, int(reply.get("seq") or 0))
        self.calls = {str(call.get("id")): dict(call) for call in reply.get("calls") or ()}
        for note in reply.get("notes") or ():
            self._note(str(note))

    def asking(self) -> Entity | None:
        """The call that waits for the person's word here."""
        return next((call for call in self.calls.values() if call.get("status") == "asks"), None)

    def _note(self, text: str) -> None:
        if text and text not in self.notes:
            self.notes.append(text)

    def _call(self, data: Entity) -> None:
        ident = str(data.get("id"))
        before = self.calls.get(ident, {})
        if before.get("status") == "asks" and data.get("status") != "asks":
            self.text, self.status = "", "open"  # answered: what comes now is a text of its own
        self.calls[ident] = data


class Talk:
    """Held by the app. ``turns`` are those of ``session``, oldest first."""

    def __init__(self, app: HudApp) -> None:
        self.app = app
        self.session: str | None = None
        self.turns: list[Said] = []
        self.trouble = ""
        """Why there is no conversation; empty while there is one."""
        self._heard = 0
        self._anew = False

    @property
    def running(self) -> Said | None:
        """The turn that is under way, the oldest of several."""
        return next((turn for turn in self.turns if turn.open), None)

    def asked(self) -> list[str]:
        """What was said, the newest last: the history of the input line."""
        return list(dict.fromkeys(turn.asked for turn in self.turns if turn.asked))

    # --- being fed -----------------------------------------------------------------------------------------

    def attach(self) -> None:
        """The link is up: listen, and fetch what was said before or meanwhile."""
        if self.app.hands.may_act:
            spawn(self._attach(), name="hud-chat")

    async def _attach(self) -> None:
        link = self.app.link
        since = {"chat": self._heard} if self._heard else {}
        try:
            answer = await link.call("subscribe", {"topics": ["chat"], "since": since, "history": 0})
            if "chat" in (answer.get("began_anew") or ()):
                self._heard, self.session = 0, None
                link.event_seq.pop("chat", None)
            await self._load()
            self.trouble = ""
        except JarvisError as error:
            old = error.code in {"unknown_topic", "method_not_found"}
            self.trouble = "this daemon holds no conversations" if old else f"{error.sentence()}. {error.next}"
        self.changed()

    async def _load(self) -> None:
        if self._anew:
            return
        try:
            shown = await self.app.link.call("chat.show", {"session": self.session or "last", "limit": SHOWN})
        except JarvisError as error:
            if error.code != "not_found":
                raise
            self.session, self.turns = None, []
            return
        self.session = str((shown.get("session") or {}).get("id") or "") or None
        known = {turn.id: turn for turn in self.turns}
        self.turns = [self._shown(entry, known) for entry in shown.get("turns") or ()]
        for turn in self.turns:
            if turn.open:
                spawn(self._stream("chat.follow", {"turn": turn.id, "after": turn.seq}), name="hud-chat-follow")

    def _shown(self, entry: Mapping[str, Any], known: Mapping[int, Said]) -> Said:
        number, reply = int(entry.get("turn") or 0), entry.get("reply") or {}
        turn = known.get(number) or Said(number)
        turn.asked, turn.at = str(entry.get("asked") or ""), entry.get("at")
        if reply.get("status") != "open":
            turn.take(reply)
        return turn

    def take(self) -> None:
        """Events of the topic came in."""
        events = self.app.link.events.get("chat", ())
        for event in [event for event in events if int(event.get("seq") or 0) > self._heard]:
            self._heard = int(event["seq"])
            data = event.get("data") or {}
            if self.session is not None and data.get("session") == self.session:
                self.hear(event)

    def hear(self, event: Mapping[str, Any]) -> Said:
        """One event of a turn of this conversation."""
        number = int((event.get("data") or {}).get("turn") or 0)
        turn = next((turn for turn in self.turns if turn.id == number), None)
        if turn is None:
            turn = Said(number)
            self.turns = sorted([*self.turns, turn], key=lambda found: found.id)[-KEPT:]
        if turn.hear(event):
            if turn.at is None:  # the stream of a call tells no times: it is now
                turn.at = self.app.model.now()
            self.changed()
        return turn

    def changed(self) -> None:
        """The picture of the conversation differs: drawn once in this turn of the loop."""
        self.app.due("chat")

    # --- what a person does --------------------------------------------------------------------------------

    def say(self, text: str) -> bool:
        """Say it; False when it cannot be said now, so that the words stay where they are."""
        if not self.app.hands.may_act:
            self.app.say("this HUD only looks: a conversation is at an operator's terminal", "warn")
            return False
        if not self.app.model.linked or self.trouble:
            self.app.say(self.trouble or "the link is down: nothing was sent", "warn")
            return False
        key = secrets.token_hex(12)
        params = {"text": text, "session": self.session, "key": key, "brevity": "screen"}
        spawn(self._say(params), name="hud-chat-say")
        return True

    def new(self) -> None:
        """Begin another conversation with what is said next."""
        self.session, self.turns, self._anew = None, [], True
        self.changed()

    def cancel(self) -> bool:
        """Stop what is being answered; False where nothing is."""
        turn = self.running
        if turn is None or not turn.id:
            return False
        spawn(self._guarded("chat.cancel", {"turn": turn.id}), name="hud-chat-cancel")
        return True

    def confirm(self, turn: Said, call: Entity, *, approve: bool, typed: str = "", pin: str = "") -> None:
        """Answer a call that asks."""
        params = {"turn": turn.id, "call": str(call.get("id")), "approve": approve, "typed": typed or None,
                  "pin": pin or None}  # fmt: skip
        spawn(self._stream("chat.confirm", params), name="hud-chat-confirm")

    async def _guarded(self, method: str, params: dict[str, Any]) -> None:
        try:
            await self.app.link.call(method, params)
        except JarvisError as error:
            self.app.say(f"{error.sentence()}. {error.next}", "warn")

    async def _say(self, params: dict[str, Any]) -> None:
        """See a turn through, over a link that may be lost meanwhile: the same key attaches again."""
        turn = await self._stream("chat.send", params, mine=True)
        if turn is not None and (call := turn.asking()) is not None:
            self.app.ask_word(turn, call)

    async def _stream(self, method: str, params: dict[str, Any], *, mine: bool = False) -> Said | None:
        """Hear a turn to its end; None where that was told as an error."""
        turn: Said | None = None
        link = self.app.link
        while True:
            try:
                async for part in link.stream(method, params):
                    turn = self._part(part, turn, mine=mine)
                return turn
            except JarvisError as error:
                if error.code not in _LOST:
                    self.app.say(f"{error.sentence()}. {error.next}", "warn")
                    return None
            await link.wait_for(lambda found: found.status != "up", NOTICED_S)
            if not await link.wait_for(lambda found: found.status == "up", BACK_S):
                return None
            if turn is not None:
                method, params = "chat.follow", {"turn": turn.id, "after": turn.seq}

    def _part(self, part: Mapping[str, Any], turn: Said | None, *, mine: bool) -> Said | None:
        data = part.get("data") or {}
        session = str((data if "kind" in part else part).get("session") or "")
        if mine and session and self.session != session:
            if self.turns and self.session is not None:
                return turn  # another conversation was begun meanwhile: this one is told there
            self.session, self._anew = session, False
        if "kind" in part:
            return self.hear(part)
        found = next((one for one in self.turns if one.id == int(part.get("turn") or 0)), None)
        if found is not None and (found.open or found.seq <= int(part.get("seq") or 0)):
            found.take(part)
            self.changed()
        return found
