"""What ``df``, ``du``, ``find`` and ``apt-get clean`` answer on a simulated node, and what they free there.

``find`` knows the tests and actions of GNU find that are named here; any other is an error.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import Final

from jarvis_daemon.simulator.files import CACHE, TMP, VZ, Seen
from jarvis_daemon.simulator.nodes import Node
from jarvis_daemon.simulator.ssh_upkeep import Answer
from jarvis_daemon.simulator.world import World

FOLDER_BYTES: Final = 4096
"""What an empty folder takes."""
Test = Callable[[Seen, int], bool]
"""Given a file and its depth below the folder that is searched."""


def _folders(files: list[Seen]) -> set[str]:
    found = {seen.path for seen in files if seen.folder} | {"/"}
    for seen in files:
        parts = seen.path.split("/")[1:-1]
        found |= {"/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)}
    return found | {TMP, f"{VZ}/dump", CACHE}


def _inside(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(folder + "/")


def _missing(program: str, path: str) -> str:
    shown = f"'{path}'" if program != "df" else path
    return f"{program}: {shown}: No such file or directory\n"


def df(world: World, node: Node, words: list[str]) -> Answer:
    """In blocks of 1 KiB, or with ``--output=size,used,avail`` and ``--block-size=1``."""
    path = words[-1] if words[-1].startswith("/") else "/"
    shared = (spec.name for spec in world.inventory.storages if spec.shared)
    disk = world.disk(next((name for name in shared if _inside(path, f"/mnt/pve/{name}")), "local"), node.name)
    if disk is None or not any(_inside(folder, path) for folder in _folders(world.files_on(node.name))):
        return Answer(stderr=_missing("df", path), exit_code=1)
    used, total = disk.used(), disk.spec.size_bytes
    if "--output=size,used,avail" in words:
        head = "    1B-blocks         Used        Avail\n"
        return Answer(f"{head}{total:13d} {used:12d} {total - used:12d}\n")
    used, total = used // 1024, total // 1024
    return Answer(
        "Filesystem           1K-blocks      Used Available Use% Mounted on\n"
        f"/dev/mapper/pve-root {total:9d} {used:9d} {total - used:9d} {used * 100 // total:3d}% /\n"
    )


def du(world: World, node: Node, words: list[str]) -> Answer:
    """``--block-size=1``, with ``--summarize`` or ``--max-depth`` and ``--threshold``, of the paths at the end."""
    options = dict(word.partition("=")[::2] for word in words[1:] if word.startswith("--"))
    paths = [word.rstrip("/") or "/" for word in words[1:] if word.startswith("/")]
    files = world.files_on(node.name)
    folders, out, err = _folders(files), "", ""
    known = folders | {seen.path for seen in files}
    for path in paths:
        if path not in known:
            err += f"du: cannot access '{path}': No such file or directory\n"
            continue
        mounted = path.startswith("/mnt/pve/")
        mine = [s for s in files if _inside(s.path, path) and (mounted or not s.path.startswith("/mnt/pve/"))]
        depth = 0 if "--summarize" in options else int(options.get("--max-depth", "99"))
        shown = [f for f in _folders(mine) if _inside(f, path) and f != path and _depth(f, path) <= depth]
        for folder in [*sorted(shown, reverse=True), path]:
            size = sum(seen.size for seen in mine if _inside(seen.path, folder))
            size += FOLDER_BYTES if folder in folders else 0
            if size >= int(options.get("--threshold", "0")) or folder == path:
                out += f"{size}\t{folder}\n"
    return Answer(out, err, 1 if err else 0)


def _depth(path: str, folder: str) -> int:
    return len(path.removeprefix(folder.rstrip("/")).strip("/").split("/"))


def find(world: World, node: Node, words: list[str]) -> Answer:
    """Below one folder; prints, deletes, or hands what it finds to ``du`` or ``rm``."""
    folder, rest = words[1].rstrip("/") or "/", words[2:]
    files = world.files_on(node.name)
    if folder not in _folders(files):
        return Answer(stderr=f"find: '{folder}': No such file or directory\n", exit_code=1)
    try:
        tests, action = _parse(rest, world.now)
    except (ValueError, IndexError):
        return Answer(stderr=f"find: unknown predicate in '{' '.join(rest)}'\n", exit_code=1)
    mine = [s for s in files if _inside(s.path, folder) and s.path != folder]
    if not folder.startswith("/mnt/pve/"):
        mine = [s for s in mine if not s.path.startswith("/mnt/pve/")]
    found = [s for s in mine if all(test(s, _depth(s.path, folder)) for test in tests)]
    return _act(world, node, found, action)


def _parse(words: list[str], now: float) -> tuple[list[Test], list[str]]:
    """The tests, and the action with its words. Raises ValueError for what is not known."""
    tests: list[Test] = []
    while words:
        word, *words = words
        if word == "-xdev":
            continue
        if word == "(":
            end = words.index(")")
            names = words[1:end:3]
            if words[:end] != [w for name in names for w in ("-o", "-name", name)][1:]:
                raise ValueError(word)
            tests.append(_any_of(names))
            words = words[end + 1 :]
        elif word == "-delete":
            return tests, [word]
        elif word in {"-printf", "-exec"}:
            return tests, [word, *words]
        else:
            value, *words = words
            tests.append(_test(word, value, now))
    return tests, ["-print"]


def _any_of(names: list[str]) -> Test:
    return lambda seen, depth: any(_named(seen, name) for name in names)


def _named(seen: Seen, pattern: str) -> bool:
    return fnmatch.fnmatchcase(seen.path.rpartition("/")[2], pattern)


def _test(word: str, value: str, now: float) -> Test:
    if word == "-name":
        return lambda seen, depth: _named(seen, value)
    if word == "-type" and value in {"f", "d"}:
        return lambda seen, depth: seen.folder == (value == "d") and not (seen.bulk and value == "f")
    if word == "-mmin" and value.startswith("+"):
        return lambda seen, depth: now - seen.mtime > 60 * int(value)
    if word == "-size" and value.startswith("+") and value.endswith("k"):
        return lambda seen, depth: seen.size > 1024 * int(value[1:-1])
    if word in {"-mindepth", "-maxdepth"}:
        limit = int(value)
        return lambda seen, depth: depth >= limit if word == "-mindepth" else depth <= limit
    if word == "-uid" and value == "0":
        return lambda seen, depth: True
    raise ValueError(word)


def _act(world: World, node: Node, found: list[Seen], action: list[str]) -> Answer:
    if action == ["-delete"] or action[:2] == ["-exec", "rm"]:
        if action != ["-delete"] and action[-3:] != ["--", "{}", "+"]:
            return Answer(stderr="find: missing argument to `-exec'\n", exit_code=1)
        for seen in found:
            if seen.source is not None:
                seen.disk.remove(seen.source)
        return Answer()
    if action[:2] == ["-exec", "du"] and action[-2:] == ["{}", "+"]:
        return du(world, node, [*action[1:-2], *(s.path for s in found)]) if found else Answer()
    if action[0] == "-print":
        return Answer("".join(f"{seen.path}\n" for seen in found))
    if action[0] != "-printf" or len(action) != 2:
        return Answer(stderr="find: paths must precede expression\n", exit_code=1)
    lines = []
    for seen in found:
        values = {"%b": str(-(-seen.size // 512)), "%T@": f"{seen.mtime:.10f}", "%p": seen.path, "\\n": "\n"}
        line = action[1]
        for sign, text in values.items():
            line = line.replace(sign, text)
        lines.append(line)
    return Answer("".join(lines))


def clean_packages(world: World, node: Node) -> Answer:
    """``apt-get clean``: the cache is empty afterwards, unless something holds it back."""
    for seen in world.files_on(node.name):
        if seen.path.startswith(CACHE + "/") and seen.source is not None and not node.held_back:
            seen.disk.remove(seen.source)
    return Answer()


FILES: Final = {"df": df, "du": du, "find": find}
