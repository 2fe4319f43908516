"""Curve: what is queued, the points with their intervals, and where fine-tuning passes lead-3."""

from argparse import ArgumentTypeError
from pathlib import Path

import pandas as pd
import pytest

from resumen.page.curve import curve_page, made_with_of, passes_in_words
from resumen.runtime.cli import whole_numbers
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.schema.params import read_params
from resumen.schema.sections import EvaluateParams
from resumen.tools.compare import Group
from resumen.tools.curve import changes_of, crossing, main, result_of, table_of, values_of
from resumen.tools.queue import check_same_params, with_values
from stages.report import main as report
from tests.helpers.comparisons import scored
from tests.helpers.paths import ROOT


def run_with(name, **means):
    """Return a run in which systems have these means of ROUGE-L over what lead-3 has."""
    one = scored(name)
    base = one.scores[one.scores["system"] == "lead-3"]
    parts = [base, *(base.assign(system=name, rougeL=base["rougeL"] + mean) for name, mean in means.items())]
    return one._replace(scores=pd.concat(parts))


def groups(num_seeds=1):
    """Return the runs of three numbers of articles: Flan passes lead-3 between the first two, T5 never."""
    result = {}
    for rows, (flan, t5) in {50: (-2.0, -6.0), 150: (3.0, -4.0), 500: (8.0, -1.0)}.items():
        runs = [
            run_with(
                f"{rows}-{seed}",
                **{"finetuned": flan + seed, "t5-small-finetuned": t5 + seed / 10, "flan-small": -3.0},
            )
            for seed in range(num_seeds)
        ]
        result[rows] = Group(str(rows), runs)
    return result


EVALUATE = EvaluateParams(bootstrap_samples=2000, confidence=0.95, seed=7, stemming="none")


@pytest.fixture
def result():
    return result_of(read_params(ROOT / "params.yaml"), ["flan-small", "t5-small"], groups(), EVALUATE)


def test_a_point_has_its_mean_its_interval_and_what_it_has_over_lead_3(result):
    rows = [(row["finetuning"], row["rows"], row["difference"]) for row in result["points"]]
    assert rows == [
        ("flan-small", 0, -3.0),  # as published
        *(("flan-small", 50, -2.0), ("flan-small", 150, 3.0), ("flan-small", 500, 8.0)),
        *(("t5-small", 50, -6.0), ("t5-small", 150, -4.0), ("t5-small", 500, -1.0)),
    ]
    for row in result["points"]:
        assert row["lower"] < row["mean"] < row["upper"]
        assert row["mean"] == pytest.approx(result["baseline"]["mean"] + row["difference"], abs=0.011)
        assert row["verdict"] == ("better" if row["difference"] > 0 else "worse")


def test_between_which_points_lead_3_is_passed_is_said(result):
    assert result["passes"] == {"flan-small": (50, 150), "t5-small": None}
    lines = table_of(result)
    assert "flan-small passes lead-3 between 50 and 150 articles." in lines
    assert "t5-small does not pass lead-3 with so many articles." in lines
    assert lines[-1] == "miniatures, which know only our made-up news: flan-small, t5-small"


CROSSINGS = [
    ([(50, 1.0), (150, 2.0)], (0, 50)),
    ([(50, -1.0), (150, 0.0), (500, 2.0)], (150, 500)),
    ([(50, -1.0), (150, -0.5)], None),
    ([(50, -1.0), (150, 1.0), (500, -1.0)], (50, 150)),
]


@pytest.mark.parametrize(("points", "expected"), CROSSINGS)
def test_the_first_crossing_counts(points, expected):
    assert crossing([{"rows": rows, "difference": apart} for rows, apart in points]) == expected


def test_what_is_above_from_the_start_is_said_so():
    result = {"baseline": {"system": "lead-3"}, "passes": {"flan-small": (0, 50)}}
    assert passes_in_words("flan-small", result).en == "flan-small is above lead-3 with 50 articles already."


def test_several_seeds_have_a_deviation():
    result = result_of(read_params(ROOT / "params.yaml"), ["flan-small"], groups(num_seeds=3), EVALUATE)
    assert [row.get("seed_deviation") for row in result["points"]] == [None, 1.0, 1.0, 1.0]
    assert result["seeds"] == 3
    by_rows = {row["rows"]: row for row in result["points"]}
    assert by_rows[50]["difference"] == pytest.approx(-1.0)  # the mean of three seeds
    assert by_rows[50]["verdict"] == "cannot tell: the runs differ as much among themselves"


def test_all_articles_are_the_run_as_it_is():
    """DVC's run cache has it."""
    values = values_of(["a", "b"], 1500, 13, num_train=1500)
    assert values == {"finetunings.a.rows": None, "finetunings.b.rows": None, "finetune.seed": 13}
    assert changes_of(values)[:2] == ["-S", "++finetunings.a.rows=null"]


