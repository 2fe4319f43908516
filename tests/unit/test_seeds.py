"""Seeds: what is printed of several runs, and what is refused before any of them starts."""

import pytest

from stages.compare import Group
from stages.evaluate import EvaluateParams
from stages.seeds import TRAINED, against, check_alike, main, seeds_of, summary
from stages.shared.cli import InputError
from tests.helpers.comparisons import scored

PARAMS = EvaluateParams(bootstrap_samples=500, confidence=0.95, seed=7, stemming="none")


def seeded(*shifts):
    """Return the runs of some seeds, system `a` being the trained one."""
    made = [scored(f"seed-{13 + place}", shift=shift) for place, shift in enumerate(shifts)]
    for one in made:
        one.scores["system"] = one.scores["system"].replace({"a": "finetuned"})
    return Group("seed", made)


def test_each_seed_has_a_line_and_their_spread_stands_beside_the_articles_interval():
    head, first, second, last = summary(seeded(1.0, 3.0), PARAMS)
    assert head == "finetuned, ROUGE-L on 40 articles, by seed"
    assert first.split() == ["seed-13", "14.85"]
    assert second.split() == ["seed-14", "18.80"]
    assert last.startswith(
        "mean                 16.82; of a seed, deviation 2.79, range 3.95; 95 % interval by the "
    )


def test_only_pairs_with_the_trained_system_are_compared():
    assert list(against(seeded(1.0, 1.2), "flan-small")) == ["use (− lead-3)"]


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
    made = {"seed-13": {"finetune": {"epochs": 4}}, "seed-14": {"finetune": {"epochs": 8}}}
    monkeypatch.setattr("stages.seeds.params_of", made.get)
    check_alike(["seed-13"], {"finetune": {"epochs": 4}})
    with pytest.raises(InputError, match="experiment seed-14 was run with other params than seed-13 has"):
        check_alike(["seed-13", "seed-14"], None)
    with pytest.raises(
        InputError, match=r"than params\.yaml has; take another --name, or `dvc exp remove seed-14`"
    ):
        check_alike(["seed-14"], {"finetune": {"epochs": 4}})


@pytest.mark.parametrize("miniatures", [{TRAINED}, set()])
def test_a_trained_miniature_is_named_as_such(runs, capsys, monkeypatch, miniatures):
    made = {run.name: run._replace(miniatures=frozenset(miniatures)) for run in seeded(1.0, 1.2).runs}
    monkeypatch.setattr("stages.seeds.experiments", lambda: set(made))
    monkeypatch.setattr("stages.seeds.check_alike", lambda *given: None)
    monkeypatch.setattr("stages.seeds.read", made.get)
    runs(main, "--seeds", "13,14")
    said = "miniatures in seed, which know only our made-up news: finetuned\n"
    assert capsys.readouterr().out.endswith(said) == bool(miniatures)


def test_seeds_are_read():
    assert seeds_of("3,1,2") == [3, 1, 2]
