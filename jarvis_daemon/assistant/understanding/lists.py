"""What a slot of a sentence may hold: the lists, and which parts of an entry an argument can take.

=========== ================================================= ============================================
list        holds                                             parts, the default first
=========== ================================================= ============================================
guest       VMs and containers                                vmid (as text), id, name, kind, node
vm          VMs                                               as guest
container   containers (LXC)                                  as guest
node        nodes                                             name, id
storage     storages                                          name, id, node
service     systemd units that are watched, ``UNIT on NODE``  unit, id, node
docker      Docker containers that are known                  name, id, node
runbook     runbooks                                          name
condition   conditions of incidents                           name
incident    numbers of open incidents and of any said so      number (as text)
silence     numbers of silences                               number (as text)
person      people                                            name, id
number      whole numbers, in digits or words                 value
duration    "half an hour", "2h", "two days"                  value (seconds)
size        "4 GB", "two gigabytes"                           mib, gib, bytes (whole numbers)
level       L0 to L4, "level 3"                               value
period      "last night", "today", "the last two hours"       value (see ``periods.py``)
word        one word, as written                              value
text        the rest, as written; never a command or a target value
=========== ================================================= ============================================

A question gets the entity's id (``guest:104``) in its slot, or the value. Only ``word`` and ``text`` match what
nobody listed, and they only fill arguments that are text by nature.
"""

from __future__ import annotations

from typing import Final

PARTS: Final[dict[str, tuple[str, ...]]] = {
    "guest": ("vmid", "id", "name", "kind", "node"),
    "vm": ("vmid", "id", "name", "kind", "node"),
    "container": ("vmid", "id", "name", "kind", "node"),
    "node": ("name", "id"),
    "storage": ("name", "id", "node"),
    "service": ("unit", "id", "node"),
    "docker": ("name", "id", "node"),
    "runbook": ("name",),
    "condition": ("name",),
    "incident": ("number",),
    "silence": ("number",),
    "person": ("name", "id"),
    "number": ("value",),
    "duration": ("value",),
    "size": ("mib", "gib", "bytes"),
    "level": ("value",),
    "period": ("value",),
    "word": ("value",),
    "text": ("value",),
}
"""List -> parts, the default first."""
GUESTS: Final = frozenset({"guest", "vm", "container"})
FREE: Final = frozenset({"word", "text"})
"""Lists that match what nobody listed."""
