"""The calls about nodes that tools make: reads of disks, pools and firewall, and the power of nodes."""

from __future__ import annotations

from typing import Final

from jarvis_daemon.cluster.call_kinds import Call, Parameter, Privilege

_SYS = (Privilege("Sys.Audit", "/"),)
_NODE = (Privilege("Sys.Audit", "/nodes/{node}"),)
_POWER = (Privilege("Sys.PowerMgmt", "/nodes/{node}"),)

NODE_READS: Final = (
    Call("node_disks", "/nodes/{node}/disks/list", "list", (Parameter("skipsmart"),), privileges=_SYS),
    Call("node_zfs", "/nodes/{node}/disks/zfs", "list", privileges=_SYS),
    Call("node_firewall", "/nodes/{node}/firewall/options", "object", privileges=_NODE),
    Call("node_firewall_rules", "/nodes/{node}/firewall/rules", "list", privileges=_NODE),
    Call("cluster_firewall", "/cluster/firewall/options", "object", privileges=_SYS),
)

NODE_WRITES: Final = (
    Call("node_wake", "/nodes/{node}/wakeonlan", "text", (), _POWER, method="POST"),
    Call(
        "node_power", "/nodes/{node}/status", "nothing", (Parameter("command", optional=False),), _POWER,
        method="POST",
    ),
)  # fmt: skip
"""``node_wake`` is done by whichever node is asked; the node in its path sleeps."""
