"""Extract: lead, oracle and random sentences, worked by hand."""

from pathlib import Path

import pytest

from resumen.schema.jsonl import read_jsonl
from resumen.schema.systems import EXTRACTIVE
from stages.extract import bigrams, extract, lead, main, oracle, random_three

ARTICLE = [
    "El alcalde habló ayer.",
    "La obra costará dos millones de euros.",
    "Los vecinos piden una biblioteca.",
    "El puente nuevo abrirá en mayo.",
    "Nadie resultó herido.",
]

# reference, places of the sentences
ORACLE = [
    ("El puente nuevo abrirá en mayo", [3]),
    ("El puente nuevo costará dos millones de euros", [1, 3]),
    (
        "Los vecinos piden, el puente nuevo y costará dos millones, alcalde habló",
        [1, 2, 3],
    ),  # three at most
    ("Algo completamente distinto", [0]),  # no bigram in common: the first sentence
    ("", [0]),
]


@pytest.mark.parametrize(("reference", "expected"), ORACLE)
def test_the_oracle_takes_the_sentences_that_cover_the_reference(reference, expected):
    assert oracle(ARTICLE, [reference]) == expected


def test_the_oracle_takes_no_sentence_that_adds_nothing():
    assert oracle([*ARTICLE, ARTICLE[3]], ["El puente nuevo abrirá en mayo"]) == [3]


def test_of_several_references_the_oracle_takes_the_one_that_the_article_has_most_of():
    one, other = "Nadie sabe nada", "El puente nuevo abrirá en mayo"
    assert oracle(ARTICLE, [one, other]) == oracle(ARTICLE, [other, one]) == [3]


def test_bigrams_are_counted():
    assert bigrams("ya no, ya no") == {("ya", "no"): 2, ("no", "ya"): 1}
    assert not bigrams("uno")


@pytest.mark.parametrize(("count", "expected"), [(1, [0]), (3, [0, 1, 2]), (9, [0, 1, 2, 3, 4])])
def test_lead_is_the_first_sentences(count, expected):
    assert lead(count)(ARTICLE, "") == expected


def test_random_sentences_are_three_different_ones_in_the_articles_order():
    choose = random_three(seed=5)
    drawn = [choose(ARTICLE, "") for _ in range(200)]
    assert all(indices == sorted(set(indices)) and len(indices) == 3 for indices in drawn)
    assert {index for indices in drawn for index in indices} == {0, 1, 2, 3, 4}


def test_one_seed_draws_the_same_sentences_and_another_others():
    drawn = []
    for seed in (5, 5, 6):
        choose = random_three(seed)
        drawn.append([choose(ARTICLE, "") for _ in range(20)])
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("choose", [lead(1), lead(3), oracle, random_three(1)])
@pytest.mark.parametrize("text", ["", "Una sola."])
def test_an_article_may_have_few_sentences_or_none(choose, text):
    (row,) = extract([{"id": "1", "text": text, "summary": "Otra cosa distinta."}], choose)
    assert row["prediction"] == text


def test_every_baseline_is_written_for_every_article(news, runs):
    runs(main)
    for name in EXTRACTIVE:
        rows = list(read_jsonl(Path(f"data/predictions/{name}.jsonl"), ("id", "prediction")))
        assert [row["id"] for row in rows] == [row["id"] for row in news["test"]]
        assert all(
            row["spelled_reference"] == raw["summary"] for row, raw in zip(rows, news["test"], strict=True)
        )


def test_predictions_are_sentences_of_the_article(news, runs):
    runs(main)
    texts = {row["id"]: row["text"].replace("\n", " ") for row in news["test"]}
    for row in read_jsonl(Path("data/predictions/lead-3.jsonl"), ("id", "prediction")):
        assert texts[row["id"]].startswith(row["prediction"])


def test_a_missing_test_split_is_named(project, fails):
    assert fails(main) == "data/raw/test.parquet: not found; `dvc repro` makes what is missing"
