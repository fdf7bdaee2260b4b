"""Whether an order is one call and nothing else: each argument takes words of its own, and no word is left over.

What an operator means is what he says, whole: "start gitea for plex" is no order to start plex, nor one to start
gitea and no more. Only words that name nothing may be left, and what says again what the call says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import msgspec

from jarvis_daemon.assistant.reasoning import acts
from jarvis_daemon.assistant.reasoning.said import FILLERS, NOUNS, Places, Words, key, said
from jarvis_daemon.tools.spec import ToolSpec

_GUESTS: Final = frozenset({"guest", "target", "template", "vmid", "entity", "id"})
_NODES: Final = frozenset({"node", "host", "target", "entity", "id"})
_OF: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("vm", "vms", "ct", "lxc", "guest", "guests"), _GUESTS),
    **dict.fromkeys(("container", "containers"), _GUESTS | {"container"}),
    **dict.fromkeys(("node", "nodes", "host", "hosts"), _NODES),
    **dict.fromkeys(("server", "servers", "machine", "machines"), _NODES | _GUESTS),
    **dict.fromkeys(("service", "services", "unit", "units", "daemon"), frozenset({"service", "unit"})),
    "docker": frozenset({"container"}), "storage": frozenset({"storage"}), "pool": frozenset({"storage"}),
    "disk": frozenset({"storage", "disk"}), "incident": frozenset({"incident"}),
    "silence": frozenset({"silence", "incident"}), "tag": frozenset({"tags"}), "tags": frozenset({"tags"}),
    "runbook": frozenset({"runbook"}), "memory": frozenset({"memory"}),
}  # fmt: skip
"""What a word for a kind of thing may stand for: the arguments of a tool."""
_KIND_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "guest": acts.many("vm ct lxc container guest"), "node": acts.many("node host server machine"),
    "service": acts.many("service unit daemon"), "container": frozenset({"docker"}),
    "storage": acts.many("storage pool"),
}  # fmt: skip
"""By argument: a name that is also another kind of thing's needs one of these beside it."""
_NEW: Final = acts.many("new fresh quick another")
_LIGHT: Final = acts.many("take make do run create")
_LEADING: Final = acts.many("from for with to of at in on than as named called")
"""Words behind which something of the call has to come."""
MANY: Final = 5
"""So often a value may stand in one order; then it is no order that anybody types."""
_ARTICLES: Final = acts.many("a an the my our this that")
_NO_TARGET: Final = acts.many("from for with because reason as than")
_CALLED: Final = acts.many("named called name as")
_PLACES: Final = acts.many("on at in")


@dataclass(frozen=True)
class Wanted:
    """An argument of a call. ``names``: what its thing is called; ``default``: the order need not say it."""

    name: str
    value: Any
    names: Sequence[str]
    target: bool
    listed: bool
    default: bool

    def places(self, words: Words) -> list[Places]:
        return said(words, self.name, self.value, self.names, target=self.target, listed=self.listed)


@dataclass(frozen=True)
class Beside:
    """Names that an order may hold besides: ``near``, the nodes that its guests lie on; ``kin``, things of the same
    kind as its target, for orders of several."""

    near: Collection[str] = ()
    kin: Collection[str] = ()


def fits(order: Words, spec: ToolSpec, wanted: Sequence[Wanted], beside: Beside) -> bool:
    """Whether this order is this call."""
    if not order.verbs or len(order.verbs) > 2 or not _tags_fit(order, spec, wanted):
        return False  # "power off plex on pve", "turn plex off and on": one of the two particles is not meant
    choices: list[list[Places]] = []
    for one in wanted:
        places = [at for at in one.places(order) if _stands_right(order, spec, one, at)]
        if len(places) > MANY or (not places and not one.default):
            return False
        choices.append([*places, frozenset()] if one.default else places)
    extra = _extra(order, wanted, beside)
    return any(not _left(order, spec, taken, extra) for taken in _apart(choices))


def _apart(choices: Sequence[Sequence[Places]]) -> Iterator[Places]:
    """All ways in which each argument takes words that no other one takes."""
    if not choices:
        yield frozenset()
        return
    for first in choices[0]:
        for rest in _apart(choices[1:]):
            if first.isdisjoint(rest):
                yield first | rest


def _before(order: Words, at: int) -> str:
    """The word before a name, its article and its kind; none where that is the word of the act."""
    while at > 0 and at - 1 not in order.verbs and order.tokens[at - 1] in _ARTICLES | NOUNS:
        at -= 1
    return order.tokens[at - 1] if at > 0 and at - 1 not in order.verbs else ""


