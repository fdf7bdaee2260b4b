"""What holds for any sentence: nothing raises, and one word of denial or condition makes an order none."""

from __future__ import annotations

import random
import re
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jarvis_daemon.assistant.understanding.matching import chunks
from jarvis_daemon.assistant.understanding.screens import CONDITIONAL, NEGATED
from tests.unit.assistant.understanding.lab import Lab
from tests.unit.assistant.understanding.test_meant import MEANT

KEPT: Final = ("remember",)
"""Orders that only keep what is said: it may deny."""
ORDERS: Final = sorted(s for s in MEANT["orders"] if not s.startswith(KEPT))
WRITING: Final = sorted(
    s for s in ORDERS if not MEANT["orders"][s][0].startswith(("get_", "list_", "plan_", "test_"))
)
SWORN: Final = sorted(NEGATED | CONDITIONAL)
RULES: Final = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@RULES
@given(order=st.sampled_from(ORDERS), word=st.sampled_from(SWORN), at=st.integers(0, 20), loud=st.booleans())
def test_a_word_of_denial_or_condition_anywhere_makes_it_no_order(
    shared: Lab, order: str, word: str, at: int, loud: bool
) -> None:
    words = order.split()
    words.insert(min(at, len(words)), word.upper() if loud else word)
    understood = shared.understanding.parse(" ".join(words))
    assert not writes(shared, understood.tool), understood


@pytest.mark.slow
def test_each_word_of_denial_and_condition_in_each_order(shared: Lab) -> None:
    """As the one above, of all of them: at one place each."""
    chosen, acted = random.Random(7), []
    for order in ORDERS:
        words = order.split()
        for word in SWORN:
            at = chosen.randrange(len(words) + 1)
            said = " ".join([*words[:at], word, *words[at:]])
            if writes(shared, shared.understanding.parse(said).tool):
                acted.append(said)
    assert acted == []


def test_no_template_of_a_write_has_such_a_word_itself(shared: Lab) -> None:
    """But "don't forget that …"."""
    found = {}
    for name, intent in shared.understanding.intents.items():
        if any(writes(shared, tool) for tool in intent.tools.values()) and name not in KEPT:
            pieces = [piece for say in intent.says for piece in chunks(say.sentence.expression, intent.rules)]
            said = {word for piece in pieces for word in re.findall(r"[a-z']+", piece)}
            if bad := said & (NEGATED | CONDITIONAL):
                found[name] = bad
    assert found == {}


@RULES
@given(
    order=st.sampled_from(ORDERS),
    other=st.sampled_from(WRITING),
    between=st.sampled_from([" and ", ", ", "; ", " then ", "\n", " ", ". ", " or "]),
)
def test_two_orders_are_none(shared: Lab, order: str, other: str, between: str) -> None:
    joined = f"{order}{between}{other}"
    understood = shared.understanding.parse(joined)
    assert not writes(shared, understood.tool), (joined, understood)


@RULES
@given(text=st.text(max_size=200))
def test_no_text_raises_or_acts(shared: Lab, text: str) -> None:
    assert not shared.understanding.parse(text).tool


NOISE: Final = (
    "not", "if", "and", "“", '"', "\u202e", "[", ")", "never", "when", "the", "please", "vm", "103", "plex", "'s",
    "to", "a", "because", "for", "two", "hours", "{guest}", "<a_guest>", "…", "now", "all", "said",
)  # fmt: skip
DENYING: Final = {"not", "if", "“", '"', "\u202e", "never", "when", "said"}


@RULES
@given(
    order=st.sampled_from(ORDERS),
    noise=st.lists(st.tuples(st.sampled_from(NOISE), st.integers(0, 12)), min_size=1, max_size=3),
)
def test_noise_makes_no_order_that_denies_depends_or_quotes(
    shared: Lab, order: str, noise: list[tuple[str, int]]
) -> None:
    words = order.split()
    for word, at in noise:
        words.insert(min(at, len(words)), word)
    understood = shared.understanding.parse(" ".join(words))
    assert not writes(shared, understood.tool) or DENYING.isdisjoint(word for word, _ in noise), understood


def writes(lab: Lab, tool: str) -> bool:
    return bool(tool) and lab.tools.registry.get(tool).writes
