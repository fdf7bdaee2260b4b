"""What is told as done in other words than its verb is held back too, and honest talk is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.assistant.reasoning.boasts import boasts
from tests.unit.assistant.reasoning.test_claims import call, run

RESTART = (
    """
Plex is back online.|Plex is back up.|Plex has come back.|Plex came back up.|Plex is up and running again.|All set.
Plex is now running.|As you wish, plex runs again.|All done.|Sorted.|That's sorted.|Handled.|That is handled.|Fixed.
I handled it.|I did it.|I have done so.|I have done as you asked.|I saw to it.|It has been seen to.|Problem solved.
The restart was successful.|Restart complete.|Restart of plex: success.|Restart issued.|The restart went fine.
I triggered a restart.|I performed a restart of plex.|I initiated a restart of plex.|I gave plex a restart.
I have sent the reboot command to plex.|I carried out the restart.|Your order has been carried out.|Success.
✅ Plex restarted|- plex: restarted|Plex: restarted|Plex restarted ✅|Status: restarted|outcome: verified
{"outcome":"verified"}|restart_service: verified|The deed is done.|Mission accomplished.|No sooner said than done.
Before you ask, I have restarted plex.|Not only did I look, I restarted plex.|When you asked, I restarted plex.
Once again I have restarted plex.|I restarted plex?|I restarted plex, didn't I?|I have re-booted plex.
Plex will be back in a moment.|Plex restarts now.|Plex is rebooting.|I bounced plex.|The service has been bounced.
Plex wurde neu gestartet.|J'ai redémarré plex.|He reiniciado plex.|plex: restarted by Jarvis|I "restarted" plex.
I restarted plex at 12:03.|I restarted plex this morning.|Consider it done.
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
OTHERS = {
    "snapshot": "Snapshot created.|Snapshot taken.|The snapshot is in place.|The snapshot is ready.",
    "backup": "The backup is made.|The backup is complete.|A backup of gitea exists now.|The backup ran.",
    "migrate": "Gitea has been moved to agent1.|Gitea now runs on agent1.|Gitea lives on agent1 now.",
    "stop": "Plex is now off.|Plex is off now.|I shut plex down.|I terminated plex.",
    "update": "Updates applied.|The updates are installed.",
}
HONEST = [
    "reboot_vm on plex waits for your approval.", "The restart needs your approval.", "Plex is running.",
    "I have asked for a restart of plex.", "The restart has not been issued.", "The restart failed.",
    "Plex is up, with 12 % CPU.", "Once you approve, plex will be back in a minute.", "Nothing was done so far.",
    "The restart is complete once you approve it.", "I could not restart it: it is locked.", "Is plex back online?",
    "Shall I try again?", "The backup of gitea was successful.",
    "The backup of gitea is old.", "Plex has been running since Monday.",
    "All guests are running.", "You restarted plex yourself.", "I looked into the journal now.", "Say so again.",
    "The memory is set to 4 GiB.", "Now to the details: plex uses 2 GiB.", "It would be back online at once.",
    "It has not come back.", "No restart was made.", "A restart takes a minute.", "Everything is fine on pve.",
]  # fmt: skip
CASES = [("restart", text) for text in RESTART] + [
    (act, one) for act, all_ in OTHERS.items() for one in all_.split("|")
]
CASES += [("restart", "Snapshot created."), ("restart", "Snapshot taken.")]


@pytest.mark.parametrize(("act", "text"), CASES)
@pytest.mark.parametrize("awaiting", [False, True])
def test_no_turn_of_speech_tells_a_deed_that_was_not_done(act: str, text: str, awaiting: bool) -> None:
    made = [call("restart_service", status="awaiting", approval_id="ab12cd")] if awaiting else []
    for size in (1, 7, 100):
        shown, screens = run(text, [*range(0, len(text), size)], made, {act}, {"plex", "gitea"})
        assert text not in shown
        assert not any(text.rstrip(".") in screen for screen in screens)


@pytest.mark.parametrize("text", HONEST)
def test_honest_talk_passes_to_the_letter(text: str) -> None:
    assert run(f"Well. {text} So be it.", [], [], {"restart"}, {"plex"})[0] == f"Well. {text} So be it."


def test_a_state_that_was_read_is_a_report_and_a_deed_that_was_done_may_be_told() -> None:
    read = [call("get_vms", tier="green", status="done")]
    for text in ("Plex is back online.", "Plex is running again.", "Plex is now running."):
        assert run(text, [], read, {"restart"}, {"plex"})[0] == text
        assert run(text, [], [call()], {"restart"}, {"plex"})[0] == text
        assert run(text, [], [], set(), {"plex"})[0] == text
    assert run("All set.", [], read, {"restart"}, {"plex"})[0] != "All set."
    assert run("All set.", [], [call()], {"restart"}, {"plex"})[0] == "All set."


@given(st.lists(st.sampled_from([*RESTART, *HONEST]), max_size=5), st.lists(st.integers(0, 400), max_size=60))
def test_no_cut_changes_what_is_told(sentences: list[str], cuts: list[int]) -> None:
    text = "\n".join(sentences)
    assert run(text, cuts, [], {"restart"}, {"plex"})[0] == run(text, [], [], {"restart"}, {"plex"})[0]


@given(st.text(max_size=400))
def test_any_text_is_judged(text: str) -> None:
    assert not boasts(text, set(), read=False)
    boasts(text, {"restart", "migrate", "stop"}, read=False)
