"""The unix-socket front door: sessions, roles, subscriptions, back-pressure. Knows no feature."""

from jarvis_daemon.server.server import Server
from jarvis_daemon.server.tickets import Tickets

__all__ = ["Server", "Tickets"]
