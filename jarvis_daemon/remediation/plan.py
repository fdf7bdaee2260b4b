"""From a runbook's data to calls and sentences: facts take the place of braces, preconditions are compared.

Facts are text from outside. They are put in once and not looked at again, cleaned wherever a person reads them, and
refused as an argument where cleaning would change them.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Check
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.remediation import braces
from jarvis_daemon.remediation.facts import UNKNOWN, Case, lookup
from jarvis_daemon.remediation.runbook import Choice, Runbook, Step, When
from jarvis_daemon.tools import Target

ARGUMENT_LIMIT: Final = 4000


def fill(
    args: Mapping[str, Any], case: Case, takes: type[msgspec.Struct] | None = None, *, words: Collection[str] = ()
) -> dict[str, Any]:
    """The arguments of a step, with facts in place of braces.

    A value that is one whole brace keeps the fact's type; with ``takes``, the tool's struct, it becomes text where
    the tool wants text (a vmid) and a number where it wants one. Raises ``refused``: a fact is not known, is no
    plain value, or holds characters that are no text. ``words``: arguments that are split into words as a shell
    does; a fact has to be one plain word of them, or a part of one.
    """
    kinds = {field.encode_name: field.type for field in msgspec.structs.fields(takes)} if takes else {}
    filled = {n: _worded(v, case) if n in words else _filled(v, case) for n, v in args.items()}
    return {name: _fitted(name, value, kinds.get(name)) for name, value in filled.items()}


def tool_of(step: Step, case: Case) -> str:
    """The tool's name. Raises ``refused`` where the fact it hangs on is not known, or has no tool."""
    if isinstance(step.tool, str):
        return step.tool
    value = _known(step.tool.by, case)
    name = step.tool.tools.get(braces.plain(value)) if isinstance(value, str | int | float) else None
    if name is None:
        raise JarvisError(
            "refused", f"The runbook has no tool for {step.tool.by} {braces.words('', value)}",
            why=f"it knows {', '.join(step.tool.tools)}",
        )  # fmt: skip
    return name


def is_about(case: Case, target: Target) -> bool:
    """Whether a call would act on what is ill, on the machine that it lies on, or on a service or container there.

    The guardrails judge what is ill: a call that resolves to another guest or node would slip past them.
    """
    kind, _, rest = target.id.partition(":")
    guest, node = case.guest, case.node
    if target.id == case.incident.target or target.id in {one.id for one in (guest, node) if one is not None}:
        return True
    names = {guest.name, str(guest.vmid)} if guest is not None else {node.name} if node is not None else set()
    return kind in {"service", "container"} and rest.partition("/")[0] in names


def holds(when: When, case: Case) -> Check:
    """One precondition: ``guardrail`` is the fact's path, the verdict pass or refuse."""
    value = lookup(case, when.fact)
    shown = braces.words(when.fact, value) if value is not UNKNOWN else "not known"
    failed = [wanted for wanted, held in _comparisons(when, value) if not held]
    text = f"{when.fact} is {shown}." if not failed else f"{when.fact} is {shown}; it has to be {failed[0]}."
    return Check(guardrail=when.fact, verdict="refuse" if failed else "pass", text=text)


def lines(runbook: Runbook) -> list[str]:
    """The steps, a line each, as they stand in the file: ``start_vm guest={guest.vmid}``."""
    return [_line(step) for step in runbook.steps]


def say(step: Step, case: Case) -> str:
    """What a step does, in words; without ``say`` its tool and arguments. A fact that is not known is told so."""
    if step.say is not None:
        return tell(step.say, case)
    try:
        tool = tool_of(step, case)
    except JarvisError:
        tool = _tool(step)
    given = "".join(f" {name}={tell(_written(value), case)}" for name, value in step.args.items())
    return clean(f"{tool}{given}")


def tell(text: str, case: Case) -> str:
    """A sentence of the runbook with its facts in words (``escalate.say`` too)."""

    def word(path: str) -> str:
        value = lookup(case, path)
        return "not known" if value is UNKNOWN else braces.words(path, value, case.facts.now)

    return clean(braces.replaced(text, word), limit=1000)


def _filled(value: Any, case: Case) -> Any:
    if isinstance(value, str):
        if (path := braces.whole(value)) is not None:
            return _pure(path, _known(path, case))
        return braces.replaced(value, lambda path: _plain(path, case))
    if isinstance(value, list):
        return [_filled(one, case) for one in value]
    if isinstance(value, dict):
        return {key: _filled(one, case) for key, one in value.items()}
    return value


