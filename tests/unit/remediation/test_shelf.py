"""The shelf: shipped and own runbooks, trust by hash, files that are not to be believed, changes noticed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.remediation import files, reading
from jarvis_daemon.remediation.shelf import Shelf
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Registry
from tests.unit.remediation.books import NOW, SOUND, registry

CRASHED = SOUND.replace("name: test-book", "name: guest-crashed")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path / "jarvis.db")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """Two shipped runbooks with their table."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    for name in ("guest-crashed", "service-down"):
        shutil.copy(files.SHIPPED / f"{name}.yaml", folder)
    seal(folder)
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "runbooks"
    folder.mkdir(mode=0o700)
    return folder


def seal(folder: Path) -> None:
    rows = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in sorted(folder.glob("*.yaml"))]
    (folder / files.SUMS).write_text("".join(rows))


def put(folder: Path, name: str, text: str = SOUND) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return path


async def shelf_of(own: Path | None, store: Store, shipped: Path, tools: Registry | None = None) -> Shelf:
    shelf = Shelf(own, store, tools or registry(), shipped)
    await shelf.load()
    return shelf


async def test_shipped_ones_are_trusted_by_the_table(store: Store, shipped: Path) -> None:
    shelf = await shelf_of(None, store, shipped)
    assert list(shelf.kept) == ["guest-crashed", "service-down"]
    assert all(kept.trusted and kept.shipped for kept in shelf.kept.values())
    assert shelf.problems == []
    assert [kept.runbook.name for kept in shelf.for_condition("guest-crashed")] == ["guest-crashed"]
    assert shelf.for_condition("nothing") == []
    info = shelf.info("guest-crashed")
    assert (info.shipped, info.trusted, info.note, info.problem) == (True, True, "", None)
    assert info.steps == ["start_vm or start_container (by guest.kind) guest={guest.vmid}"]
    assert info.sha256 == hashlib.sha256((shipped / "guest-crashed.yaml").read_bytes()).hexdigest()
    assert shelf.text("guest-crashed") == (shipped / "guest-crashed.yaml").read_text()


async def test_a_shipped_one_that_was_edited_is_not_trusted(store: Store, shipped: Path) -> None:
    path = shipped / "guest-crashed.yaml"
    path.write_text(path.read_text().replace("attempts: 3", "attempts: 2"))
    shelf = await shelf_of(None, store, shipped)
    assert not shelf.kept["guest-crashed"].trusted
    assert shelf.kept["service-down"].trusted
    assert shelf.info("guest-crashed").note == (
        "It is not as it was shipped. Not trusted: it recommends and acts never by itself. "
        "`jarvis runbook trust guest-crashed`."
    )


@pytest.mark.parametrize("table", [None, "", "not a table\n", "0" * 64 + "  guest-crashed.yaml\n", "\xff\n"])
async def test_without_a_sound_table_nothing_is_trusted(store: Store, shipped: Path, table: str | None) -> None:
    (shipped / files.SUMS).unlink()
    if table is not None:
        (shipped / files.SUMS).write_text(table, encoding="latin-1")
    shelf = await shelf_of(None, store, shipped)
    assert list(shelf.kept) == ["guest-crashed", "service-down"]
    assert not any(kept.trusted for kept in shelf.kept.values())


async def test_an_own_one_is_trusted_by_its_hash_until_it_is_edited(store: Store, shipped: Path, own: Path) -> None:
    path = put(own, "test-book.yaml")
    shelf = await shelf_of(own, store, shipped)
    kept = shelf.kept["test-book"]
    assert (kept.trusted, kept.shipped) == (False, False)
    assert "Not trusted" in shelf.info("test-book").note
    assert (await shelf.trust("test-book", kept.sha256, "uid 0", NOW)).trusted
    assert (await shelf_of(own, store, shipped)).kept["test-book"].trusted
    row = await store.read(lambda db: db.execute("select name, sha256, at, by from trusted_runbooks").fetchall())
    assert row == [("test-book", kept.sha256, NOW, "uid 0")]

    path.write_text(SOUND.replace("attempts: 3", "attempts: 2"))
    assert await shelf.refresh()
    assert not shelf.kept["test-book"].trusted
    assert shelf.info("test-book").note.startswith("It was edited since it was trusted.")
    path.write_text(SOUND)
    assert await shelf.refresh()
    assert shelf.kept["test-book"].trusted
    assert not (await shelf.distrust("test-book")).trusted
    assert not (await shelf_of(own, store, shipped)).kept["test-book"].trusted


