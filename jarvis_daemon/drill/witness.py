"""Watches every act of a runbook from outside: from the store's own rows, and from what is really so.

A decision (the feed's ``repair.begun``) may rest on what was seen a moment ago; an act (the audit's ``step``,
written right before the bytes leave) may not lag behind what its tool reads live. Each rule says how long it may
have held before it must be known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.drill.bans import Ban, Said, against, bans
from jarvis_daemon.store import Database

DAY_S: Final = 86400.0
HOUR_S: Final = 3600.0
LIVE: Final = frozenset({"lock", "template"})
"""Of a guest, read from its node right before the act."""
AT_ONCE: Final = frozenset({"kill switch", "silence"})
"""Known without asking the cluster."""
ENDS: Final = frozenset({"repaired", "failed", "escalated", "cancelled", "recommended", "holding", "over"})


@dataclass(frozen=True)
class Bounds:
    """The issue's numbers, in seconds; a run with shortened ones says so here."""

    attempts: int = 3
    cool_downs_s: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Runbook -> seconds after the first, second, third attempt."""
    per_hour: int = 6
    per_day: int = 20
    guests: int = 2
    nodes_down: int = 2
    fresh_s: float = 60.0
    """Evidence may be so old."""
    flapping: int = 3
    flapping_s: float = 3600.0
    """A fault that came so often within so long is not acted upon."""
    known_within_s: float = 31.0
    """What changes in the cluster is known by then: the rhythm of the poll, and a second endpoint's word."""
    rarely_known_within_s: float = 75.0
    """The same of what is asked once a minute."""


@dataclass
class Attempt:
    """A story in which something was done. Moments are of the loop's own time."""

    story: str
    fault: tuple[str, str]
    runbook: str
    scope: str
    began: float
    ended: float | None = None
    approved: bool = False


