"""How rooms meet: state topics (snapshot and delta), event topics (numbered, kept), services (offer, ask).

The bus knows no feature. It lives in the daemon's event loop; nothing of it may be called from a thread.
"""

from jarvis_daemon.bus.bus import Bus
from jarvis_daemon.bus.events import EventTopic
from jarvis_daemon.bus.feed import Feed
from jarvis_daemon.bus.services import ASKED, Principal, Services
from jarvis_daemon.bus.state import StateDelta, StateTopic

__all__ = ["ASKED", "Bus", "EventTopic", "Feed", "Principal", "Services", "StateDelta", "StateTopic"]