def _of_a_thing(order: Words, at: int) -> bool:
    """Whether a name behind "of" tells whose thing is meant: "the server of gitea" is not gitea."""
    while order.tokens[at] != "of":
        at -= 1
    return at > 0 and at - 1 not in order.verbs and order.tokens[at - 1] in NOUNS


def _stands_right(order: Words, spec: ToolSpec, one: Wanted, places: Places) -> bool:
    """Whether words can be this argument where they stand: nobody starts what stands behind "from"."""
    before = _before(order, min(places))
    kinds = frozenset[str]().union(*(order.known.kinds.get(key(name), ()) for name in one.names))
    if one.name == "name" and not one.target:
        return before in _CALLED if kinds else before not in _PLACES | _NO_TARGET - {"as"}
    if one.name in {"add", "remove"}:
        things = [order.known.kinds.get(key(str(item))) for item in one.value]
        return not any(things) and before not in _NO_TARGET - {"as", "with"}
    if not one.target:
        return True
    if before == "of" and _of_a_thing(order, min(places)):
        return False
    untags = spec.name == "set_guest_tags" and before == "from"
    if before in _NO_TARGET and not untags:
        return False
    if before in _CALLED and "name" in (found.name for found in _fields(spec)):
        return False
    if one.name == "guest" and before in _PLACES | {"to"}:
        return False
    own = _KIND_WORDS.get(one.name)
    if own is not None and kinds - {one.name} and (one.name in kinds or one.name in {"service", "container"}):
        return not own.isdisjoint(order.tokens)
    return True


def _fields(spec: ToolSpec) -> Sequence[Any]:
    return msgspec.structs.fields(spec.args)


def _tags_fit(order: Words, spec: ToolSpec, wanted: Sequence[Wanted]) -> bool:
    """Tags are added by "tag" and taken off by "untag" and "remove the tag"; all of them at once by no order."""
    if spec.name != "set_guest_tags":
        return True
    given = {one.name for one in wanted if one.name in {"tags", "add", "remove"} and not one.default}
    verb = order.tokens[min(order.verbs)]
    if verb in {"tag", "label"}:
        return given == {"add"}
    return given == {"remove"} and verb in {"untag", *acts.ACTS["delete"].orders}


def _extra(order: Words, wanted: Sequence[Wanted], beside: Beside) -> Places:
    """Words that say again what the call says, where its target lies, or what else the same act is for."""
    found = set[int]()
    for one in wanted:
        if one.target and not isinstance(one.value, list):
            found.update(*(at for at in order.names(*one.names) if _before(order, min(at)) not in _NO_TARGET))
    found.update(*(at for at in order.names(*beside.near) if _before(order, min(at)) in _PLACES))
    if order.several:
        behind = _NO_TARGET if any(one.name == "node" for one in wanted) else _NO_TARGET | _PLACES
        bounds = [0, *order.cuts, len(order.tokens)]
        kin = order.names(*beside.kin)
        for part, (begin, end) in enumerate(pairwise(bounds)):
            for at in kin:
                around = range(max(at) + 1, end) if part == 0 else range(begin, min(at))
                alone = all(order.tokens[n] in FILLERS | NOUNS - _PLACES for n in around)
                if begin <= min(at) < end and alone and _before(order, min(at)) not in behind:
                    found |= at
    return frozenset(found)


def _left(order: Words, spec: ToolSpec, taken: Places, extra: Places) -> list[str]:
    """Words that mean something of which the call says nothing."""
    arguments = {found.encode_name for found in _fields(spec)}
    makes = spec.name.startswith(("create_", "clone_", "run_backup"))
    first = min(order.verbs)

    covered = taken | extra | order.verbs

    def leads_on(at: int) -> bool:
        while at < len(order.tokens) and at not in covered and order.tokens[at] in _ARTICLES | NOUNS:
            at += 1
        return at in taken | extra

    def light(at: int, token: str) -> bool:
        if token in _LEADING and not leads_on(at + 1):
            return False  # "start plex for"
        if token == "right":  # noqa: S105
            return order.tokens[at + 1 : at + 2] in (("now",), ("away",))
        if token in FILLERS or token in acts.nouns(spec) or (makes and token in _NEW):
            return True
        return (at < first and token in _LIGHT) or not arguments.isdisjoint(_OF.get(token, ()))

    return [token for at, token in enumerate(order.tokens) if at not in covered and not light(at, token)]