@dataclass
class Witness:
    """``look`` answers truth and sayings as they are now; ``ages`` how long ago something told of a target."""

    bounds: Bounds
    scopes: Mapping[str, str]
    """Runbook -> what it touches: guest, node or report."""
    look: Callable[[], tuple[Mapping[str, Any], Said]]
    mono: Callable[[], float]
    ages: Callable[[str], float]
    wall: Callable[[], float]
    """The daemon's own wall clock."""
    takers: frozenset[str] = frozenset()
    """Runbooks that take a node away."""
    violations: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    decisions: int = 0
    acts: int = 0
    forgiving: bool = False
    """The wall clock jumped forward across a restart: how long ago something was cannot be known any more."""
    _since: dict[Ban, float] = field(default_factory=dict)
    _seen: tuple[int, int] = (0, 0)
    _stories: dict[str, tuple[str, str]] = field(default_factory=dict)
    _calls: dict[str, str] = field(default_factory=dict)
    _suspect: dict[str, str] = field(default_factory=dict)

    def note(self) -> tuple[Mapping[str, Any], Said]:
        """Look at the truth, and remember since when each ban holds."""
        truth, said = self.look()
        now, found = self.mono(), bans(truth, said, most_down=self.bounds.nodes_down)
        self._since = {ban: self._since.get(ban, now) for ban in found}
        return truth, said

    def committed(self, db: Database) -> None:
        """Called after each commit: what is new in feed and audit."""
        feed, audit = self._seen
        for seq, kind, target, data in db.execute(
            "select seq, kind, target, data from feed where seq > ? and kind like 'repair.%' order by seq", [feed]
        ).fetchall():
            feed = seq
            self._told(db, kind.removeprefix("repair."), target or "", json.loads(data))
        for number, kind, call, principal, tool, data in db.execute(
            "select id, kind, call_id, principal, tool, data from audit where id > ? order by id", [audit]
        ).fetchall():
            audit = number
            if principal.startswith("runbook:"):
                self._audited(db, kind, call, tool, json.loads(data))
        self._seen = feed, audit

    # --- decisions -------------------------------------------------------------------------------------------

    def _told(self, db: Database, status: str, target: str, data: Mapping[str, Any]) -> None:
        story = str(data.get("repair", ""))
        if status == "begun":
            self._stories[story] = (str(data["condition"]), target)
            self.decisions += 1
            what = f"decided on {target} ({data['runbook']})"
            self._judge(what, target, acting=False)
            self._judge_target(what, str(data["condition"]), target, str(data["runbook"]))
            self._judge_flapping(db, what, str(data["condition"]), target)
            self._judge_radius(db, story, str(data["runbook"]))
        elif status in ENDS:
            for attempt in self.attempts:
                if attempt.story == story and attempt.ended is None:
                    attempt.ended = self.mono()

    def _judge(self, what: str, target: str, *, acting: bool) -> None:
        truth, _ = self.note()
        now = self.mono()
        for rule, where in sorted(against(target, set(self._since), truth)):
            held = now - self._since[rule, where]
            if held > self._lag(rule, target, acting):
                self._violated(f"{what} while {rule} ({where}) had held for {held:.0f} s")
        age = self.ages(target)
        if age > self.bounds.fresh_s + 1:
            self._violated(f"{what} on evidence {age:.0f} s old")

    def _judge_target(self, what: str, condition: str, target: str, runbook: str) -> None:
        """It is there, it is ill, and a node that is taken away leaves enough votes."""
        truth, _ = self.look()
        kind, _, name = target.partition(":")
        known = {"guest": truth["guests"], "node": truth["nodes"]}
        if not name or (kind in known and name not in known[kind]):
            self._violated(f"{what}, and there is no such thing")
        held = self.mono() - self._since.get(("well", target), self.mono())
        node = truth["nodes"].get(known["guest"].get(name, {}).get("node"), {}) if kind == "guest" else {}
        # of a node that froze the cluster goes on to show the last picture; its tool asks the node itself
        if condition == "guest-crashed" and held > self.bounds.known_within_s and not node.get("frozen"):
            self._violated(f"{what}, which has been running for {held:.0f} s")
        online = sum(node["online"] for node in truth["nodes"].values())
        if runbook in self.takers and online - 1 < truth["votes_needed"]:
            self._violated(f"{what}, which would leave {online - 1} of {truth['votes_needed']} votes")

    def _judge_flapping(self, db: Database, what: str, condition: str, target: str) -> None:
        count = db.execute(
            "select count(*) from incidents where condition = ? and target = ? and opened_at > ?",
            [condition, target, self.wall() - self.bounds.flapping_s + 1],
        ).fetchone()[0]
        if count >= self.bounds.flapping and not self.forgiving:
            self._violated(f"{what}, which came {count} times within {self.bounds.flapping_s / 60:.0f} min")

    def _lag(self, rule: str, target: str, acting: bool) -> float:
        """For how long a ban may hold without being known."""
        if rule in AT_ONCE or rule == "template":
            return 0.5
        if acting and rule in LIVE and target.startswith("guest:"):
            return 0.5
        return self.bounds.rarely_known_within_s if rule == "ha" else self.bounds.known_within_s

    def _judge_radius(self, db: Database, story: str, runbook: str) -> None:
        """Never more at once than the blast radius allows, this one included."""
        rows = db.execute(
            "select id, runbook from repairs where status in ('acting', 'asking', 'verifying')"
        ).fetchall()
        scopes = [self.scopes.get(book, "guest") for number, book in rows if str(number) != story]
        mine = self.scopes.get(runbook, "guest")
        others = [scope for scope in scopes if scope != "report"]
        if "node" in others or (mine == "node" and others):
            self._violated(f"{runbook} began beside {len(others)} others, and one of them is about a node")
        elif len(others) >= self.bounds.guests:
            self._violated(f"{runbook} began beside {len(others)} others")

    # --- acts ------------------------------------------------------------------------------------------------

    def _audited(self, db: Database, kind: str, call: str, tool: str, data: Mapping[str, Any]) -> None:
        if kind == "intent":
            self._calls[call] = str(data.get("key") or "").split(":")[1]
        elif kind == "step":
            self._step(db, call, tool)
        elif kind in {"outcome", "open_intent"}:
            why = self._suspect.pop(call, None)
            if why is not None and data.get("steps"):  # it was begun in spite of the switch
                self._violated(why)

    def _step(self, db: Database, call: str, tool: str) -> None:
        story = self._calls.get(call)
        if story is None:
            self._violated(f"{tool} acted without an intent")
            return
        condition, target = self._stories.get(story, ("", ""))
        before = len(self.violations)
        self._judge(f"{tool} acted on {target}", target, acting=True)
        late = [one for one in self.violations[before:] if "kill switch" in one]
        if late:  # the step is noted before the switch is asked: whether it went on, the outcome tells
            self.violations = [one for one in self.violations if one not in late]
            self._suspect[call] = late[0]
        self.acts += 1
        if any(one.story == story for one in self.attempts):
            return
        row = db.execute(
            "select runbook, json_extract(body, '$.by') from repairs where id = ?", [int(story)]
        ).fetchone()
        approved = db.execute("select 1 from audit where call_id = ? and kind = 'approval'", [call]).fetchone()
        attempt = Attempt(story, (condition, target), str(row[0]) if row else "", "", self.mono())
        attempt.approved = approved is not None
        attempt.scope = self.scopes.get(attempt.runbook, "guest")
        if row is not None and row[1] == "watchman":
            self._judge_past(attempt)
        self.attempts.append(attempt)

    def _judge_past(self, attempt: Attempt) -> None:
        """Attempts, cool-down, and the counts of an hour and a day."""
        now = attempt.began
        same = [a for a in self.attempts if a.fault == attempt.fault and now - a.began < DAY_S]
        what = f"attempt {len(same) + 1} at {attempt.fault[0]} of {attempt.fault[1]}"
        if len(same) >= self.bounds.attempts:
            self._violated(f"{what}: more than {self.bounds.attempts}")
        ended = [a.ended for a in same if a.ended is not None]
        if len(ended) < len(same):
            self._violated(f"{what} began before the one before it had ended")
        waits = self.bounds.cool_downs_s.get(attempt.runbook, (600.0, 1800.0, 3600.0))
        if ended and not self.forgiving:
            wait = waits[min(len(same), len(waits)) - 1]
            if now - max(ended) < wait - 1:
                self._violated(f"{what} came {now - max(ended):.0f} s after the last one, not {wait:.0f}")
        if attempt.approved or self.forgiving:
            return
        for within, most, word in ((HOUR_S, self.bounds.per_hour, "hour"), (DAY_S, self.bounds.per_day, "day")):
            count = sum(now - a.began < within for a in self.attempts)
            if count >= most:
                self._violated(f"{what}: it is repair {count + 1} within a {word}, and nobody was asked")

    def _violated(self, text: str) -> None:
        self.violations.append(f"{self.mono():.0f} s: {text}")
