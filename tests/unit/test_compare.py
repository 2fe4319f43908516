"""Compare: two revisions article by article, and nothing said of scores that were made in other ways."""

import numpy as np
import pytest

from resumen.runtime.errors import InputError
from resumen.schema.sections import EvaluateParams
from resumen.tools.compare import (
    Group,
    check_comparable,
    compared,
    in_direction,
    main,
    miniature_lines,
    miniatures_of,
    spread,
    table_lines,
)
from tests.helpers.comparisons import scored

PARAMS = EvaluateParams(bootstrap_samples=500, confidence=0.95, seed=7, stemming="none")


def found(one, other, system="a", is_fixed=True):
    """Return what is said of a system; a side is a run or a list of runs."""
    sides = [Group("side", side if isinstance(side, list) else [side]) for side in (one, other)]
    before, after = (side.values("rougeL")[system] for side in sides)
    (row,) = compared({system: (before, after)}, PARAMS, "rougeL", is_fixed)
    return row


def test_a_difference_is_paired_by_article_whatever_the_order():
    one, other = scored("HEAD"), scored("ours", shift=1.0, order=-1)
    row = found(one, other)
    assert row.row.mean == pytest.approx(1.975, abs=0.01)
    assert row.row.lower > 1.6
    assert row.row.upper < 2.3
    assert row.verdict == "better"
    assert row.runs is None
    back = found(other, one)
    assert back.row.mean == pytest.approx(-row.row.mean)
    assert back.verdict == "worse"


def test_what_is_printed_names_both_the_interval_and_what_can_be_shown():
    row = found(scored("HEAD"), scored("ours", shift=1.0))
    message = table_lines("HEAD → ours", [row], {}, ["lead-3"], PARAMS)
    assert message[0].startswith("system               HEAD → ours")
    assert "+1.9" in message[1]
    assert message[1].endswith(": better")
    assert "minimum detectable effect at 80 % power: " in message[2]
    assert message[3].startswith("one run a side: if it was trained")
    assert message[4] == "equal in both, article by article: lead-3"


def test_content_words_are_said_beside_it_and_whether_they_agree():
    row = found(scored("HEAD"), scored("ours", shift=1.0))
    unsure = row._replace(verdict="cannot tell at n = 40")
    for one, content, expected in (
        (row, row, "they agree"),
        (row, unsure, "only ROUGE-L tells a difference"),
        (unsure, row, "only content words tell a difference; ROUGE-L's verdict stands"),
        (row, row._replace(verdict="worse"), "they say the opposite"),
    ):
        *_, line, alone = table_lines("x", [one], {"a": content}, [], PARAMS)
        assert line.strip().startswith("by content words +1.9")
        assert line.endswith(f": {content.verdict}; {expected}")
        assert alone.startswith("one run a side")


def test_better_has_to_survive_the_runs_too():
    before = scored("HEAD")
    steady = [scored(f"steady-{index}", shift=1 + index / 10) for index in range(3)]
    erratic = [scored(f"erratic-{index}", shift=shift) for index, shift in enumerate((4.0, -0.5, 0.1))]
    assert found(before, steady).verdict == "better"
    row = found(before, erratic)
    assert row.row.lower > 0  # by the articles alone it would be better
    assert row.verdict == "cannot tell: the runs differ as much among themselves"
    assert "by the runs" in "".join(table_lines("x", [row], {}, [], PARAMS))


def test_the_runs_interval_is_worked_by_hand():
    # 10, 12, 14 against a fixed 9: mean 3, deviation 2, error 2 / √3, t of 2 degrees of freedom 4.303
    one = spread(np.array([9.0]), np.array([10.0, 12.0, 14.0]), 0.95, is_fixed=True)
    assert (one.lower, one.upper) == pytest.approx((3 - 4.303 * 2 / 3**0.5, 3 + 4.303 * 2 / 3**0.5), abs=1e-3)
    assert one.deviation == 2
    # that one run was trained too, and varies as much: error √(4/3 + 4)
    trained = spread(np.array([9.0]), np.array([10.0, 12.0, 14.0]), 0.95, is_fixed=False)
    assert trained.upper - 3 == pytest.approx(4.303 * (4 / 3 + 4) ** 0.5, abs=1e-2)
    both = spread(
        np.array([8.0, 10.0]), np.array([10.0, 12.0, 14.0]), 0.95, is_fixed=False
    )  # error √(2/2 + 4/3), t of 1: 12.706
    assert both.upper - 3 == pytest.approx(12.706 * (1 + 4 / 3) ** 0.5, abs=1e-2)


