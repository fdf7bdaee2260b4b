"""Who is asked for what: each rule, in its order."""

from __future__ import annotations

import pytest

from jarvis_daemon.assistant.llm.contract import Wish
from jarvis_daemon.assistant.llm.language import language
from jarvis_daemon.assistant.llm.router import Router
from jarvis_daemon.settings.assistant import RouterSettings
from tests.unit.assistant.llm.toys import Toy

ALL = [Toy("local"), Toy("embedded"), Toy("cloud")]


def order(wish: Wish, *, backends: list[Toy] | None = None, **given: object) -> list[str]:
    router = Router(RouterSettings.model_validate(given))
    return [backend.name for backend, _ in router.order(wish, ALL if backends is None else backends)]


def why(wish: Wish) -> str:
    return Router(RouterSettings()).first(wish)[1]


def test_routine_is_local_and_the_very_small_one_is_always_last() -> None:
    assert order(Wish("restart plex please")) == ["local", "cloud", "embedded"]
    assert order(Wish("x"), backends=[Toy("embedded")]) == ["embedded"]
    assert order(Wish("x"), backends=[]) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("why was nextcloud slow last night", "reason (why)"),
        ("compare pve and agent1", "reason (compare)"),
        ("Plan the move of gitea", "reason (plan)"),
        ("wie heiß ist der Knoten pve", "language (de)"),
        ("combien de mémoire sur le serveur", "language (fr)"),
        ("プレックスを再起動して", "language (ja)"),
        (" ".join(["word"] * 41), "long"),
    ],
)
def test_what_is_more_than_routine_goes_to_the_cloud_first(text: str, reason: str) -> None:
    assert order(Wish(text)) == ["cloud", "local", "embedded"]
    assert reason in why(Wish(text))


def test_several_steps_go_to_the_cloud_sooner_where_something_may_change() -> None:
    at = {writes: [order(Wish("do it", steps=n, writes=writes))[0] for n in range(4)] for writes in (False, True)}
    assert at[False] == ["local", "local", "cloud", "cloud"]
    assert at[True] == ["local", "cloud", "cloud", "cloud"]


def test_the_persons_choice_counts_more_than_any_rule_and_the_settings() -> None:
    assert order(Wish("why?", prefer="local")) == ["local", "embedded"], "nothing leaves the house"
    assert order(Wish("hello", prefer="cloud"), prefer="local") == ["cloud", "local", "embedded"]


def test_the_settings_count_more_than_the_rules() -> None:
    assert order(Wish("why?"), prefer="local") == ["local", "cloud", "embedded"]
    assert order(Wish("hello"), prefer="cloud") == ["cloud", "local", "embedded"]


def test_what_is_private_never_leaves_the_house() -> None:
    for prefer in ("auto", "cloud", "local"):
        assert "cloud" not in order(Wish("why?", private=True, prefer=prefer))  # type: ignore[arg-type]
    abroad = Toy("local", place="cloud")
    assert order(Wish("hello", private=True), backends=[abroad, Toy("embedded")]) == ["embedded"]


def test_without_cloud_fallback_the_cloud_is_asked_first_or_never() -> None:
    assert order(Wish("hello"), cloud_fallback=False) == ["local", "embedded"]
    assert order(Wish("why?"), cloud_fallback=False) == ["cloud", "local", "embedded"]
    assert order(Wish("hello", prefer="cloud"), cloud_fallback=False) == ["cloud", "local", "embedded"]


def test_a_language_that_the_local_model_is_good_at_stays_local() -> None:
    assert order(Wish("wie heiß ist der Knoten pve"), languages_local=["en", "de"])[0] == "local"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("how hot is pve", "en"), ("what's eating the disk", "en"), ("restart plex", None), ("", None),
        ("starte plex bitte neu", "de"), ("Warum ist der Server nicht erreichbar?", "de"),
        ("¿cuánto espacio queda en el disco?", "es"), ("quanto spazio è libero sul disco", "it"),
        ("hoeveel geheugen is er vrij op de server", "nl"), ("почему сервер медленный", "ru"),
        ("服务器为什么慢", "zh"), ("서버가 왜 느려", "ko"), ("restart 服务器", "zh"),
        ("how is the container Größenmaß", "en"),
    ],
)  # fmt: skip
def test_languages(text: str, code: str | None) -> None:
    assert language(text) in ({code} if text != "restart 服务器" else {"zh", None})
