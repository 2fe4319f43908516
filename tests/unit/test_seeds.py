"""Seeds: what is printed of several runs, and what is refused before any of them starts."""

import pandas as pd
import pytest

from resumen.runtime.errors import InputError
from resumen.schema.params import read_params
from resumen.schema.sections import EvaluateParams
from resumen.tools.compare import Group, compared
from resumen.tools.queue import check_same_params, with_values
from resumen.tools.seeds import SEED, main, seed_pairs, seed_summary, seeds_of
from tests.helpers.comparisons import scored

PARAMS = EvaluateParams(bootstrap_samples=500, confidence=0.95, seed=7, stemming="none")


def seeded(*shifts):
    """Return the runs of some seeds, system `a` being the trained one."""
    output = [scored(f"seed-{13 + index}", shift=shift) for index, shift in enumerate(shifts)]
    for one in output:
        one.scores["system"] = one.scores["system"].replace({"a": "finetuned"})
    return Group("seed", output)


def test_each_seed_has_a_line_and_their_spread_stands_beside_the_articles_interval():
    head, first, second, last = seed_summary(seeded(1.0, 3.0), "finetuned", PARAMS)
    assert head == "finetuned, ROUGE-L on 40 articles, by seed"
    assert first.split() == ["seed-13", "14.85"]
    assert second.split() == ["seed-14", "18.80"]
    assert last.startswith(
        "mean                 16.82; of a seed, deviation 2.79, range 3.95; 95 % interval by the "
    )


def test_only_pairs_whose_systems_are_both_there_are_compared(project):
    output = seed_pairs(seeded(1.0, 1.2), read_params(), "rougeL")
    assert list(output) == ["use (finetuned − lead-3)"]
    before, after = output["use (finetuned − lead-3)"]
    assert (before.shape[1], after.shape[1]) == (1, 2)


def crossed(gains):
    """Return the runs of two seeds of a 2 × 2: ROUGE-L of the four systems is 10, 14, 40 and 40 + a gain."""
    runs = []
    for number, gain in enumerate(gains):
        means = {"t5-small": 10.0, "flan-small": 14.0, "t5-small-finetuned": 40.0, "finetuned": 40.0 + gain}
        one = scored(f"seed-{number}")
        base = one.scores[one.scores["system"] == "lead-3"]
        parts = [base.assign(system=name, rougeL=base["rougeL"] + mean) for name, mean in means.items()]
        parts.append(base)
        runs.append(one._replace(scores=pd.concat(parts)))
    return Group("seed", runs)


def test_an_interaction_is_compared_over_the_seeds(project):
    pairs = seed_pairs(crossed([20.0, 24.0]), read_params(), "rougeL")
    name = "interaction (instruction-tuning-finetuned − instruction-tuning)"
    before, after = pairs[name]
    assert before.to_numpy().tolist() == [[4.0]] * 40  # nothing in it was trained
    assert after.to_numpy().tolist() == [[20.0, 24.0]] * 40
    rows = {row.system: row for row in compared(pairs, PARAMS, "rougeL", is_fixed=True)}
    assert rows[name].row.mean == pytest.approx(18.0)
    assert (rows[name].runs.lower, rows[name].runs.upper) == pytest.approx((18 - 25.41, 18 + 25.41), abs=0.01)


def test_a_pair_whose_second_side_alone_is_trained_has_a_difference_a_seed(set_params):
    pairs = {
        "one": {"question": "?", "system": "lead-3", "against": "finetuned"},
        "other": {"question": "?", "system": "flan-small", "against": "t5-small"},
        "both": {"question": "?", "comparison": "one", "against": "other"},
    }
    set_params({"comparisons": pairs})
    before, after = seed_pairs(crossed([20.0, 24.0]), read_params(), "rougeL")["both (one − other)"]
    assert after.to_numpy().tolist() == [[-60.0, -64.0]] * 40
    assert before.to_numpy().tolist() == [[4.0]] * 40


def test_a_pair_that_the_seed_moves_both_sides_of_is_compared_over_the_seeds(project):
    before, after = seed_pairs(crossed([20.0, 24.0]), read_params(), "rougeL")[
        "instruction-tuning-finetuned (finetuned − t5-small-finetuned)"
    ]
    assert before.shape == after.shape == (40, 2)


def test_a_pair_against_what_the_seed_moves_is_compared(set_params):
    set_params({"comparisons": {"back": {"question": "?", "system": "lead-3", "against": "finetuned"}}})
    before, after = seed_pairs(seeded(1.0, 1.2), read_params(), "rougeL")["back (lead-3 − finetuned)"]
    assert (before.shape[1], after.shape[1]) == (2, 1)


@pytest.mark.parametrize("text", ["13", "13,13", "13,x", "", "-1,2"])
def test_seeds_that_are_none_are_refused(text, capsys):
    with pytest.raises(SystemExit):
        main_with("--seeds", text)
    assert "expected" in capsys.readouterr().err


def main_with(*arguments):
    import sys
    from unittest.mock import patch

    with patch.object(sys, "argv", ["seeds", *arguments]):
        main()


def test_another_recipe_needs_a_name_of_its_own(fails):
    assert fails(main, "-S", "finetune.epochs=1").startswith("-S: the runs need a name of their own")
    assert fails(main, "--name", "a b").startswith("--name: expected letters")


def test_runs_with_other_params_are_refused(monkeypatch):
    output = {
        f"seed-{seed}": {"finetune": {"epochs": epochs, "seed": seed}} for seed, epochs in ((13, 4), (14, 8))
    }
    monkeypatch.setattr("resumen.tools.queue.params_of", output.get)
    own = {"finetune": {"epochs": 4, "seed": 7}}
    check_same_params("seed-13", with_values(own, {SEED: 13}), "params.yaml")
    for expected in (with_values(own, {SEED: 14}), with_values(output["seed-14"], {SEED: 13})):
        with pytest.raises(
            InputError, match=r"than params\.yaml has; take another --name, or `dvc exp remove seed-14`"
        ):
            check_same_params("seed-14", expected, "params.yaml")


@pytest.mark.parametrize("miniatures", [{"finetuned"}, set()])
def test_a_trained_miniature_is_named_as_such(runs, capsys, monkeypatch, miniatures):
    output = {run.name: run._replace(miniatures=frozenset(miniatures)) for run in seeded(1.0, 1.2).runs}
    monkeypatch.setattr("resumen.tools.seeds.run_missing", lambda *given: None)
    monkeypatch.setattr("resumen.tools.seeds.check_same_params", lambda *given: None)
    monkeypatch.setattr("resumen.tools.seeds.read_scored", output.get)
    runs(main, "--seeds", "13,14")
    message = "miniatures in seed, which know only our made-up news: finetuned\n"
    assert capsys.readouterr().out.endswith(message) == bool(miniatures)


def test_seeds_are_read():
    assert seeds_of("3,1,2") == [3, 1, 2]
