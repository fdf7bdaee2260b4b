"""Starts, watches and restarts the daemon's own worker processes, and watches the daemon itself."""

from jarvis_daemon.supervisor.asking import Asking, Lost
from jarvis_daemon.supervisor.supervisor import Supervisor, WorkerSpec

__all__ = ["Asking", "Lost", "Supervisor", "WorkerSpec"]
