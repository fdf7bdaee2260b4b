"""What of a template can still match, given the words of a sentence: the rest need not be tried.

A template is mostly alternatives, of which a sentence has at most one; hassil would try each with a regular
expression of its own. Looking words up is a hundred times cheaper.
"""

from __future__ import annotations

from dataclasses import dataclass
from sys import intern
from typing import Final

from hassil.expression import Alternative, Expression, Group, Permutation, RuleReference, Sequence, TextChunk

from jarvis_daemon.assistant.understanding.sentences import Rules

SHORTENED: Final = frozenset({
    "what's", "who's", "where's", "how's", "when's", "which's", "that's", "it's", "let's", "there's", "he's",
    "she's", "here's", "why's",
})  # fmt: skip
"""Words in which "'s" is no owner's."""
_NOTHING: Final = TextChunk(text="")


@dataclass(frozen=True, slots=True)
class Tree:
    """A part of a template with its words looked up beforehand; words used by name are put in their place."""

    expression: Expression
    need: frozenset[str]
    """Without all of these it cannot match."""
    items: tuple[Tree, ...] = ()
    any_of: bool = False
    optional: bool = False


def words(text: str) -> list[str]:
    """The words of a piece of a template as a sentence's are: in lower case, without punctuation around them, an
    owner's "'s" for itself."""
    found: list[str] = []
    for word in text.casefold().split():
        bare = word.strip(".,!?;:…")
        if bare.endswith("'s") and bare not in SHORTENED and len(bare) > 2:
            found += [intern(bare[:-2]), "'s"]
        elif bare:
            found.append(intern(bare))
    return found


def clauses(of: Tree) -> set[frozenset[str]]:
    """Of each of these sets a sentence has one word at least."""
    if isinstance(of.expression, TextChunk):
        return {frozenset({word}) for word in of.need}
    if not of.any_of:
        return {clause for item in of.items for clause in clauses(item)}
    branches = [clauses(item) for item in of.items]
    if of.optional or not all(branches):
        return set()
    return {frozenset().union(*(min(branch, key=lambda c: (len(c), sorted(c))) for branch in branches))}


class Trees:
    """Makes trees of templates read at one time: what several of them say by the same words is held once."""

    def __init__(self) -> None:
        self._by_rule: dict[int, tuple[Expression, Tree]] = {}
        self._by_text: dict[tuple[str, str], Tree] = {}
        self._sets: dict[frozenset[str], frozenset[str]] = {}

    def tree(self, expression: Expression, rules: Rules) -> Tree:
        """Of a sentence's expression."""
        if isinstance(expression, RuleReference):
            meant = rules[expression.rule_name].expression
            known = self._by_rule.get(id(meant))  # the expression is kept beside it, so that its id stays its own
            if known is None:
                known = self._by_rule[id(meant)] = (meant, self.tree(meant, rules))
            return known[1]
        if isinstance(expression, TextChunk):
            key = (expression.text, expression.original_text)
            if key not in self._by_text:
                self._by_text[key] = Tree(expression, self.one(frozenset(words(expression.text))))
            return self._by_text[key]
        if isinstance(expression, Permutation) or not isinstance(expression, Group):
            return Tree(expression, self.one(frozenset()))
        items = tuple(self.tree(item, rules) for item in expression.items)
        if isinstance(expression, Alternative):
            needs = [item.need for item in items]
            need = frozenset.intersection(*needs) if needs and not expression.is_optional else frozenset[str]()
            return Tree(expression, self.one(need), items, any_of=True, optional=expression.is_optional)
        return Tree(expression, self.one(frozenset().union(*(item.need for item in items))), items)

    def one(self, of: frozenset[str]) -> frozenset[str]:
        """Of equal sets always the same."""
        return self._sets.setdefault(of, of)


def pruned(of: Tree, said: frozenset[str]) -> Expression | None:
    """The part that ``said`` may match, or None: whole words, in lower case."""
    if not of.need <= said:
        return None
    if not of.items:
        return of.expression
    if of.any_of:
        left = [found for item in of.items if (found := pruned(item, said)) is not None]
        if not left:
            return _NOTHING if of.optional else None
        return left[0] if len(left) == 1 else Alternative(items=left)
    parts: list[Expression] = []
    for item in of.items:
        part = pruned(item, said)
        if part is None:
            return None
        if part is not _NOTHING:
            parts.append(part)
    return Sequence(items=parts)
