"""`jarvis service`: services of the nodes. Its verbs stand in ``verbs.VERBS``."""

from __future__ import annotations

from jarvis_cli import acting
from jarvis_cli.group import noun

app = noun("service", "Services of the nodes: list, restart, journal.")
acting.add(app, "service")
