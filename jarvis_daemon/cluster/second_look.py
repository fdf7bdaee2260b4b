"""A second look before an act: does another endpoint see the cluster, and the target, as we believe them to be?

The node that answered last may be the one that is cut off, or one that lags behind. The other endpoint's reply is
merged by the same rules as our own picture, so that two ways of reading never look like two opinions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from jarvis_daemon.cluster.inventory import Inventory
from jarvis_daemon.cluster.quorum import Opinion
from jarvis_daemon.cluster.scene import Scene
from jarvis_daemon.cluster.shapes import Resources, StatusReply, parse_resources, parse_status
from jarvis_daemon.protocol.errors import JarvisError

ASKED_MAX: Final = 2
"""Other endpoints that are asked, one after the other, until one answers both calls."""


async def second_look(scene: Scene, target: str) -> tuple[Opinion, str]:
    """What another endpoint says of the quorum and of ``target`` (an entity id), and why, in one sentence.

    ``agrees``: as we believe. Of targets that are neither guest nor node only the quorum is compared. ``none``:
    there is no other endpoint, or none answers. One node alone has no quorum to lose: it agrees and is not asked.
    """
    if scene.quorum.standalone:
        return "agrees", "It is one node alone: there is no quorum to lose."
    others = _others(scene)
    if not others:
        return "none", "No other endpoint can be asked now."
    said: list[str] = []
    for url in others[:ASKED_MAX]:
        try:
            status, resources = await _ask(scene, url)
        except JarvisError as error:
            said.append(f"{url}: {error.why or error.what}")
            continue
        who = next((m.name for m in status.members if m.local), url)
        why = _quorum_differs(scene, status, who) or _target_differs(scene, status, resources, target, who)
        return ("disagrees", why) if why else ("agrees", f"{who} sees it the same.")
    return "none", f"No other endpoint answers ({'; '.join(said)})."


def _others(scene: Scene) -> list[str]:
    """Endpoints that may be asked now, without the one that our picture comes from."""
    ours = scene.px.answered_by("cluster_resources") or scene.px.last_endpoint
    return [url for url in scene.px.endpoints if url != ours and scene.px.admits(url)]


async def _ask(scene: Scene, url: str) -> tuple[StatusReply, Resources]:
    """Both calls of the same endpoint; it does not become the one in use. Raises as ``Proxmox.call``."""
    answers: Sequence[Any] = await asyncio.gather(
        scene.px.ask_at(url, "cluster_status"), scene.px.ask_at(url, "cluster_resources"), return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return parse_status(answers[0]), parse_resources(answers[1])


def _quorum_differs(scene: Scene, status: StatusReply, who: str) -> str:
    """Why the two do not see one cluster, empty when they do."""
    if status.standalone:
        return f"{who} belongs to no cluster."
    if status.quorate is not True and status.quorate is not False:
        return f"{who} does not tell whether the cluster is quorate."
    if scene.quorum.quorate is None:
        return f"Whether the cluster is quorate is not known here; {who} says {_word(status.quorate)}."
    if status.quorate is not scene.quorum.quorate:
        return f"{who} says that the cluster is {_word(status.quorate)}; here it is {_word(scene.quorum.quorate)}."
    return ""


def _word(quorate: bool) -> str:
    return "quorate" if quorate else "not quorate"


def _target_differs(scene: Scene, status: StatusReply, resources: Resources, target: str, who: str) -> str:
    kind = target.partition(":")[0]
    if kind not in {"guest", "node"}:
        return ""
    there = Inventory(scene.cluster.name)
    there.guests.ha = scene.inventory.guests.ha
    there.merge_status(status)
    own = [row for row in resources.guests if target == f"guest:{row.vmid}"]  # there may be thousands of others
    there.merge_resources(msgspec.structs.replace(resources, guests=own, storages=[]), scene.clock.now())
    if kind == "node":
        ours, theirs = scene.inventory.nodes.entities.get(target), there.nodes.entities.get(target)
        if ours is None or theirs is None:
            return _missing(target, who, here=ours is not None, there=theirs is not None)
        if ours.status != theirs.status:
            return f"{who} says that {ours.name} is {theirs.status}; here it is {ours.status}."
        return ""
    mine, other = scene.inventory.guests.entities.get(target), there.guests.entities.get(target)
    if mine is None or other is None:
        return _missing(target, who, here=mine is not None, there=other is not None)
    name = mine.name or target
    if mine.node != other.node:
        return f"{who} says that {name} is on {other.node}; here it is on {mine.node}."
    if mine.status != other.status:
        return f"{who} says that {name} is {other.status}; here it is {mine.status}."
    return ""


def _missing(target: str, who: str, *, here: bool, there: bool) -> str:
    if not here and not there:
        return f"Neither {who} nor we know {target}."
    return f"{who} does not know {target}." if here else f"{target} is not known here; {who} knows it."
