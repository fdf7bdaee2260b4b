"""`jarvis docker`: Docker containers. Its verbs stand in ``verbs.VERBS``."""

from __future__ import annotations

from jarvis_cli import acting
from jarvis_cli.group import noun

app = noun("docker", "Docker containers: list, logs, start, stop, restart.")
acting.add(app, "docker")
