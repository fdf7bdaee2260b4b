"""What templates have in common is held once, and each is still found by its own words."""

from __future__ import annotations

from hassil.parse_expression import parse_sentence

from jarvis_daemon.assistant.understanding.pruning import Tree, Trees, pruned
from tests.unit.assistant.understanding.lab import Lab


def test_words_used_by_name_are_one_tree() -> None:
    rules = {"verb": parse_sentence("(start|boot) [up]")}
    trees = Trees()
    one, other = (trees.tree(parse_sentence(text).expression, rules) for text in ("<verb> it", "<verb> them"))
    assert _of(one, "boot") is _of(other, "boot")
    assert _of(one, "boot") is not None
    assert trees.one(frozenset({"a"})) is trees.one(frozenset({"a"}))
    assert pruned(one, frozenset({"boot", "it"})) is not None
    assert pruned(one, frozenset({"boot", "them"})) is None
    assert pruned(other, frozenset({"boot", "them"})) is not None


def test_words_of_one_name_in_two_files_stay_apart() -> None:
    trees = Trees()
    sentence = parse_sentence("<verb> it")
    first = trees.tree(sentence.expression, {"verb": parse_sentence("start")})
    second = trees.tree(sentence.expression, {"verb": parse_sentence("stop")})
    assert first.need == {"start", "it"}
    assert second.need == {"stop", "it"}


def test_all_files_share_what_they_say_alike(shared: Lab) -> None:
    matcher = shared.understanding._files.matcher
    templates = {id(one): one for one in (*matcher._loose, *(t for ts in matcher._by_word.values() for t in ts))}
    needs = [tree.need for template in templates.values() for tree in _all(template.tree)]
    assert len({id(need) for need in needs}) == len(set(needs))


def _all(tree: Tree) -> list[Tree]:
    return [tree, *(one for item in tree.items for one in _all(item))]


def _of(tree: Tree, word: str) -> Tree | None:
    return next((one for one in _all(tree) if one.need == {word} and not one.items), None)
