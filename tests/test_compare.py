"""Compare: two revisions article by article, and nothing said of scores that were made in other ways."""

import pandas as pd
import pytest

from stages.compare import Scored, check_comparable, differences, lines, main
from stages.evaluate import EvaluateParams
from stages.shared.cli import InputError

PARAMS = EvaluateParams(bootstrap_samples=500, confidence=0.95, seed=7, stemming="none")
IDS = [f"test-{number}" for number in range(40)]


def scored(name, shift=0.0, signature=("rows:40",), order=1):
    """Return 40 articles of two systems; `a` differs between revisions by `shift` and some noise."""
    rows = [
        {"system": system, "id": row_id, "rougeL": 10.0 + place % 7 + moved * (1 + place % 3)}
        for system, moved in (("a", shift), ("lead-3", 0.0))
        for place, row_id in enumerate(IDS)
    ]
    return Scored(name, pd.DataFrame(rows[::order]), list(signature))


def test_a_difference_is_paired_by_article_whatever_the_order():
    one, other = scored("HEAD"), scored("ours", shift=1.0, order=-1)
    (row,) = differences(one, other, "rougeL", ["a"], PARAMS)
    assert row["row"].mean == pytest.approx(1.975, abs=0.01)
    assert row["row"].lower > 1.6
    assert row["row"].upper < 2.3
    assert row["verdict"] == "better"
    (back,) = differences(other, one, "rougeL", ["a"], PARAMS)
    assert back["row"].mean == pytest.approx(-row["row"].mean)
    assert back["verdict"] == "worse"


def test_what_is_printed_names_both_the_interval_and_what_can_be_shown():
    one, other = scored("HEAD"), scored("ours", shift=1.0)
    rows = differences(one, other, "rougeL", ["a"], PARAMS)
    said = lines(one, other, rows, ["lead-3"], PARAMS)
    assert said[0].startswith("system               HEAD → ours")
    assert "+1.9" in said[1]
    assert said[1].endswith(": better")
    assert "can show a difference of" in said[2]
    assert said[3] == "equal in both, article by article: lead-3"


def test_scores_made_in_other_ways_are_refused():
    with pytest.raises(InputError, match=r"were scored in different ways \(rows:40, rows:41\)"):
        check_comparable(scored("HEAD"), scored("ours", signature=("rows:41",)), "rougeL")


def test_an_unknown_measure_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"--measure: HEAD has no 'rougel'; did you mean rougeL\?"):
        check_comparable(scored("HEAD"), scored("ours"), "rougel")


def test_a_revision_that_is_not_there_is_said(project, fails):
    assert fails(main, "no-such-branch").startswith("no-such-branch: cannot read data/scores.parquet (")
