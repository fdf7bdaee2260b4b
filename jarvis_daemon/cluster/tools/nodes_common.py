"""What the tools about nodes share: the danger of an act on a node, and commands on it."""

from __future__ import annotations

import re
from typing import Final

from jarvis_daemon.cluster.scene import Scene
from jarvis_daemon.cluster.ssh_run import Ran
from jarvis_daemon.cluster.tools.hands import Hands
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest, Node
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools import Tier
from jarvis_daemon.tools.spec import Risk

VITAL: Final = frozenset(
    {"pve-cluster", "pmxcfs", "network", "networkmanager", "dropbear", "dbus", "systemd-logind"}
)
"""Units without which a node leaves the cluster or nobody reaches it any more; see ``VITAL_KINDS`` too."""
VITAL_KINDS: Final = ("corosync", "pve-ha-", "ifup", "networking", "systemd-network", "ssh")
"""How the names of more of them begin: ``ssh`` ``sshd`` ``ssh.socket`` ``ssh@1`` ``pve-ha-crm`` …"""
_SUFFIX: Final = re.compile(r"\.(service|socket|target|path|timer|slice|scope)$")


def is_vital(unit: str) -> bool:
    """Whether an act on ``unit`` may cut the node off. Names are compared without case, instance and suffix."""
    base = _SUFFIX.sub("", unit.casefold()).partition("@")[0]
    return base in VITAL or base.startswith(VITAL_KINDS)


def online(hands: Hands, ref: str) -> Node:
    """The node, when it is online. Raises ``not_found``, ``cluster_unreachable``."""
    node = hands.node(ref)
    if node.status != "online":
        raise JarvisError(
            "cluster_unreachable",
            f"{node.name} is {node.status}",
            next="`jarvis node list` shows which nodes answer.",
        )
    return node


def carries_us(scene: Scene, node: str) -> bool:
    """Whether the daemon runs on ``node``, or on a guest that lies there."""
    runs_on = (scene.cluster.runs_on or "").removeprefix("node:").removeprefix("guest:")
    if runs_on.casefold() == node.casefold():
        return True
    return any(
        guest.node == node and runs_on in {str(guest.vmid), guest.name}
        for guest in scene.inventory.guests.entities.values()
    )


def node_risk(hands: Hands, node: str) -> Risk:
    """Acts on a whole node are BLACK where Jarvis runs on it, or where nobody knows where Jarvis runs."""
    scene = hands.scene
    if scene.cluster.runs_on is None:
        return Risk(Tier.BLACK, "it is not known which node carries Jarvis (cluster.runs_on)")
    if carries_us(scene, node):
        return Risk(Tier.BLACK, f"{node} carries Jarvis itself")
    return Risk()


def takes_quorum(scene: Scene, node: str) -> str:
    """One sentence when the cluster loses its quorum without ``node``, or when that cannot be told; else empty."""
    if scene.quorum.standalone:
        return ""
    expected, needed = scene.quorum.expected, scene.quorum.needed
    if expected is None or needed is None or scene.quorum.quorate is not True:
        return "whether the cluster keeps its quorum is not known"
    others = sum(
        n.status == "online" for n in scene.inventory.nodes.entities.values() if n.name != node
    )  # one vote a node, as PVE sets it up
    if others < needed:
        return f"quorum needs {needed} of {expected} votes, and {others} would be left"
    return ""


def running_guests(scene: Scene, node: str) -> list[Guest]:
    """Guests on ``node`` that run or may run, by vmid."""
    found = [
        g for g in scene.inventory.guests.entities.values()
        if g.node == node and not g.template and g.status != "stopped"
    ]  # fmt: skip
    return sorted(found, key=lambda g: g.vmid)


def require_success(ran: Ran, what: str) -> Ran:
    """Raises ``cluster_refused`` with what the command said."""
    if ran.exit_code == 0:
        return ran
    said = clean(ran.stderr or ran.stdout, limit=300)
    code = "ended by a signal" if ran.exit_code is None else f"exit code {ran.exit_code}"
    raise JarvisError("cluster_refused", f"{what} failed", why=f"{code}: {said}" if said else code)
