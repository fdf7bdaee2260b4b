"""Arguments of tools: typed and bounded by their schema, and an error names the argument."""

from __future__ import annotations

import itertools
import json

import pytest

from jarvis_cli import toolargs
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.tools.spec import _schema
from tests.unit.cli.workshop import LookArgs, ServiceArgs, WaitArgs

LOOK, WAIT, SERVICE = _schema(LookArgs), _schema(WaitArgs), _schema(ServiceArgs)


@pytest.mark.parametrize(
    ("words", "args"),
    [
        ([], {}),
        (["node=pve"], {"node": "pve"}),
        (["node=a=b"], {"node": "a=b"}),
        (["node="], {"node": ""}),
        (["kind=long", "share=0.25", "deep=yes"], {"kind": "long", "share": 0.25, "deep": True}),
        (["share=1", "deep=off"], {"share": 1.0, "deep": False}),
        (["limits=1", "limits=2"], {"limits": [1, 2]}),
        (["limits=[3, 4]"], {"limits": [3, 4]}),
    ],
)
def test_words_become_what_the_schema_wants(words: list[str], args: dict[str, object]) -> None:
    assert toolargs.read("look_around", LOOK, words) == args


def test_a_number_as_text_stays_text() -> None:
    assert toolargs.read("reboot_vm", WAIT, ["guest=104", "timeout_s=60"]) == {"guest": "104", "timeout_s": 60}


@pytest.mark.parametrize(
    ("schema", "words", "said"),
    [
        (WAIT, ["guest"], "'guest' is no argument: write it as name=value"),
        (WAIT, ["=x"], "'=x' is no argument"),
        (WAIT, ["gest=104"], "the_tool has no argument 'gest': did you mean guest?"),
        (WAIT, ["guest=1", "confirmed=true"], "the_tool has no argument 'confirmed': it takes guest, timeout_s"),
        (WAIT, [], "The argument guest of the_tool is missing"),
        (WAIT, ["guest=1", "guest=2"], "The argument guest is given 2 times"),
        (WAIT, ["guest="], "The argument guest of the_tool cannot be '': it has to be text of 1 to 80 characters"),
        (WAIT, ["guest=1", "timeout_s=4"], "cannot be '4': it has to be an integer from 5 to 3600"),
        (WAIT, ["guest=1", "timeout_s=1e3"], "cannot be '1e3': it has to be an integer from 5 to 3600"),
        (LOOK, ["share=2"], "cannot be '2.0': it has to be a number from 0 to 1"),
        (LOOK, ["deep=perhaps"], "it has to be true or false"),
        (LOOK, ["kind=tall"], "it has to be one of long, short"),
        (LOOK, ["limits=x"], "The argument limits of the_tool cannot be 'x': it has to be an integer"),
        (LOOK, ["limits=[1"], "The argument limits of the_tool is not JSON"),
        (LOOK, ['limits=["a"]'], "it has to be a list, each an integer"),
        (SERVICE, ["node=pve", "service=a;b"], "it has to be text like ^[a-z@._-]+$"),
    ],
)
def test_an_error_names_the_argument(schema: dict[str, object], words: list[str], said: str) -> None:
    with pytest.raises(JarvisError) as caught:
        toolargs.read("the_tool", schema, words)
    assert said in caught.value.sentence()
    assert caught.value.exit_code == 2


def test_a_document_and_words_on_top() -> None:
    document = json.dumps({"node": "pve", "deep": True})
    assert toolargs.read("t", LOOK, ["node=Home"], document) == {"node": "Home", "deep": True}
    for wrong, said in (("[1]", "one JSON object"), ("{", "not JSON"), ('{"x": 1}', "no argument 'x'"),
                        ('{"share": "a"}', "a number"), ('{"limits": [true]}', "an integer"),
                        ('{"deep": 1}', "true or false")):  # fmt: skip
        with pytest.raises(JarvisError) as caught:
            toolargs.read("t", LOOK, [], wrong)
        assert (caught.value.code, said in caught.value.sentence()) == ("invalid_params", True)


def test_null_is_given_as_json_or_as_a_word_where_it_may_be() -> None:
    assert toolargs.read("t", LOOK, [], '{"node": null}') == {"node": None}
    with pytest.raises(JarvisError):
        toolargs.read("t", WAIT, [], '{"guest": null}')


def test_what_passes_here_passes_the_gate() -> None:
    """The same words, decoded by the daemon's own structs."""
    import msgspec

    choices = {"kind": ("short", "long"), "share": ("0", "0.5", "1"), "deep": ("1", "no"), "limits": ("[]", "7")}
    for values in itertools.product(*choices.values()):
        words = [f"{name}={value}" for name, value in zip(choices, values, strict=True)]
        msgspec.convert(toolargs.read("t", LOOK, words), LookArgs, strict=True)