async def test_what_was_not_looked_at_is_not_trusted(store: Store, shipped: Path, own: Path) -> None:
    """The file changes between showing and trusting."""
    path = put(own, "test-book.yaml")
    shelf = await shelf_of(own, store, shipped)
    seen = shelf.kept["test-book"].sha256
    path.write_text(SOUND.replace("attempts: 3", "attempts: 2"))
    with pytest.raises(JarvisError, match="not the file that you looked at") as caught:
        await shelf.trust("test-book", seen, "uid 0", NOW)
    assert caught.value.code == "refused"
    assert not shelf.kept["test-book"].trusted
    assert not (await shelf_of(own, store, shipped)).kept["test-book"].trusted


async def test_the_trust_of_a_shipped_one_is_taken_and_given_back(store: Store, shipped: Path) -> None:
    shelf = await shelf_of(None, store, shipped)
    assert not (await shelf.distrust("guest-crashed", "uid 0", NOW)).trusted
    assert shelf.info("guest-crashed").note.startswith("Its trust was taken away.")
    again = await shelf_of(None, store, shipped)
    assert not again.kept["guest-crashed"].trusted
    assert again.kept["service-down"].trusted
    kept = await again.trust("guest-crashed", again.kept["guest-crashed"].sha256, "uid 0", NOW)
    assert kept.trusted
    assert again.info("guest-crashed").note == ""


async def test_an_own_one_takes_the_place_of_a_shipped_one(store: Store, shipped: Path, own: Path) -> None:
    path = put(own, "mine.yaml", CRASHED)
    shelf = await shelf_of(own, store, shipped)
    kept = shelf.kept["guest-crashed"]
    assert (kept.shipped, kept.trusted, kept.path) == (False, False, str(path))
    assert shelf.info("guest-crashed").note.startswith("It takes the place of the shipped one. Not trusted")
    assert [one.runbook.about for one in shelf.for_condition("guest-crashed")] == ["Start what stopped."]
    await shelf.trust("guest-crashed", kept.sha256, "uid 0", NOW)
    assert shelf.info("guest-crashed").note == "It takes the place of the shipped one."
    path.unlink()
    assert await shelf.refresh()
    assert shelf.kept["guest-crashed"].shipped
    assert shelf.kept["guest-crashed"].trusted


async def test_a_broken_one_disables_no_other_and_never_the_shipped_one(
    store: Store, shipped: Path, own: Path
) -> None:
    put(own, "guest-crashed.yaml", CRASHED.replace("attempts: 3", "atempts: 3"))
    put(own, "broken.yaml", "a: [")
    put(own, "sound.yaml")
    shelf = await shelf_of(own, store, shipped)
    assert list(shelf.kept) == ["guest-crashed", "service-down", "test-book"]
    assert shelf.kept["guest-crashed"].shipped
    assert shelf.kept["guest-crashed"].trusted
    assert shelf.info("guest-crashed").note == "Another file of this name has a mistake, and is left aside."
    assert [(one.name, one.shipped) for one in shelf.problems] == [("broken", False), ("guest-crashed", False)]
    told = {(info.name, info.problem is None) for info in shelf.infos()}
    assert told == {
        ("broken", False), ("guest-crashed", True), ("guest-crashed", False), ("service-down", True),
        ("test-book", True),
    }  # fmt: skip
    problem = shelf.info("broken").problem
    assert problem is not None
    assert f"{own}/broken.yaml, line 1:" in problem
    assert "a quote or a bracket is not closed. Mend it; `jarvis runbook check" in problem
    assert shelf.text("broken") == "a: ["
    with pytest.raises(JarvisError, match=r"line 1") as caught:
        shelf.get("broken")
    assert caught.value.code == "config_invalid"


