"""Verdicts and the table of `make bench`."""

from __future__ import annotations

import json

import pytest

from benchmarks import __main__ as bench
from benchmarks.row import Row, number, percentile, table


@pytest.mark.parametrize(
    ("measured", "verdict"), [(0.9, "aim"), (1.0, "aim"), (1.5, "ok"), (2.0, "ok"), (2.01, "OVER"), (None, "-")]
)
def test_a_value_is_judged_by_budget_and_aim(measured: float | None, verdict: str) -> None:
    assert Row("CPU", measured, "%", budget=2, aim=1).verdict == verdict


def test_without_a_budget_there_is_no_verdict() -> None:
    assert Row("speed", 40.0, "ms").verdict == "-"


def test_the_table_shows_every_row_in_columns() -> None:
    text = table([Row("calls", 12.34, "a minute", 28, baseline="counted"), Row("x", None, "", note="no network")])
    head, first, second = text.splitlines()
    assert first.index("counted") == second.index("no network") == head.index("baseline")
    assert "12.3 a minute" in first


@pytest.mark.parametrize(("value", "text"), [(0.01234, "0.0123"), (1.25, "1.25"), (99.96, "100"), (5000, "5,000")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.95) == 95
    assert percentile(values, 0) == 1
    assert percentile([7.0], 0.95) == 7


def test_a_benchmark_that_fails_is_a_line_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "BENCHMARKS", {"missing": "a module that is not there", "row": "one without run()"})
    assert bench.main(["--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["measured"] is None for row in rows] == [False, True, True]
    assert "missing" in rows[1]["note"]


def test_a_budget_that_is_exceeded_is_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "measured", lambda name: [Row("size", 91, "MB", 90)])
    monkeypatch.setattr(bench, "BENCHMARKS", {"size": "of something"})
    assert bench.main([]) == 1


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bench.main(["nonsense"])
    assert ended.value.code == 2
    assert "install_size" in capsys.readouterr().err