def test_runs_of_one_side_are_averaged_article_by_article():
    row = found(scored("HEAD"), [scored("up", shift=1.0), scored("down", shift=-1.0)])
    assert row.row.mean == pytest.approx(0)
    assert row.row.upper == pytest.approx(0)


def test_a_score_that_is_no_number_names_system_and_article():
    broken = scored("ours")
    broken.scores.loc[5, "rougeL"] = float("nan")
    with pytest.raises(InputError, match=r"ours: system a, id 'test-5': rougeL is nan, no number"):
        check_comparable([scored("HEAD"), broken], "rougeL")


def test_scores_made_in_other_ways_are_refused():
    with pytest.raises(InputError, match=r"were scored in different ways \(rows:40, rows:41\)"):
        check_comparable([scored("HEAD"), scored("ours", signature=("rows:41",))], "rougeL")


def test_miniatures_are_named_as_such_in_a_line_a_side():
    small, real = (
        Group(name, [scored(name)._replace(miniatures=frozenset(result))])
        for name, result in (("HEAD", ["a", "b"]), ("course", []))
    )
    message = "miniatures in HEAD, which know only our made-up news: b, a"
    assert miniature_lines([small, real], ["b", "a", "lead-3"]) == [message]
    assert miniature_lines([small, small._replace(name="ours")], ["a"]) == [
        "miniatures in HEAD and ours, which know only our made-up news: a"
    ]
    assert miniature_lines([real, real], ["a"]) == []


def test_the_command_names_the_miniatures_that_it_compares(runs, capsys, monkeypatch):
    small = frozenset({"a"})
    output = {name: scored(name, shift)._replace(miniatures=small) for name, shift in (("HEAD", 0), ("b", 1))}
    monkeypatch.setattr("resumen.tools.compare.read_scored", output.get)
    runs(main, "HEAD", "b")
    message = "miniatures in HEAD and b, which know only our made-up news: a"
    assert capsys.readouterr().out.splitlines()[-1] == message
    runs(main, "HEAD", "b", "--system", "lead-3")
    assert "miniature" not in capsys.readouterr().out


def test_which_are_miniatures_is_read_from_the_params_of_a_revision(project, set_params):
    path = project / "params.yaml"
    set_params({"systems.gpt": {"from": "others/gpt.jsonl"}})
    result = miniatures_of(path.read_bytes())
    assert {"t5-small", "finetuned"} < result
    assert "gpt" not in result
    set_params({"weights": "hub"})
    assert miniatures_of(path.read_bytes()) == frozenset()
    for other in (b"systems: {a: {from: models/finetuned/flan-small}}", b"model: t5", b"- 1", b"{", b""):
        assert miniatures_of(other) == frozenset()


def test_an_unknown_measure_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"--measure: HEAD has no 'rougel'; did you mean rougeL\?"):
        check_comparable([scored("HEAD"), scored("ours")], "rougel")


def test_a_revision_that_is_not_there_is_said(project, fails):
    assert fails(main, "no-such-branch").startswith("no-such-branch: cannot read data/scores.parquet (")


DIRECTIONS = [
    ("rougeL", "better"),
    ("chrf", "better"),
    ("lost_words", "worse"),
    ("repeated_trigrams", "worse"),
    ("invented_names", "worse"),
    ("density", "higher"),
    ("prediction_words", "higher"),
    ("of an older revision", "higher"),
]


@pytest.mark.parametrize(("measure", "message"), DIRECTIONS)
def test_more_of_a_measure_is_better_worse_or_only_higher(measure, message):
    assert in_direction("better", measure) == message
    assert in_direction("cannot tell at n = 2", measure) == "cannot tell at n = 2"


def test_ids_that_are_not_the_same_are_refused():
    twice, other = scored("ours"), scored("ours")
    twice.scores.loc[1, "id"] = "test-0"
    other.scores.loc[1, "id"] = "test-99"
    for broken in (twice, other):
        with pytest.raises(
            InputError, match="ours: system a: its ids are not those of HEAD, or one occurs twice"
        ):
            check_comparable([scored("HEAD"), broken], "rougeL")