async def test_a_tool_that_is_not_there_is_a_problem_until_it_comes(store: Store, shipped: Path, own: Path) -> None:
    put(own, "a.yaml", SOUND.replace("tool: start_vm", "tool: start_lamp"))
    tools = Registry()
    tools.add(*registry().all())
    shelf = await shelf_of(own, store, shipped, tools)
    assert "there is no tool `start_lamp`" in (shelf.info("test-book").problem or "")
    spec = registry().get("start_vm")
    tools.add(type(spec)(**{**vars(spec), "name": "start_lamp"}))
    assert await shelf.refresh()
    assert shelf.info("test-book").problem is None


async def test_two_files_of_one_name(store: Store, shipped: Path, own: Path) -> None:
    put(own, "a.yaml")
    put(own, "b.yml")
    shelf = await shelf_of(own, store, shipped)
    assert shelf.kept["test-book"].path == str(own / "a.yaml")
    (problem,) = shelf.problems
    assert problem.error.what == f"{own}/b.yml: the name test-book is taken by a.yaml"


async def test_the_nearest_name_is_named(store: Store, shipped: Path) -> None:
    shelf = await shelf_of(None, store, shipped)
    for ask in (shelf.get, shelf.info, shelf.text):
        with pytest.raises(JarvisError) as caught:
            ask("guest-crash")
        assert (caught.value.code, caught.value.why) == ("not_found", "did you mean guest-crashed?")
    for doing in (shelf.trust("nope", "", "", NOW), shelf.distrust("nope")):
        with pytest.raises(JarvisError, match="no runbook 'nope'"):
            await doing


# --- files that are not to be believed ------------------------------------------------------------------


async def problem_of(own: Path, store: Store, shipped: Path) -> JarvisError:
    shelf = await shelf_of(own, store, shipped)
    assert "test-book" not in shelf.kept
    assert "guest-crashed" in shelf.kept
    (problem,) = shelf.problems
    return problem.error


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
async def test_a_file_that_others_may_write_is_refused(store: Store, shipped: Path, own: Path, mode: int) -> None:
    path = put(own, "a.yaml")
    path.chmod(mode)
    error = await problem_of(own, store, shipped)
    assert error.what == f"{path} can be written by others"
    assert error.why == f"its mode is {mode:04o}"
    assert error.next == f"Run `chmod go-w {path}`."
    shelf = await shelf_of(own, store, shipped)
    path.chmod(0o644)
    assert await shelf.refresh()
    assert "test-book" in shelf.kept


async def test_a_folder_that_others_may_write_is_refused(store: Store, shipped: Path, own: Path) -> None:
    put(own, "a.yaml")
    own.chmod(0o770)
    error = await problem_of(own, store, shipped)
    assert error.what == f"{own} can be written by others"


async def test_a_link_out_of_the_folder_is_refused_and_one_within_is_not(
    store: Store, shipped: Path, own: Path, tmp_path: Path
) -> None:
    elsewhere = put(tmp_path, "elsewhere.yaml")
    (own / "a.yaml").symlink_to(elsewhere)
    error = await problem_of(own, store, shipped)
    assert error.what == f"{own}/a.yaml leads out of its folder"
    (own / "a.yaml").unlink()
    put(own, "b.txt")
    (own / "a.yaml").symlink_to(own / "b.txt")
    assert "test-book" in (await shelf_of(own, store, shipped)).kept


@pytest.mark.parametrize("kind", ["nowhere", "circle", "folder", "fifo", "unreadable"])
async def test_what_is_no_file_is_a_problem_and_never_waited_for(
    store: Store, shipped: Path, own: Path, kind: str
) -> None:
    path = own / "a.yaml"
    match kind:
        case "nowhere":
            path.symlink_to(own / "nothing")
        case "circle":
            path.symlink_to(path)
        case "folder":
            path.mkdir(mode=0o700)
        case "fifo":
            os.mkfifo(path, 0o600)
        case "unreadable":
            put(own, "a.yaml").chmod(0)
            if os.geteuid() == 0:  # root reads everything: it must at least not be a problem for the others
                assert "test-book" in (await shelf_of(own, store, shipped)).kept
                return
    error = await problem_of(own, store, shipped)
    assert error.code == "config_invalid"
    assert error.what.startswith(str(path))


