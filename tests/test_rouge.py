"""ROUGE over Unicode words: golden rows, and equal to rouge_score given the same words."""

from pathlib import Path

import evaluate
import pytest
from rouge_score import rouge_scorer

from stages.shared.rouge import ROUGE_TYPES, SpanishRouge, UnicodeWords

ROOT = Path(__file__).resolve().parent.parent

# prediction, reference, ROUGE-1, ROUGE-2, ROUGE-L (F1 in points)
GOLDEN = [
    ("llueve en Aragón", "llueve en Aragón", 100, 100, 100),
    ("LLUEVE EN ARAGÓN.", "¿Llueve en Aragón?", 100, 100, 100),
    ("", "llueve en Aragón", 0, 0, 0),
    ("llueve en Aragón", "", 0, 0, 0),
    ("", "", 0, 0, 0),
    ("artículo", "currículo", 0, 0, 0),  # rouge_score's own splitter gives 50: both hold "culo"
    ("camión avión", "razón unión", 0, 0, 0),  # its own: 50, by the ends of the words
    ("el año", "el ano", 50, 0, 50),  # ñ is a letter
    ("llueve mucho", "llueve", 200 / 3, 0, 200 / 3),  # precision 1/2, recall 1
    ("mucho llueve hoy", "hoy llueve mucho", 100, 0, 100 / 3),  # same words, another order
    ("el gato negro duerme", "el gato duerme", 600 / 7, 40, 600 / 7),
    ("el el el", "el", 50, 0, 50),  # a word counts as often as the reference has it
]


@pytest.fixture(scope="module")
def rouge():
    return SpanishRouge(keep_in_memory=True)


@pytest.mark.parametrize(("prediction", "reference", "rouge1", "rouge2", "rouge_l"), GOLDEN)
def test_scores_are_those_worked_by_hand(rouge, prediction, reference, rouge1, rouge2, rouge_l):
    scores = rouge.compute(predictions=[prediction], references=[reference])
    assert scores["rouge1"] == pytest.approx(rouge1)
    assert scores["rouge2"] == pytest.approx(rouge2)
    assert scores["rougeL"] == pytest.approx(rouge_l)


def test_lsum_pairs_the_sentences_and_l_the_whole():
    prediction, reference = "Nieva en León. Llueve en Vigo.", "Llueve en Vigo. Nieva en León."
    scores = SpanishRouge(keep_in_memory=True).compute(predictions=[prediction], references=[reference])
    assert scores["rougeLsum"] == pytest.approx(100)
    assert scores["rougeL"] == pytest.approx(50)


def test_scores_equal_rouge_score_with_the_same_words(rouge):
    predictions, references = [row[0] for row in GOLDEN], [row[1] for row in GOLDEN]
    ours = rouge.compute(predictions=predictions, references=references, use_aggregator=False)
    scorer = rouge_scorer.RougeScorer(ROUGE_TYPES, tokenizer=UnicodeWords())
    for place, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        for name, score in scorer.score(reference, prediction).items():
            assert ours[name][place] == pytest.approx(100 * score.fmeasure), name


def test_the_mean_is_over_articles(rouge):
    predictions, references = [row[0] for row in GOLDEN], [row[1] for row in GOLDEN]
    mean = rouge.compute(predictions=predictions, references=references)
    each = rouge.compute(predictions=predictions, references=references, use_aggregator=False)
    for name in ROUGE_TYPES:
        assert mean[name] == pytest.approx(sum(each[name]) / len(GOLDEN))


def test_evaluate_loads_it_by_path(rouge, monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_MODULES_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    loaded = evaluate.load("stages/shared/rouge.py", keep_in_memory=True)
    texts = {"predictions": ["el año"], "references": ["el ano"]}
    assert loaded.compute(**texts) == rouge.compute(**texts)
