"""Facts take the place of braces once, keep or change their type as the tool wants it, and are never run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.remediation import plan
from jarvis_daemon.remediation.runbook import Choice, Step, When
from jarvis_daemon.tools import Registry, Target
from tests.unit.remediation.books import NOW, SOUND, book, case, fault, registry


def named(name: str, **more: Any) -> Any:
    """A case whose guest has this name."""
    return case(guests={"guest:105": Guest(id="guest:105", vmid=105, name=name, kind="ct", node="agent", **more)})


def takes(tool: str, tools: Registry | None = None) -> type[msgspec.Struct]:
    return (tools or registry()).get(tool).args


def test_a_whole_brace_keeps_the_type_of_its_fact() -> None:
    args = {
        "a": "{guest.vmid}",
        "b": "{cluster.quorate}",
        "c": "{incident.evidence.lines}",
        "d": " {guest.name} ",
        "e": 5,
    }
    filled = plan.fill(args, case())
    assert filled == {"a": 105, "b": True, "c": ["a", "b"], "d": "pihole", "e": 5}
    assert type(filled["a"]) is int


def test_within_text_a_fact_becomes_text() -> None:
    text = "guest {guest.vmid} ({guest.name}), quorate {cluster.quorate}, {node.temperatures.coretemp/Package} °C"
    assert plan.fill({"a": text}, case()) == {"a": "guest 105 (pihole), quorate true, 61.5 °C"}


def test_braces_are_filled_at_every_depth_and_keys_are_left() -> None:
    args = {"ids": ["{target.id}", "node:{node.name}"], "{guest.name}": {"x": "{guest.vmid}"}}
    wanted = {"ids": ["guest:105", "node:agent"], "{guest.name}": {"x": 105}}
    assert plan.fill(args, case()) == wanted
    assert args["ids"] == ["{target.id}", "node:{node.name}"]


@pytest.mark.parametrize("name", ["a b", "a'b", 'a"b', "-rf", "$(x)", "a;b", "", "a\\b", "~x*"])
def test_in_a_command_a_fact_is_one_plain_word_or_nothing(name: str) -> None:
    for command in ("ls {incident.evidence.path}", "ls '{incident.evidence.path}'", "{incident.evidence.path}"):
        with pytest.raises(JarvisError, match="is not one plain word"):
            plan.fill({"command": command}, case(incident=fault(path=name)), words={"command"})
    some = case(incident=fault(path="/var/log/x-1"))
    assert plan.fill({"command": "ls -l {incident.evidence.path} {guest.vmid}"}, some, words={"command"}) == {
        "command": "ls -l /var/log/x-1 105"
    }


def test_the_tool_gets_the_type_that_it_wants() -> None:
    args = {"guest": "{guest.vmid}", "timeout_s": "{incident.evidence.patience}"}
    some = case(incident=fault(patience="60"))
    filled = plan.fill(args, some, takes("reboot_container"))
    assert filled == {"guest": "105", "timeout_s": 60}
    assert msgspec.convert(filled, takes("reboot_container"))
    history = {"ids": ["{target.id}"], "span_s": 3600}
    assert msgspec.convert(plan.fill(history, some, takes("get_metrics_history")), takes("get_metrics_history"))


@pytest.mark.parametrize(
    ("value", "patience"), [("{guest.vmid}", "soon"), ("{incident.evidence}", 60), ("{incident.evidence.list}", 60)]
)
def test_what_the_tool_cannot_take_is_refused(value: str, patience: Any) -> None:
    some = case(incident=fault(patience=patience, list=[1]))
    with pytest.raises(JarvisError) as caught:
        plan.fill({"guest": value, "timeout_s": "{incident.evidence.patience}"}, some, takes("reboot_container"))
    assert caught.value.code == "refused"
    assert "takes" in caught.value.what


@pytest.mark.parametrize(
    "path",
    ["guest.cpu", "guest.nope", "nope.vmid", "guest", "storage.name", "incident.evidence.nope", "target.unit", ""],
)
def test_a_fact_that_is_not_known_is_refused_by_its_name(path: str) -> None:
    for text in (f"{{{path}}}", f"x {{{path}}}"):
        with pytest.raises(JarvisError) as caught:
            plan.fill({"a": text}, case())
        assert caught.value.code == "refused"
        assert caught.value.what == f"{path} is not known of pihole"
        assert caught.value.data["fact"] == path


@pytest.mark.parametrize("name", ["{node.name}", "{0.__class__}", "%s", "{", "}", "{{x}}", "$(reboot)", "`id`"])
def test_what_stands_in_a_fact_is_never_filled_or_run(name: str) -> None:
    some = named(name)
    assert plan.fill({"a": "{guest.name}", "b": "is {guest.name}."}, some) == {"a": name, "b": f"is {name}."}
    assert plan.tell("start {guest.name}", some) == f"start {name}"


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "a\u202eb", "a\u200bb", " a", "a\x00"])
def test_an_argument_with_hidden_characters_is_refused_and_a_sentence_is_cleaned(name: str) -> None:
    some = named(name)
    for text in ("{guest.name}", "x{guest.name}"):
        with pytest.raises(JarvisError, match="characters that are no text"):
            plan.fill({"a": text}, some)
    hidden = case(incident=fault(l=["ok", name]))
    with pytest.raises(JarvisError, match="characters that are no text"):
        plan.fill({"a": "{incident.evidence.l}"}, hidden)
    said = plan.tell("start {guest.name}", some)
    assert said == clean(said)
    assert said.startswith("start a")


def test_a_list_or_table_has_no_place_within_text() -> None:
    for path in ("incident.evidence.lines", "incident.evidence.more", "guest.tags"):
        with pytest.raises(JarvisError, match="no plain value"):
            plan.fill({"a": f"x {{{path}}}"}, case())


# --- which tool -----------------------------------------------------------------------------------------


def test_a_choice_goes_by_its_fact() -> None:
    step = Step(tool=Choice(by="guest.kind", tools={"vm": "start_vm", "ct": "start_container"}))
    assert plan.tool_of(step, case()) == "start_container"
    assert plan.tool_of(Step(tool="wake_node"), case()) == "wake_node"
    with pytest.raises(JarvisError, match=r"guest\.cpu is not known of pihole"):
        plan.tool_of(Step(tool=Choice(by="guest.cpu", tools={"1": "start_vm"})), case())
    with pytest.raises(JarvisError) as caught:
        plan.tool_of(Step(tool=Choice(by="guest.kind", tools={"vm": "start_vm"})), case())
    assert (caught.value.code, caught.value.why) == ("refused", "it knows vm")


# --- whom it is about -------------------------------------------------------------------------------------

ABOUT = [
    # what is ill, what a call resolved to, whether it is about it
    ("guest:105", "guest:105", True), ("guest:105", "node:agent", True), ("guest:105", "guest:100", False),
    ("guest:105", "node:pve", False), ("guest:105", "container:pihole/unbound", True),
    ("guest:105", "container:105/unbound", True), ("guest:105", "container:management/x", False),
    ("guest:105", "service:agent/cron", False), ("guest:105", "storage:agent/local", False),
    ("node:agent", "node:agent", True), ("node:agent", "guest:105", False), ("node:agent", "node:pve", False),
    ("node:agent", "service:agent/cron", True), ("node:agent", "service:pve/smbd", False),
    ("node:agent", "container:pihole/x", False), ("node:agent", "storage:agent/local", False),
    ("service:agent/cron", "service:agent/cron", True), ("service:agent/cron", "service:agent/sshd", True),
    ("service:agent/cron", "service:pve/cron", False), ("service:agent/cron", "guest:105", False),
    ("storage:agent/local", "node:agent", True), ("storage:agent/local", "node:pve", False),
    ("container:pihole/unbound", "container:pihole/unbound", True), ("container:pihole/unbound", "guest:105", True),
    ("container:pihole/unbound", "guest:100", False), ("container:nas/x", "container:nas/x", True),
    ("container:nas/x", "container:nas/y", False), ("guest:404", "guest:404", True),
    ("guest:404", "guest:105", False), ("", "guest:105", False),
]  # fmt: skip


@pytest.mark.parametrize(("ill", "target", "is_about"), ABOUT)
def test_a_call_is_about_what_is_ill_or_it_is_not(ill: str, target: str, is_about: bool) -> None:
    node = "agent" if ill.startswith(("storage:", "service:")) else None
    some = case(incident=msgspec.structs.replace(fault(node=node), target=ill))
    assert plan.is_about(some, Target(target, target)) is is_about


# --- preconditions --------------------------------------------------------------------------------------

WHEN_AT = "incident.evidence.seen_at is 2027-01-15 08:00 UTC; it has to be at least 2027-01-15 08:00 UTC."
WHENS: list[tuple[dict[str, Any], bool, str]] = [
    ({"fact": "guest.status", "is": "stopped"}, True, "guest.status is stopped."),
    ({"fact": "guest.status", "is": "running"}, False, "guest.status is stopped; it has to be running."),
    ({"fact": "guest.template", "is": False}, True, "guest.template is false."),
    ({"fact": "guest.template", "is": 0}, False, "guest.template is false; it has to be 0."),
    ({"fact": "guest.template", "is": "false"}, False, 'guest.template is false; it has to be the text "false".'),
    ({"fact": "guest.vmid", "is": 105}, True, "guest.vmid is 105."),
    ({"fact": "guest.vmid", "is": 105.0}, True, "guest.vmid is 105."),
    ({"fact": "guest.vmid", "is": "105"}, False, 'guest.vmid is 105; it has to be the text "105".'),
    ({"fact": "guest.vmid", "is": True}, False, "guest.vmid is 105; it has to be true."),
    ({"fact": "guest.name", "one_of": ["plex", "pihole"]}, True, "guest.name is pihole."),
    ({"fact": "guest.name", "one_of": ["plex", "x"]}, False, "guest.name is pihole; it has to be plex or x."),
    ({"fact": "guest.name", "none_of": ["plex"]}, True, "guest.name is pihole."),
    ({"fact": "guest.kind", "none_of": ["ct", "x"]}, False, "guest.kind is ct; it has to be neither ct nor x."),
    ({"fact": "guest.vmid", "at_least": 105}, True, "guest.vmid is 105."),
    ({"fact": "guest.vmid", "at_least": 105.5}, False, "guest.vmid is 105; it has to be at least 105.5."),
    ({"fact": "guest.vmid", "at_most": 105}, True, "guest.vmid is 105."),
    ({"fact": "guest.vmid", "at_most": 104}, False, "guest.vmid is 105; it has to be at most 104."),
    ({"fact": "guest.name", "at_least": 1}, False, "guest.name is pihole; it has to be at least 1."),
    ({"fact": "guest.template", "at_least": 0}, False, "guest.template is false; it has to be at least 0."),
    ({"fact": "guest.cpu", "at_least": 0}, False, "guest.cpu is not known; it has to be at least 0."),
    ({"fact": "guest.cpu", "none_of": [0]}, False, "guest.cpu is not known; it has to be neither 0."),
    ({"fact": "guest.cpu", "known": False}, True, "guest.cpu is not known."),
    ({"fact": "guest.cpu", "known": True}, False, "guest.cpu is not known; it has to be known."),
    ({"fact": "guest.name", "known": True}, True, "guest.name is pihole."),
    ({"fact": "guest.name", "known": False}, False, "guest.name is pihole; it has to be not known."),
    ({"fact": "incident.age_s", "at_least": 900}, False, "incident.age_s is 12 min; it has to be at least 15 min."),
    ({"fact": "incident.age_s", "at_most": 1800}, True, "incident.age_s is 12 min."),
    ({"fact": "incident.evidence.seen_at", "at_least": NOW + 1}, False, WHEN_AT),
    ({"fact": "guest.name"}, False, "guest.name is pihole; it has to be compared with something."),
    ({"fact": "guest.kind", "is": "ct", "none_of": ["ct"]}, False, "guest.kind is ct; it has to be neither ct."),
]  # fmt: skip


@pytest.mark.parametrize(("when", "held", "text"), WHENS)
def test_a_precondition(when: dict[str, Any], held: bool, text: str) -> None:
    check = plan.holds(msgspec.convert(when, When), case(age_s=720))
    assert (check.guardrail, check.verdict, check.text) == (when["fact"], "pass" if held else "refuse", text)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_holds_nothing(number: float) -> None:
    some = case(incident=fault(n=number))
    for key in ("at_least", "at_most"):
        when = msgspec.convert({"fact": "incident.evidence.n", key: 1}, When)
        assert plan.holds(when, some).verdict == "refuse"


# --- in words -------------------------------------------------------------------------------------------


def test_the_lines_of_a_runbook() -> None:
    text = SOUND.replace("tool: start_vm", "tool: {by: guest.kind, tools: {vm: start_vm, ct: start_container}}")
    more = "    optional: true\n    approval: always\n    when: [{fact: guest.vmid, at_least: 100}]\n    say: start"
    assert plan.lines(book(text)) == ["start_vm or start_container (by guest.kind) guest={guest.vmid}"]
    assert plan.lines(book(SOUND.replace("    say: start", more))) == [
        "start_vm guest={guest.vmid}  (when guest.vmid is at least 100; a person is asked; may fail)"
    ]


def test_what_a_step_says() -> None:
    assert (
        plan.say(Step(tool="start_vm", say="start {guest.name} on {node.name}"), case()) == "start pihole on agent"
    )
    assert (
        plan.say(Step(tool="start_vm", args={"guest": "{guest.vmid}", "n": 3}), case()) == "start_vm guest=105 n=3"
    )
    choice = Step(tool=Choice(by="guest.kind", tools={"vm": "start_vm"}))
    assert plan.say(choice, case()) == "start_vm (by guest.kind)"
    assert plan.say(Step(tool="start_vm", say="start {storage.name}"), case()) == "start not known"


WORDS = [
    ("incident.age_s", "12 min"), ("guest.memory_total_bytes", "4.0 GiB"), ("guest.disk_used_bytes", "200 MiB"),
    ("incident.observed_at", "12 min ago"), ("incident.evidence.due_at", "in 60 s"),
    ("guest.tags", "dns, infra"), ("guest.cpu", "0.25"),
    ("incident.evidence.more", "a table"), ("incident.evidence.none", "none"), ("guest.template", "false"),
    ("guest.pool", "empty"), ("guest.started_at", "not known"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "said"), WORDS)
def test_facts_in_words(path: str, said: str) -> None:
    incident = fault(more={"x": 1}, none=[], due_at=NOW + 60)
    guest = Guest(
        id="guest:105", vmid=105, name="pihole", memory_total_bytes=4 << 30, disk_used_bytes=200 << 20, cpu=0.25,
        tags=["dns", "infra"], pool="",
    )  # fmt: skip
    assert (
        plan.tell(f"it: {{{path}}}", case(guests={guest.id: guest}, incident=incident, age_s=720)) == f"it: {said}"
    )


def test_a_long_fact_does_not_flood_a_sentence() -> None:
    assert len(plan.tell("{guest.name} {guest.name}", named("x" * 5000))) < 500


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(json, st.text(max_size=40))
def test_no_evidence_breaks_a_sentence_a_comparison_or_the_filling(value: Any, text: str) -> None:
    some = case(incident=fault(x=value))
    said = plan.tell(f"{text} {{incident.evidence.x}}", some)
    assert said == clean(said, limit=1000)
    for wanted in ({"is": 1}, {"one_of": ["a", 1]}, {"none_of": [1]}, {"at_least": 1}, {"at_most": 1}):
        when = msgspec.convert({"fact": "incident.evidence.x", **wanted}, When)
        assert plan.holds(when, some).verdict in {"pass", "refuse"}
    for pattern in ("{incident.evidence.x}", "a {incident.evidence.x}"):
        filled = refused = None
        try:
            filled = plan.fill({"guest": pattern}, some, takes("start_vm"))
        except JarvisError as error:
            refused = error.code
        assert refused == "refused" or msgspec.convert(filled, takes("start_vm"))
