"""Seeds: what is printed of several runs, and what is refused before any of them starts."""

import pytest

from resumen.runtime.errors import InputError
from resumen.schema.params import read_params
from resumen.schema.sections import EvaluateParams
from resumen.tools.compare import Group
from resumen.tools.seeds import TRAINED_SYSTEM, check_same_params, main, seed_pairs, seed_summary, seeds_of
from tests.helpers.comparisons import scored

PARAMS = EvaluateParams(bootstrap_samples=500, confidence=0.95, seed=7, stemming="none")


def seeded(*shifts):
    """Return the runs of some seeds, system `a` being the trained one."""
    output = [scored(f"seed-{13 + index}", shift=shift) for index, shift in enumerate(shifts)]
    for one in output:
        one.scores["system"] = one.scores["system"].replace({"a": "finetuned"})
    return Group("seed", output)


def test_each_seed_has_a_line_and_their_spread_stands_beside_the_articles_interval():
    head, first, second, last = seed_summary(seeded(1.0, 3.0), PARAMS)
    assert head == "finetuned, ROUGE-L on 40 articles, by seed"
    assert first.split() == ["seed-13", "14.85"]
    assert second.split() == ["seed-14", "18.80"]
    assert last.startswith(
        "mean                 16.82; of a seed, deviation 2.79, range 3.95; 95 % interval by the "
    )


def test_only_pairs_whose_systems_are_both_there_are_compared(project):
    output = seed_pairs(seeded(1.0, 1.2), read_params())
    assert list(output) == ["use (finetuned − lead-3)"]
    before, after = output["use (finetuned − lead-3)"]
    assert (before.shape[1], after.shape[1]) == (1, 2)


def test_a_pair_that_the_seed_moves_both_sides_of_is_left_out_with_a_line(set_params, caplog):
    set_params(
        {
            "systems.beams": {"from": "models/finetuned", "num_beams": 4},
            "comparisons": {"beams": {"question": "beams", "system": "beams", "against": "finetuned"}},
        }
    )
    assert seed_pairs(seeded(1.0, 1.2), read_params()) == {}
    assert "comparisons.beams: left out: the seed moves both" in caplog.messages


def test_a_pair_against_what_the_seed_moves_is_left_out_with_a_line(set_params, caplog):
    set_params({"comparisons": {"back": {"question": "?", "system": "lead-3", "against": "finetuned"}}})
    assert seed_pairs(seeded(1.0, 1.2), read_params()) == {}
    assert "comparisons.back: left out: the seed moves the other side; turn it round" in caplog.messages


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
    output = {"seed-13": {"finetune": {"epochs": 4}}, "seed-14": {"finetune": {"epochs": 8}}}
    monkeypatch.setattr("resumen.tools.seeds.params_of", output.get)
    check_same_params(["seed-13"], {"finetune": {"epochs": 4}})
    with pytest.raises(InputError, match="experiment seed-14 was run with other params than seed-13 has"):
        check_same_params(["seed-13", "seed-14"], None)
    with pytest.raises(
        InputError, match=r"than params\.yaml has; take another --name, or `dvc exp remove seed-14`"
    ):
        check_same_params(["seed-14"], {"finetune": {"epochs": 4}})


@pytest.mark.parametrize("miniatures", [{TRAINED_SYSTEM}, set()])
def test_a_trained_miniature_is_named_as_such(runs, capsys, monkeypatch, miniatures):
    output = {run.name: run._replace(miniatures=frozenset(miniatures)) for run in seeded(1.0, 1.2).runs}
    monkeypatch.setattr("resumen.tools.seeds.experiments", lambda: set(output))
    monkeypatch.setattr("resumen.tools.seeds.check_same_params", lambda *given: None)
    monkeypatch.setattr("resumen.tools.seeds.read_scored", output.get)
    runs(main, "--seeds", "13,14")
    message = "miniatures in seed, which know only our made-up news: finetuned\n"
    assert capsys.readouterr().out.endswith(message) == bool(miniatures)


def test_seeds_are_read():
    assert seeds_of("3,1,2") == [3, 1, 2]