async def test_a_file_of_another_user_is_refused(
    store: Store, shipped: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(own, "a.yaml")
    if os.getuid() == 0:
        os.chown(path, 4242, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 4242)
    error = await problem_of(own, store, shipped)
    assert "belongs to another user" in error.what


async def test_a_mistake_of_ours_takes_no_other_runbook_with_it(
    store: Store, shipped: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(own, "a.yaml")
    look = reading.look

    def stumbles(text: bytes, tools: Registry | None = None) -> object:
        if text == SOUND.encode():
            raise KeyError("nobody foresaw this")
        return look(text, tools)

    monkeypatch.setattr(reading, "look", stumbles)
    error = await problem_of(own, store, shipped)
    assert (error.code, error.why) == ("internal", "KeyError")


async def test_hidden_and_other_files_are_left_alone(store: Store, shipped: Path, own: Path) -> None:
    put(own, ".a.yaml.swp", "x")
    put(own, ".b.yaml", "a: [")
    put(own, "README.md", "a: [")
    put(own, "c.yaml~", "a: [")
    shelf = await shelf_of(own, store, shipped)
    assert (list(shelf.kept), shelf.problems) == (["guest-crashed", "service-down"], [])


async def test_too_many_files_are_told_once(store: Store, shipped: Path, own: Path) -> None:
    for number in range(files.MOST_FILES + 1):
        put(own, f"{number}.yaml")
    (problem,) = (await shelf_of(own, store, shipped)).problems
    assert problem.error.what == f"{own} holds {files.MOST_FILES + 1} files"


async def test_escapes_in_a_file_do_not_reach_a_terminal(store: Store, shipped: Path, own: Path) -> None:
    put(own, "a.yaml", "name: \u202eevil\nb: [\u200b\n")
    shelf = await shelf_of(own, store, shipped)
    assert "\u202e" not in shelf.text("a")
    assert "\u202e" not in (shelf.info("a").problem or "")


# --- changes --------------------------------------------------------------------------------------------


async def test_nothing_is_read_again_while_nothing_changes(store: Store, shipped: Path, own: Path) -> None:
    put(own, "a.yaml")
    shelf = await shelf_of(own, store, shipped)
    before = shelf.kept
    assert not await shelf.refresh()
    assert shelf.kept is before


async def test_a_folder_that_comes_later_is_found(store: Store, shipped: Path, own: Path) -> None:
    own.rmdir()
    shelf = await shelf_of(own, store, shipped)
    assert not await shelf.refresh()
    own.mkdir(mode=0o700)
    put(own, "a.yaml")
    assert await shelf.refresh()
    assert "test-book" in shelf.kept
    (own / "a.yaml").rename(own / "b.yaml")
    assert await shelf.refresh()
    assert shelf.kept["test-book"].path == str(own / "b.yaml")


async def test_an_edit_of_the_same_size_and_time_is_noticed(store: Store, shipped: Path, own: Path) -> None:
    path = put(own, "a.yaml")
    shelf = await shelf_of(own, store, shipped)
    before = path.stat()
    path.write_text(SOUND.replace("attempts: 3", "attempts: 1"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await shelf.refresh()
    assert shelf.kept["test-book"].runbook.attempts == 1


async def test_a_store_that_fails_is_told_and_changes_nothing(store: Store, shipped: Path, own: Path) -> None:
    put(own, "a.yaml")
    shelf = await shelf_of(own, store, shipped)
    sha256 = shelf.kept["test-book"].sha256
    await store.write(lambda db: db.execute("drop table trusted_runbooks"))
    with pytest.raises(JarvisError) as caught:
        await shelf.trust("test-book", sha256, "uid 0", NOW)
    assert caught.value.code == "store_failed"
    assert not shelf.kept["test-book"].trusted
