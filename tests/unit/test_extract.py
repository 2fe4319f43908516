"""Extract: lead, oracle and random sentences, worked by hand."""

import math
from pathlib import Path

import pytest

from resumen.schema.jsonl import read_jsonl
from resumen.schema.systems import EXTRACTIVE
from stages.extract import bigrams, extract, lead, main, oracle, random_three, ranked, textrank

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


def test_textrank_is_worked_by_hand():
    # The second shares two words with the first and three with the third, which share one; the others none.
    tokens = [["a", "b", "x"], ["a", "b", "c", "d"], ["c", "d", "a"], ["e", "f"], ["g", "h", "i"]]
    assert ranked(tokens) == [0, 1, 2]
    assert ranked([["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]]) == [0, 1, 2]  # all alike: the first
    assert ranked([["z"], ["z"], [], ["z"], ["a", "b"], ["a", "c"], ["b", "a"]]) == [4, 5, 6]


def test_textrank_passes_over_stop_words_as_params_say():
    article = [
        "El perro de la de al lado y el gato de la de enfrente.",
        "La alcaldesa inaugura el puente nuevo.",
        "El puente nuevo costó un millón.",
        "Y el de la otra, y el de la que no está.",
        "El millón del puente es de la alcaldesa.",
    ]
    assert textrank("es")(article, []) == [1, 2, 4]
    assert textrank("none")(article, []) == [1, 3, 4]


def test_its_stop_words_are_those_of_the_language_of_the_articles(news, set_params, runs, caplog):
    made = {}
    for language, own in (("es", None), ("fr", None), ("fr", "es"), ("any", None), ("es", "none")):
        set_params({"data.language": language, "extract.stop_words": own})
        runs(main)
        made[language, own] = Path("data/predictions/textrank.jsonl").read_bytes()
    assert made["es", None] == made["fr", "es"] != made["fr", None]
    assert made["any", None] == made["es", "none"]
    (message,) = [one for one in caplog.messages if "stop words" in one]
    assert message == "textrank: no stop words are known of data.language, any: none are passed over"


def test_textrank_agrees_with_pagerank_written_out():
    tokens = [sentence.split() for sentence in ("a b c", "b c d e", "c x", "a e x y", "q r", "y z a")]
    weights = [
        [len({*one} & {*other}) / math.log(len(one) * len(other)) * (one is not other) for other in tokens]
        for one in tokens
    ]
    rank = [1 / 6] * 6
    for _ in range(200):
        dangling = sum(rank[index] for index in range(6) if not any(weights[index])) / 6
        rank = [
            0.15 / 6
            + 0.85 * (dangling + sum(rank[j] * weights[j][i] / (sum(weights[j]) or 1) for j in range(6)))
            for i in range(6)
        ]
    best = sorted(range(6), key=lambda index: -rank[index])[:3]
    assert ranked(tokens) == sorted(best)


def test_a_book_is_ranked_by_its_first_sentences():
    assert textrank("es")(["Una frase."] * 20_000, []) == [0, 1, 2]


@pytest.mark.parametrize("choose", [lead(1), lead(3), oracle, random_three(1), textrank("es")])
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
