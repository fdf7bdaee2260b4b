"""The operator's own words for things: set and forgotten through the gate, kept over a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jarvis_daemon.bus import Principal
from jarvis_daemon.protocol.messages import ToolCall, ToolOutcome
from tests.unit.assistant.understanding.lab import Lab, again, lab

OPERATOR = Principal(session="a", role="operator", client="test", uid=0)
AGENT = Principal(session="b", role="agent", client="model", uid=0, alone="yellow")


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Lab]:
    """With a gate that runs."""
    made = await lab(tmp_path)
    await made.tools.start()
    yield made
    await made.tools.stop()
    await made.store.close()


async def say(made: Lab, text: str, who: Principal = OPERATOR) -> ToolOutcome:
    understood = made.understanding.parse(text)
    assert understood.kind == "order", understood
    return await call(made, understood.tool, dict(understood.args), who)


async def call(made: Lab, tool: str, args: dict[str, object], who: Principal = OPERATOR) -> ToolOutcome:
    return await made.tools.gate.call(ToolCall(name=tool, args=args, wait_s=0), who, lambda data: None)


async def test_a_word_is_set_used_and_forgotten(whole: Lab) -> None:
    parse = whole.understanding.parse
    assert parse("restart the tv box").kind == "blocked"
    done = await say(whole, "call plex the TV box")
    assert (done.outcome, done.tier) == ("verified", "yellow")
    assert done.undo is not None
    assert done.undo["name"] == "unset_alias"
    assert parse("restart the tv box").args == {"guest": "103"}
    assert parse("Jarvis, restart TV Box please").args == {"guest": "103"}
    assert parse("don't restart the tv box").kind == "blocked"
    gone = await say(whole, "forget the name the tv box")
    assert gone.outcome == "verified"
    assert parse("restart the tv box").kind == "blocked"
    assert gone.undo == {"name": "set_alias", "args": {"word": "the tv box", "target": "guest:103"}}


async def test_it_follows_the_thing_and_not_its_name(whole: Lab) -> None:
    await say(whole, "call plex the tv box")
    whole.guest(103, "emby", "vm", "pve")
    assert whole.understanding.parse("restart the tv box").tool == "reboot_vm"


async def test_it_is_kept(whole: Lab) -> None:
    await say(whole, "call agent the little one")
    assert whole.understanding.parse("wake the little one").args == {"node": "agent"}
    later = again(whole)
    assert later.understanding.parse("wake the little one").kind != "order"
    await later.understanding.start(whole.store)
    assert later.understanding.parse("wake the little one").args == {"node": "agent"}


async def test_undo_of_a_change_brings_the_former_meaning_back(whole: Lab) -> None:
    first = await call(whole, "set_alias", {"word": "box", "target": "plex"})
    assert first.outcome == "verified"
    done = await call(whole, "set_alias", {"word": "box", "target": "guest:104"})
    assert done.undo is not None
    assert done.undo["args"] == {"word": "box", "target": "guest:103"}


REFUSED = (
    ("gitea", "plex", "is the name of something already"),
    ("104", "plex", "is the name of something already"),
    ("not", "plex", "cannot be a name"),
    ("all", "plex", "cannot be a name"),
    ("box and stop pve", "plex", "cannot be a name"),
    ("if", "plex", "cannot be a name"),
    ("one two three four five six", "plex", "cannot be a name"),
    ("\u202e", "plex", "cannot be a name"),
    ("box", "nowhere", "nothing called nowhere"),
    ("box", "local", "More than one thing is called local"),
)
"""Word, thing, what is told."""


async def test_what_is_no_word_for_a_thing_is_refused(whole: Lab) -> None:
    for word, target, told in REFUSED:
        done = await call(whole, "set_alias", {"word": word, "target": target})
        assert done.outcome == "refused", word
        assert told in done.text + done.why
    assert whole.understanding.aliases.all() == {}


async def test_a_model_cannot_name_things(whole: Lab) -> None:
    done = await say(whole, "call plex the tv box", AGENT)
    assert done.outcome == "refused"
    assert whole.understanding.aliases.all() == {}


async def test_what_was_not_set_cannot_be_forgotten(whole: Lab) -> None:
    done = await call(whole, "unset_alias", {"word": "box"})
    assert done.outcome == "refused"
    assert "no name that was set" in done.text


@pytest.mark.parametrize(
    "said", ["call plex the telly, sir", "Jarvis, call plex the telly please", "call plex the telly"]
)
def test_politeness_is_no_part_of_the_word(shared: Lab, said: str) -> None:
    assert shared.understanding.parse(said).args == {"word": "the telly", "target": "guest:103"}
