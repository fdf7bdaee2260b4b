"""What the HUD says and does about autonomy. Setting a level is an order like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jarvis_cli import levels
from jarvis_cli.hud.verbs import Verb, Wish
from jarvis_daemon.protocol.errors import JarvisError

if TYPE_CHECKING:
    from jarvis_cli.hud.app import HudApp

TOOL: Final = "set_autonomy"
REPAIRS: Final = "repair."
"""The filter of the feed that leaves what the watchman did."""


def history(app: HudApp) -> None:
    """The feed with what was repaired or left alone, and nothing else."""
    app.show_mode("feed", filter=REPAIRS)


def autonomy(app: HudApp, rest: str = "") -> None:
    """Tell the level on the status line; with a number, open the plan that sets it."""
    found = app.model.autonomy()
    if found is None:
        app.say("this daemon repairs nothing: it tells of no autonomy level", "warn")
    elif not rest:
        less = found.get("effective") not in {None, found.get("level")}
        app.say(f"autonomy {levels.in_short(found)}", "warn" if less else "text")
    else:
        _choose(app, rest)


def _choose(app: HudApp, text: str) -> None:
    try:
        level = levels.read(text)
    except JarvisError as error:
        app.say(error.sentence(), "warn")
        return
    if not app.hands.may_act or TOOL not in app.hands.tools:
        app.say("this HUD cannot set it: `jarvis autonomy set` at an operator's terminal can", "warn")
        return
    target = {"id": "autonomy:main", "name": f"autonomy L{level}"}
    app.hands.begin(Wish(Verb("set", "", "choose the autonomy level"), target, TOOL, {"level": level}))
