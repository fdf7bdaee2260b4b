"""The one gate: tools with tiers, approvals, kill switch, audit. Knows no feature; rooms register their tools.

asked -> validate -> resolve -> tier -> policy -> audit *asked* -> approval -> all of it again
      -> audit *intent* -> run -> verify -> audit *outcome*
"""

from jarvis_daemon.tools.act import Act
from jarvis_daemon.tools.gate import Gate
from jarvis_daemon.tools.registry import Registry
from jarvis_daemon.tools.spec import Context, Target, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.tiers import Tier

__all__ = ["Act", "Context", "Gate", "Registry", "Target", "Tier", "ToolSpec", "Undo", "Verdict"]
