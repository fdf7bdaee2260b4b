"""The command line behind ``:``: words to acts, with the nearest word where none fits."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from jarvis_cli.hud import watch
from jarvis_cli.hud.panels.bars import TABS

if TYPE_CHECKING:
    from jarvis_cli.hud.app import HudApp

ALIASES: Final = {
    "o": "overview", "home": "overview", "g": "guests", "vms": "guests", "ct": "guests", "vm": "guests",
    "storages": "storage", "st": "storage", "task": "tasks", "incident": "incidents", "alerts": "incidents",
    "c": "chat", "n": "nodes", "log": "logs", "approval": "approvals", "ap": "approvals",
    "quit": "q", "exit": "q", "detach": "q", "?": "help", "h": "help",
}  # fmt: skip
COMMANDS: Final = {
    "overview": "the whole cluster",
    "guests": "guests, with a filter: `:guests web`",
    "guest": "describe one guest: `:guest 104` or its name",
    "storage": "storages",
    "tasks": "tasks, with a filter",
    "logs": "log of the newest task of a guest: `:logs 104`",
    "incidents": "open incidents",
    "nodes": "all nodes",
    "node": "one node: `:node pve`",
    "feed": "what happened, with a filter",
    "approvals": "what waits for the operator's word",
    "chat": "the conversation; `:chat new` begins another",
    "ask": "say it in words: `:ask how hot is pve`",
    "history": "what was repaired or left alone, and why: the feed's part of it",
    "autonomy": "the level that holds and why; `:autonomy 2` sets it",
    "theme": "the next theme, or one by name",
    "help": "keys and commands",
    "q": "detach; the daemon lives on",
}
FILTERED: Final = frozenset({"guests", "storage", "tasks", "incidents", "nodes", "feed", "approvals"})


def obey(app: HudApp, text: str) -> None:
    """Do what was typed; what cannot be done is told on the status line."""
    word, _, rest = text.strip().partition(" ")
    word, rest = word.casefold(), rest.strip()
    if not word:
        return
    word = ALIASES.get(word, word)
    if word in {"ask", "chat"} and rest:
        _talk(app, word, rest)
    elif word in TABS:
        app.show_mode(word, filter=rest if word in FILTERED and rest else None)
    elif word == "ask":
        app.show_mode("chat")
    elif word == "node":
        app.show_mode("nodes", filter=rest)
    elif word in {"guest", "logs"}:
        _about_guest(app, word, rest)
    elif word == "history":
        watch.history(app)
    elif word == "autonomy":
        watch.autonomy(app, rest)
    elif word == "theme":
        _theme(app, rest)
    elif word == "help":
        app.action_help()
    elif word == "q":
        app.action_detach()
    elif not app.hands.obey(word, rest):
        near = difflib.get_close_matches(word, [*COMMANDS, *ALIASES, *app.hands.words()], n=1)
        app.say(
            f"no command `{word}`" + (f"; did you mean `{near[0]}`?" if near else "; `:help` lists them"), "warn"
        )


def _talk(app: HudApp, word: str, rest: str) -> None:
    """Say something from anywhere, or begin another conversation."""
    app.show_mode("chat")
    if word == "chat" and rest == "new":
        app.talk.new()
    else:
        app.talk.say(rest)


def _about_guest(app: HudApp, word: str, name: str) -> None:
    guest = app.model.find_guest(name)
    if guest is None:
        names = [str(g.get("name")) for g in app.model.guests()]
        near = difflib.get_close_matches(name, names, n=1)
        app.say(f"no guest `{name}`" + (f"; did you mean `{near[0]}`?" if near else ""), "warn")
    elif word == "guest":
        app.open_entity("guests", guest)
    else:
        task = next((t for t in app.model.tasks() if str(t.get("target")) == str(guest.get("vmid"))), None)
        if task is None:
            app.say(f"no task of {guest.get('name')} is known", "warn")
        else:
            app.open_entity("tasks", task)


def _theme(app: HudApp, name: str) -> None:
    if not app.set_palette(name or None):
        app.say(f"no theme `{name}`; there are {', '.join(app.palette_names())}", "warn")


def completions(app: HudApp) -> list[str]:
    """What the prompt suggests: commands, then commands with live names."""
    names = [str(guest.get("name")) for guest in app.model.guests()[:500]]
    nodes = [str(node.get("name")) for node in app.model.nodes()]
    themes = app.palette_names()
    hands = app.hands
    return [
        *COMMANDS,
        *hands.words(),
        *(f"{verb.word} {name}" for verb in hands.verbs("vm", "ct") for name in names),
        *(f"{verb.word} {name}" for verb in hands.verbs("node") for name in nodes),
        *(f"guest {name}" for name in names),
        *(f"logs {name}" for name in names),
        *(f"node {name}" for name in nodes),
        *(f"theme {name}" for name in themes),
    ]