@pytest.mark.parametrize("text", ["", "50,50", "50,x", "-1"])
def test_numbers_that_are_none_are_refused(text):
    with pytest.raises(ArgumentTypeError, match="expected"):
        whole_numbers(text)


BAD = [
    (["--rows", "0,5"], "--rows: expected 1 to 8, the articles of data/raw/train.parquet, got 0"),
    (["--rows", "5,9"], "--rows: expected 1 to 8, the articles of data/raw/train.parquet, got 9"),
    (
        ["--rows", "5", "--finetunings", "flan-smal"],
        "params.yaml: finetunings.flan-smal: no such fine-tuning; did you mean flan-small?",
    ),
    (
        ["--rows", "5", "--finetunings", "finetuned"],
        "params.yaml: finetunings.finetuned: no such fine-tuning; it is a system, from "
        "models/finetuned/flan-small",
    ),
    (
        ["--rows", "5", "--finetunings", "mt5"],
        "params.yaml: finetunings.mt5: left out, and has no scores: weights is embedded, and no miniature",
    ),
    (["--rows", "5", "--jobs", "0"], "--jobs: expected experiments at a time, 1 or more, got 0"),
    (["--rows", "5", "--name", "a b"], "--name: expected letters, digits, - and _, got 'a b'"),
]


@pytest.mark.parametrize(("argv", "message"), BAD)
def test_bad_options_are_refused_before_anything_is_queued(small_run, set_params, fails, argv, message):
    set_params(
        {
            "checkpoints.mt5": {"repo": "google/mt5-small", "revision": "main"},
            "finetunings": {"flan-small": {"base": "flan-small"}, "mt5": {"base": "mt5"}},
        }
    )
    assert fails(main, *argv).startswith(message)


def test_runs_with_other_articles_or_another_seed_than_asked_for_are_refused(monkeypatch):
    own = {"finetune": {"seed": 13}, "finetunings": {"a": {"base": "a"}, "b": {"base": "b", "rows": None}}}
    ran = with_values(own, {"finetunings.a.rows": 50})
    monkeypatch.setattr("resumen.tools.queue.params_of", {"curve-50-13": ran}.get)
    check_same_params("curve-50-13", with_values(own, {"finetunings.a.rows": 50}), "asked for")
    both = with_values(own, {"finetunings.a.rows": 50, "finetunings.b.rows": 50})
    with pytest.raises(
        InputError, match="experiment curve-50-13 was run with other params than asked for has"
    ):
        check_same_params("curve-50-13", both, "asked for")


def test_a_fine_tuning_that_no_system_runs_has_no_curve(small_run, set_params, fails):
    set_params({"systems": {"flan-small": {"from": "models/pretrained/flan-small"}}})
    message = "params.yaml: systems: none is from models/finetuned/"
    assert fails(main, "--rows", "5") == f"{message}F, so there are no scores; add one"
    one = ("--rows", "5", "--finetunings", "flan-small")
    assert fails(main, *one) == f"{message}flan-small, so it has no scores; add one"


def test_the_report_shows_it_where_it_is_of_the_same_articles(small_run, result, runs, caplog):
    signature = read_json(Path("metrics/evaluation.json"))["signature"]
    names = ["flan-small"]
    made_with = made_with_of(read_params(), names)
    shown = {**result, "signature": signature, "made_with": made_with, "passes": {"flan-small": (50, 150)}}
    write_json(Path("metrics/curve.json"), shown)
    runs(report)
    page = Path("reports/report.html").read_text(encoding="utf-8")
    assert 'id="curve"' in page
    assert "flan-small passes lead-3 between 50 and 150 articles." in page
    others = {**made_with, "format": {}, "finetunings.flan-small": {"base": "t5-small"}}
    for change, message in (
        ({"signature": ["other"]}, "of other test articles or another way to score"),
        ({"made_with": others}, "made with another format, finetunings.flan-small"),
    ):
        write_json(Path("metrics/curve.json"), {**shown, **change})
        runs(report)
        assert 'id="curve"' not in Path("reports/report.html").read_text(encoding="utf-8")
        said = f"metrics/curve.json: {message}; left out; `resumen curve` makes it again"
        assert said in caplog.messages
    Path("metrics/curve.json").unlink()
    runs(report)
    assert 'id="curve"' not in Path("reports/report.html").read_text(encoding="utf-8")


def test_the_page_of_its_own_needs_no_network(result):
    page = curve_page(result)
    assert "flan-small passes lead-3 between 50 and 150 articles." in page
    assert "://" not in page
    assert page.count("<svg") == 4  # one a language and a width
