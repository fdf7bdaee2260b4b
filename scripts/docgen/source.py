"""Docstrings that Python itself does not keep: the string below a field of a class."""

from __future__ import annotations

import ast
import inspect
import itertools
from typing import Any


def field_docs(cls: type[Any]) -> dict[str, str]:
    """Field name to its docstring in one line, for the fields written in the body of ``cls`` itself."""
    tree = ast.parse(inspect.getsource(cls))
    assert isinstance(tree.body[0], ast.ClassDef)
    body = tree.body[0].body
    docs: dict[str, str] = {}
    for field, below in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            docs[field.target.id] = one_line(below.value.value)
    return docs


def field_types(cls: type[Any]) -> dict[str, str]:
    """Field name to its type as written in the body of ``cls`` itself."""
    tree = ast.parse(inspect.getsource(cls))
    assert isinstance(tree.body[0], ast.ClassDef)
    return {
        node.target.id: ast.unparse(node.annotation)
        for node in tree.body[0].body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def class_doc(cls: type[Any]) -> str:
    """The docstring written in ``cls`` itself, in one line; empty when it has none of its own."""
    return one_line(cls.__dict__.get("__doc__") or "")


def one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def cell(text: str) -> str:
    """Text that may stand in a cell of a Markdown table."""
    return text.replace("|", "\\|")
