"""The life of every incident, whichever room found it; silences and maintenance windows.

This room knows no feature: rooms report what they observe (``Observation``), round by round; it decides what
opens, what is announced, what closes, and keeps all of it in the store.
"""

from jarvis_daemon.incidents.incidents import Incidents
from jarvis_daemon.incidents.observation import Observation

__all__ = ["Incidents", "Observation"]