def _worded(value: Any, case: Case) -> Any:
    if not isinstance(value, str):
        return _filled(value, case)
    return braces.replaced(value, lambda path: _word(path, case))


def _word(path: str, case: Case) -> str:
    """Raises ``refused`` for what a shell's rules would take apart, or a program for an option."""
    text = _plain(path, case)
    if shlex.quote(text) != text or text.startswith("-"):
        raise JarvisError("refused", f"{path} is not one plain word", data={"fact": path})
    return text


def _known(path: str, case: Case) -> Any:
    value = lookup(case, path)
    if value is UNKNOWN:
        raise JarvisError(
            "refused", f"{path} is not known of {clean(case.name, limit=80)}",
            next="`jarvis incident show` tells what is known of it.", data={"fact": path},
        )  # fmt: skip
    return value


def _pure(path: str, value: Any) -> Any:
    """Raises ``refused`` for text that a terminal or a tool could read as something else."""
    if isinstance(value, str) and clean(value, limit=ARGUMENT_LIMIT) != value:
        raise JarvisError("refused", f"{path} holds characters that are no text", data={"fact": path})
    if isinstance(value, list | tuple):
        return [_pure(path, one) for one in value]
    return value


def _plain(path: str, case: Case) -> str:
    try:
        return str(_pure(path, braces.plain(_known(path, case))))
    except TypeError:
        raise JarvisError("refused", f"{path} is no plain value", data={"fact": path}) from None


def _fitted(name: str, value: Any, kind: Any) -> Any:
    """The value as the tool's argument wants it, where that loses nothing."""
    if kind is None:
        return value
    tries: list[Callable[[], Any]] = [lambda: msgspec.convert(value, kind)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        tries.append(lambda: msgspec.convert(braces.plain(value), kind))
    if isinstance(value, str):
        tries.append(lambda: msgspec.convert(value, kind, strict=False))
    for number, attempt in enumerate(tries):
        try:
            found = attempt()
            return value if number == 0 else found
        except msgspec.ValidationError as error:
            why = str(error)
    raise JarvisError("refused", f"{braces.words('', value)} is nothing that {name} takes", why=why)


def _comparisons(when: When, value: Any) -> list[tuple[str, bool]]:
    """What is wanted, in words, and whether it holds. A fact that is not known holds only ``known: false``."""
    known = value is not UNKNOWN
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    found: list[tuple[str, bool]] = []
    if when.known is not None:
        found.append(("known" if when.known else "not known", known is when.known))
    if when.equals is not None:
        found.append((_wanted(when, when.equals, value), known and _same(value, when.equals)))
    if when.one_of is not None:
        some = " or ".join(_wanted(when, one, value) for one in when.one_of)
        found.append((some, known and any(_same(value, one) for one in when.one_of)))
    if when.none_of is not None:
        some = " nor ".join(_wanted(when, one, value) for one in when.none_of)
        found.append((f"neither {some}", known and not any(_same(value, one) for one in when.none_of)))
    if when.at_least is not None:
        found.append((f"at least {braces.words(when.fact, when.at_least)}", number and value >= when.at_least))
    if when.at_most is not None:
        found.append((f"at most {braces.words(when.fact, when.at_most)}", number and value <= when.at_most))
    return found or [("compared with something", False)]


def _wanted(when: When, one: Any, value: Any) -> str:
    text = isinstance(one, str) and value is not UNKNOWN and not isinstance(value, str)
    return f'the text "{one}"' if text else braces.words(when.fact, one)


def _same(value: Any, wanted: Any) -> bool:
    """Equal and of one kind: ``true`` is not 1, and the text ``1`` is no number."""
    kinds = [bool if isinstance(one, bool) else str if isinstance(one, str) else float for one in (value, wanted)]
    return kinds[0] is kinds[1] and bool(value == wanted)


def _line(step: Step) -> str:
    given = "".join(f" {name}={_written(value)}" for name, value in step.args.items())
    notes = [f"when {' and '.join(_condition(one) for one in step.when)}"] if step.when else []
    notes += ["a person is asked"] if step.approval == "always" else []
    notes += ["may fail"] if step.optional else []
    return f"{_tool(step)}{given}" + (f"  ({'; '.join(notes)})" if notes else "")


def _condition(when: When) -> str:
    wanted = " and ".join(words for words, _ in _comparisons(when, UNKNOWN))
    return f"{when.fact} is {wanted}"


def _tool(step: Step) -> str:
    if isinstance(step.tool, Choice):
        return f"{' or '.join(dict.fromkeys(step.tool.tools.values()))} (by {step.tool.by})"
    return step.tool


def _written(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
