"""What acts in the HUD: orders, answers to approvals, the kill switch. All of it asks the gate."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from jarvis_cli.hud.order import Order
from jarvis_cli.hud.panels.card import who
from jarvis_cli.hud.second import second
from jarvis_cli.hud.states import Entity
from jarvis_cli.hud.verbs import VERBS, Verb, Wish, kind_of, offered, tool_of, wish
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn

if TYPE_CHECKING:
    from jarvis_cli.hud.app import HudApp

ANSWER_TIMEOUT_S: Final = 4000.0
"""An answer comes with the outcome of the call it let go; the longest tool bounds it."""
PALETTE_GUESTS_MAX: Final = 200


class Hands:
    """Held by the app. ``tools`` is what this daemon offers; empty until it was asked, and for a kiosk always."""

    def __init__(self, app: HudApp) -> None:
        self.app = app
        self.tools: dict[str, dict[str, Any]] = {}
        self.orders: list[Order] = []
        """Those that run."""
        self._waiting: dict[str, Entity] | None = None
        self._mine: set[str] = set()
        """Approvals that are being answered here."""

    @property
    def may_act(self) -> bool:
        role = self.app.link.welcome.get("role") or "operator"
        return not self.app.options.kiosk and role == "operator"

    # --- what there is -------------------------------------------------------------------------------------

    async def learn(self) -> None:
        """Ask the daemon for its tools; it may be another one than before."""
        if not self.may_act:
            return
        try:
            answer = await self.app.link.call("tool.list")
        except JarvisError as error:
            self.app.log.warning(f"no tools: {error.sentence()}")
            return
        self.tools = {str(tool["name"]): tool for tool in answer.get("tools") or ()}
        self.app.tell_hints()

    def verbs(self, *kinds: str) -> list[Verb]:
        return offered(self.tools, *kinds) if self.may_act else []

    def can(self, word: str, target: Entity) -> bool:
        verb = VERBS.get(word)
        return self.may_act and verb is not None and tool_of(verb, kind_of(target)) in self.tools

    def words(self) -> dict[str, str]:
        """Commands that act, with what they do."""
        if not self.may_act:
            return {}
        own = {verb.word: verb.about for verb in self.verbs("vm", "ct", "node")}
        return own | {"kill": "engage the kill switch: `:kill REASON`", "unkill": "release the kill switch"}

    def palette(self) -> Iterator[tuple[str, str, Callable[[], None]]]:
        """Title, help and act of each entry: what makes sense for each guest and node as it is now."""
        if not self.may_act:
            return
        model = self.app.model
        for verb in self.verbs("vm", "ct"):
            for guest in model.guests()[:PALETTE_GUESTS_MAX]:
                if model.guest_state(guest).word in verb.states and self.can(verb.word, guest):
                    yield (f"{verb.word.capitalize()} {guest.get('name')}", f"{verb.about.partition(':')[0]}, "
                           f"{guest.get('vmid')}", partial(self.want, verb.word, guest))  # fmt: skip
        for verb in self.verbs("node"):
            for node in model.nodes():
                if (node.get("status") == "online") == (verb.word != "wake"):
                    yield (f"{verb.word.capitalize()} {node.get('name')}", verb.about,
                           partial(self.want, verb.word, node))  # fmt: skip

    # --- orders --------------------------------------------------------------------------------------------

    def want(self, word: str, target: Entity | None, told: str = "") -> None:
        """Open the confirm screen of ``word`` on ``target``, or what has to be asked before it."""
        if target is None or not self.can(word, target):
            return
        verb = VERBS[word]
        if verb.want and not told:
            self._ask_first(verb, target)
        elif (wanted := wish(verb, target, self.tools, told)) is not None:
            self.begin(wanted)

    def wake(self) -> None:
        """Wake a node: the one that is away, or one chosen of several."""
        nodes = [n for n in self.app.model.nodes() if n.get("status") != "online" and self.can("wake", n)]
        if len(nodes) == 1:
            self.want("wake", nodes[0])
        elif nodes:
            from jarvis_cli.hud.screens.ask import NodeScreen

            screen = NodeScreen("WAKE", "Which node?", nodes, lambda node: self.want("wake", node))
            self.app.push_screen(screen)
        elif self.verbs("node"):
            self.app.say("every node is awake")

    def _ask_first(self, verb: Verb, target: Entity) -> None:
        from jarvis_cli.hud.screens.ask import NameScreen, NodeScreen

        title = f"{verb.word.upper()} {target.get('name')}"
        if verb.want == "snapshot":
            proposed = f"hud-{datetime.fromtimestamp(self.app.model.now()).astimezone():%Y%m%d-%H%M}"
            self.app.push_screen(
                NameScreen(title, target, proposed, lambda text: self.want(verb.word, target, text))
            )
            return
        nodes = [n for n in self.app.model.nodes() if n.get("status") == "online"
                 and n.get("name") != target.get("node")]  # fmt: skip
        if not nodes:
            self.app.say(f"there is no other node online to {verb.word} {target.get('name')} to", "warn")
            return
        question = f"Where to? It is on {target.get('node')} now."
        choose = NodeScreen(title, question, nodes, lambda node: self.want(verb.word, target, str(node["name"])))
        self.app.push_screen(choose)

    def begin(self, wanted: Wish) -> None:
        """Ask for the plan and show it; nothing is done before a person confirms it there."""
        from jarvis_cli.hud.screens.order import OrderScreen

        order = Order(self.app.link, wanted, self._changed)
        self.app.push_screen(OrderScreen(order))
        spawn(order.ask(), name="hud-plan")

    def take_back(self, order: Order) -> None:
        """The undo of an order, as an order of its own."""
        undo = order.outcome.get("undo") or {}
        kind, name = kind_of(order.wish.target), str(undo.get("name"))
        verb = next((v for v in VERBS.values() if tool_of(v, kind) == name), Verb(name.replace("_", " "), "", ""))
        self.begin(Wish(verb, order.wish.target, name, dict(undo.get("args") or {})))

    def _changed(self, order: Order) -> None:
        from jarvis_cli.hud.screens.order import OrderScreen

        if order.stage == "running" and order not in self.orders:
            self.orders.append(order)
        screen = self.app.screen
        shown = False
        if isinstance(screen, OrderScreen) and screen.order is order:
            shown = True
            screen.changed()
        if order.stage == "ended" and order in self.orders:
            self.orders.remove(order)
            if not shown:
                self.app.say(order.sentence(), order.mark[1])

    # --- approvals -----------------------------------------------------------------------------------------

    def authorize(self, approval: Entity) -> None:
        """Show it in full; a key there authorizes it."""
        if self.may_act:
            from jarvis_cli.hud.screens.ask import AuthorizeScreen

            self.app.push_screen(AuthorizeScreen(approval))

    def answer(self, approval: Entity, *, approve: bool, pin: str = "") -> None:
        if self.may_act and str(approval["id"]) not in self._mine:
            self._mine.add(str(approval["id"]))
            spawn(self._answer(approval, approve, pin), name="hud-approval")

    async def _answer(self, approval: Entity, approve: bool, pin: str) -> None:
        summary = str(approval.get("summary"))
        self.app.say(f"{summary}: {'authorized, it runs' if approve else 'denied'}", "good" if approve else "warn")
        params = {"id": approval["id"], "approve": approve, "pin": pin or None}
        try:
            outcome = await self._answered(params)
        except JarvisError as error:
            self.app.say(f"{error.sentence()}. {error.next}", "warn")
            return
        finally:
            self._mine.discard(str(approval["id"]))
        if approve:
            role = {"verified": "good", "failed": "bad", "contradicted": "bad"}.get(outcome.get("outcome"), "warn")
            self.app.say(str(outcome.get("text") or summary), role)

    async def _answered(self, params: dict[str, Any]) -> Any:
        """The outcome. What was asked for in this HUD's own conversation is answered on a session of its own: the
        one that asked may not."""
        try:
            return await self.app.link.call("approval.answer", params, timeout_s=ANSWER_TIMEOUT_S)
        except JarvisError as error:
            if error.code != "forbidden" or "session that asked" not in error.what:
                raise
        async with second(self.app.connect) as link:
            return await link.call("approval.answer", params, timeout_s=ANSWER_TIMEOUT_S)

    def watch(self) -> None:
        """The approvals changed: tell what came, and what somebody else answered."""
        now = dict(self.app.model.collection("approvals"))
        before, self._waiting = self._waiting, {
            key: dict(entity) for key, entity in now.items() if entity.get("status") == "pending"
        }  # fmt: skip
        if before is None:
            return
        for key in self._waiting.keys() - before.keys():
            asked = self._waiting[key]
            self.app.say(f"{asked.get('asked_by')} asks: {asked.get('summary')}", "warn")
        for key in before.keys() - self._waiting.keys() - self._mine:
            ended = now.get(key) or {"status": "gone"}
            by = f" by {who(ended['answered_by'])}" if ended.get("answered_by") else ""
            role = "good" if ended["status"] == "approved" else "warn"
            self.app.say(f"{before[key].get('summary')}: {ended['status']}{by}", role)

    # --- kill switch ---------------------------------------------------------------------------------------

    async def toggle(self) -> None:
        """Engage at once and ask for the reason after; where it is engaged, ask whether to release it."""
        if not self.may_act:
            self.app.say("this HUD only looks: the kill switch is at an operator's terminal", "warn")
            return
        if (self.app.model.killswitch() or {}).get("engaged"):
            self.ask_release()
            return
        self.kill("")
        await self.app.ask_why()

    def kill(self, reason: str) -> None:
        """Engage, or give the reason of one that is engaged."""
        spawn(self._set(True, reason or "from the HUD"), name="hud-kill")

    def ask_release(self) -> None:
        from jarvis_cli.hud.screens.ask import ReleaseScreen

        if self.may_act and not isinstance(self.app.screen, ReleaseScreen):
            self.app.push_screen(ReleaseScreen())

    def release(self, pin: str, *, on_pin: Callable[[], None], done: Callable[[], None]) -> None:
        """Release it. ``on_pin`` is called where the gate wants the pin (again), ``done`` once it is released."""

        async def do() -> None:
            error = await self._set(False, "", pin)
            if error is None:
                done()
            elif error.code == "forbidden" and "pin" in error.what:
                on_pin()

        spawn(do(), name="hud-release")

    async def _set(self, engaged: bool, reason: str, pin: str = "") -> JarvisError | None:
        try:
            params = {"engaged": engaged, "reason": reason, "pin": pin or None}
            await self.app.link.call("killswitch.set", params)
        except JarvisError as error:
            word = "NOT engaged" if engaged else "not released"
            self.app.say(f"{word}: {error.sentence()}. {error.next}", "bad")
            return error
        word = "engaged: nothing acts until it is released" if engaged else "released: Jarvis may act again"
        self.app.say(f"the kill switch is {word}", "bad" if engaged else "good")
        return None

    # --- the command line ----------------------------------------------------------------------------------

    def obey(self, word: str, rest: str) -> bool:
        """Do a command that acts; False when ``word`` is none of this daemon's."""
        if word not in self.words():
            return False
        if word == "kill":
            self.kill(rest)
        elif word == "unkill":
            self.ask_release()
        else:
            self._order(VERBS[word], rest)
        return True

    def _order(self, verb: Verb, rest: str) -> None:
        name, _, told = rest.partition(" ")
        target, problem = self._find(name, node=bool(verb.node))
        if target is None:
            self.app.say(problem, "warn")
        elif not self.can(verb.word, target):
            self.app.say(f"this daemon cannot {verb.word} {target.get('name')}", "warn")
        elif verb.want == "node" and told.strip() and self._find(told.strip(), node=True)[0] is None:
            self.app.say(self._find(told.strip(), node=True)[1], "warn")
        else:
            self.want(verb.word, target, told.strip() if verb.want else "")

    def _find(self, name: str, *, node: bool) -> tuple[Entity | None, str]:
        """The target, or why there is none: two guests of one name are told apart by their vmids."""
        model = self.app.model
        what, entities = ("node", model.nodes()) if node else ("guest", model.guests())
        if not name:
            return None, f"which {what}? `:help` shows how"
        found = [e for e in entities if name in {str(e.get("vmid")), e.get("id")}]
        found = found or [e for e in entities if str(e.get("name")).casefold() == name.casefold()]
        if len(found) == 1:
            return found[0], ""
        if found:
            vmids = ", ".join(str(e.get("vmid")) for e in found)
            return None, f"{len(found)} guests are called {name}: vmids {vmids}"
        near = difflib.get_close_matches(name, [str(e.get("name")) for e in entities], n=1)
        return None, f"no {what} `{name}`" + (f"; did you mean `{near[0]}`?" if near else "")
