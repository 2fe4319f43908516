"""ROUGE over Unicode words: golden rows, and equal to rouge_score given the same words."""

import json
import re
import unicodedata
from functools import partial
from itertools import islice
from random import Random

import evaluate
import pytest
import snowballstemmer
from rouge_score import rouge_scorer, tokenizers
from stop_words import get_stop_words

from resumen.news.stories import stories
from resumen.rouge.metric import SpanishRouge
from resumen.rouge.score import CONTENT_TYPES, ROUGE_TYPES, ascii_words
from resumen.rouge.score import rouge as rouge_of
from resumen.text.sentences import sentences
from resumen.text.stems import stems
from resumen.text.words import words
from tests.helpers.paths import ROOT, SHARED

NEEDS_SHARED = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs ../shared/data, which does not come with the code"
)

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
    ("¡¿…?!", "llueve", 0, 0, 0),  # only punctuation
    ("llueve", "llueve", 100, 0, 100),  # one word has no bigram
    ("Путин en 東京 2020", "Путин en 東京 2020", 100, 100, 100),  # mixed scripts
    ("en 東京", "en 大阪", 50, 0, 50),
    ("el nin\u0303o", "el niño", 100, 100, 100),  # NFD
    ("ca\u00admión rojo", "camión rojo", 100, 100, 100),  # a soft hyphen
    ("हिन्दी भाषा", "हिन्दी", 200 / 3, 0, 200 / 3),  # vowel signs part no word
    ("كِتَابٌ جديد", "كِتَابٌ جديد", 100, 100, 100),
    ("كِتَابٌ جديد", "كتاب جديد", 50, 0, 50),  # diacritics are letters of the word
    ("llueve 🌧\ufe0f hoy", "llueve hoy 👍🏽", 100, 100, 100),  # emoji are no words
]
# prediction, reference, language, ROUGE-1 and ROUGE-L over content stems
CONTENT_GOLDEN = [
    ("Los niños cantaban en el patio", "El niño canta", "es", 80, 80),  # niñ cant pati against niñ cant
    ("cantan los niños", "los niños cantan", "es", 100, 50),  # another order
    ("de la que", "de la que", "es", 0, 0),  # stop words alone
    ("", "El niño canta", "es", 0, 0),
    ("El niño canta", "de la", "es", 0, 0),
    ("el nin\u0303o", "los niños", "es", 100, 100),
    ("Las niñas\u00ad", "la niña", "es", 100, 100),
    ("🌧\ufe0f llueve", "llovía", "es", 0, 0),  # lluev and llov: Snowball joins no irregular forms
    ("Les enfants chantaient", "L'enfant chante", "fr", 100, 100),
    ("Die Kinder sangen", "das Kind singt", "de", 50, 50),  # kind; sang and singt
    ("लड़कों किताब", "लड़के किताबें", "hi", 100, 100),
    ("كِتَاب جديد", "كتاب جديد", "ar", 100, 100),  # Snowball takes the diacritics off
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


@pytest.mark.parametrize(("prediction", "reference", "language", "rouge1", "rouge_l"), CONTENT_GOLDEN)
def test_content_scores_are_those_worked_by_hand(rouge, prediction, reference, language, rouge1, rouge_l):
    scores = rouge.compute(predictions=[prediction], references=[reference], language=language)
    assert (scores["rouge1_content"], scores["rougeL_content"]) == (
        pytest.approx(rouge1),
        pytest.approx(rouge_l),
    )


def test_lsum_pairs_the_sentences_and_l_the_whole():
    prediction, reference = "Nieva en León. Llueve en Vigo.", "Llueve en Vigo. Nieva en León."
    scores = SpanishRouge(keep_in_memory=True).compute(predictions=[prediction], references=[reference])
    assert scores["rougeLsum"] == pytest.approx(100)
    assert scores["rougeL"] == pytest.approx(50)


class Words(tokenizers.Tokenizer):
    """A splitter of ours, in the shape that rouge_score wants."""

    def __init__(self, split):
        self.split = split

    def tokenize(self, text):
        return self.split(text)


def apart(pairs, split):
    """Return the largest difference of any score of `pairs` from rouge_score's, in points."""
    scorer, largest = rouge_scorer.RougeScorer(ROUGE_TYPES, tokenizer=Words(split)), 0.0
    for prediction, reference in pairs:
        lines = ("\n".join(sentences(text)) for text in (reference, prediction))
        theirs = scorer.score(*lines)
        for name, ours in zip(ROUGE_TYPES, rouge_of(prediction, reference, split), strict=True):
            largest = max(largest, abs(ours - 100 * theirs[name].fmeasure))
    return largest


SPANISH_STEMS = partial(stems, language="es")


@pytest.mark.parametrize("split", [words, ascii_words, SPANISH_STEMS])
def test_scores_equal_rouge_scores_with_the_same_words(split):
    draw, few = Random(1), "el niño y la niña cantan . No canta nadie ? ¿ Sí ! Año 3".split()
    pairs = [tuple(" ".join(draw.choices(few, k=draw.randrange(30))) for _ in "ab") for _ in range(500)]
    assert apart([*pairs, *(row[:2] for row in GOLDEN)], split) <= 1e-9


@NEEDS_SHARED
@pytest.mark.parametrize("split", [words, ascii_words])
def test_scores_equal_rouge_scores_on_real_pairs(split):
    lines = (SHARED / "articles-es/headlines-1543.jsonl").open(encoding="utf-8")
    articles = [sentences(json.loads(line)["text"]) for line in islice(lines, 200)]
    pairs = [(" ".join(article[:2]), " ".join(article[1:4])) for article in articles]
    assert len(pairs) == 200
    assert apart(pairs, split) <= 1e-9


class ContentWords(tokenizers.Tokenizer):
    """Words without stop words, stemmed: put together here of the libraries alone."""

    def __init__(self):
        self.stop = {word for line in get_stop_words("es") for word in re.findall(r"\w+", line.lower())}
        self.stemmer = snowballstemmer.stemmer("spanish")

    def tokenize(self, text):
        found = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower())
        return self.stemmer.stemWords([word for word in found if word not in self.stop])


def real_pairs():
    """Return 1,500 pairs of overlapping beginnings of real articles."""
    with (SHARED / "articles-es/headlines-1543.jsonl").open(encoding="utf-8") as lines:
        articles = [sentences(json.loads(line)["text"]) for line in islice(lines, 1_500)]
    return [(" ".join(article[:2]), " ".join(article[1:4])) for article in articles]


def made_up_pairs():
    texts = [(sentences(story.text), story.summary) for story in stories(300, 50)]
    return [(" ".join(article[:2]), summary) for article, summary in texts]


@pytest.mark.parametrize(
    ("pairs", "count"),
    [
        (made_up_pairs, 300),
        pytest.param(real_pairs, 1_500, marks=NEEDS_SHARED),
    ],
)
def test_content_scores_equal_those_of_rouge_score_with_such_a_tokenizer(rouge, pairs, count):
    predictions, references = map(list, zip(*pairs(), strict=True))
    assert len(predictions) == count
    ours = rouge.compute(
        predictions=predictions, references=references, rouge_types=CONTENT_TYPES, use_aggregator=False
    )
    scorer = rouge_scorer.RougeScorer(["rouge1", "rougeL"], tokenizer=ContentWords())
    for place, pair in enumerate(zip(references, predictions, strict=True)):
        theirs = scorer.score(*pair)
        for name in CONTENT_TYPES:
            expected = 100 * theirs[name.removesuffix("_content")].fmeasure
            assert ours[name][place] == pytest.approx(expected, abs=1e-9), pair


def test_several_references_score_as_score_multi_does(rouge):
    draw, few = Random(2), "el niño y la niña cantan . No canta nadie ? ¿ Sí ! Año 3".split()

    def text():
        return " ".join(draw.choices(few, k=draw.randrange(30)))

    rows = [(text(), [text() for _ in range(draw.randint(1, 4))]) for _ in range(200)]
    predictions, references = map(list, zip(*rows, strict=True))
    ours = rouge.compute(predictions=predictions, references=references, use_aggregator=False)
    scorer = rouge_scorer.RougeScorer(ROUGE_TYPES, tokenizer=Words(words))
    for index, (prediction, several) in enumerate(rows):
        apart = ["\n".join(sentences(one)) for one in [prediction, *several]]
        theirs = scorer.score_multi(apart[1:], apart[0])
        for name in ROUGE_TYPES:
            assert ours[name][index] == pytest.approx(100 * theirs[name].fmeasure, abs=1e-9)


WRITTEN = [
    ("not NFC", lambda text: unicodedata.normalize("NFD", text)),
    ("soft hyphens", lambda text: text.replace("a", "a\u00ad")),
    ("zero-width spaces", lambda text: text.replace("e", "e\u200b")),
    ("no-break spaces", lambda text: text.replace(" ", "\u00a0")),
]


@pytest.mark.parametrize("change", [change for _, change in WRITTEN], ids=[name for name, _ in WRITTEN])
def test_a_perfect_prediction_scores_100_however_either_is_written(rouge, change):
    text = "El niño de Málaga escribió un artículo. ¿Qué leyó la niña?"
    for pair in ((text, change(text)), (change(text), text)):
        scores = rouge.compute(predictions=pair[:1], references=pair[1:])
        assert {name: round(scores[name], 6) for name in ROUGE_TYPES} == dict.fromkeys(ROUGE_TYPES, 100.0)


def test_stems_join_the_forms_of_a_word():
    assert rouge_of("cantaban los niños", "canta el niño", words)[0] == 0
    assert rouge_of("cantaban los niños", "canta el niño", SPANISH_STEMS)[0] == pytest.approx(200 / 3)


def test_the_mean_is_over_articles(rouge):
    predictions, references = [row[0] for row in GOLDEN], [row[1] for row in GOLDEN]
    mean = rouge.compute(predictions=predictions, references=references)
    each = rouge.compute(predictions=predictions, references=references, use_aggregator=False)
    for name in ROUGE_TYPES:
        assert mean[name] == pytest.approx(sum(each[name]) / len(GOLDEN))


def test_the_best_of_several_references_counts_for_content_too(rouge):
    best = rouge.compute(predictions=["los niños"], references=[["la lluvia", "el niño"]])
    assert best["rouge1_content"] == best["rougeL_content"] == 100


def test_it_takes_what_rouge_score_s_metric_takes(rouge):
    texts = {"predictions": ["cantaban los niños"], "references": ["canta el niño"]}
    assert list(rouge.compute(**texts)) == [*ROUGE_TYPES, *CONTENT_TYPES]
    assert rouge.compute(**texts, rouge_types=["rougeL"]) == {"rougeL": 0}
    stemmed = rouge.compute(**texts, use_stemmer=True, rouge_types=["rouge1"], use_aggregator=False)
    assert stemmed == {"rouge1": [pytest.approx(200 / 3)]}
    assert list(rouge.compute(**texts, language="uk")) == [*ROUGE_TYPES]  # Snowball has no Ukrainian


WRONG = [
    ({"predictions": [], "references": []}, "predictions: expected at least one text, got none"),
    ({"references": [[]]}, "references: expected a text or several at 0, got []"),
    ({"references": [None]}, "references: expected a text or several at 0, got None"),
    ({"references": None}, "references: expected a list of texts, got None"),
    ({"references": ["b", "c"]}, "references: expected 1, one of each prediction, got 2"),
    ({"predictions": "hola", "references": "hola"}, "predictions: expected a list of texts, got 'hola'"),
    ({"predictions": [3]}, "predictions: expected a text at 0, got 3"),
    ({"language": "spanish"}, "language: expected an ISO 639-1 code, such as es, got 'spanish'"),
    (
        {"rouge_types": ["rouge3"]},
        "rouge_types: expected some of rouge1, rouge2, rougeL, rougeLsum, ",
    ),
    (
        {"rouge_types": ["rougeL_content"], "language": "zh"},
        "rouge_types: rougeL_content: language 'zh' has",
    ),
    ({"use_stemmer": True, "language": "zh"}, "use_stemmer: Snowball has no stemmer of language 'zh'"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_it_cannot_score_is_said(rouge, change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        rouge.compute(**{"predictions": ["a"], "references": ["b"], **change})


def test_fractions_are_points_of_100(rouge):
    texts = {"predictions": ["el año"], "references": ["el ano"]}
    fractions = SpanishRouge("fractions", keep_in_memory=True).compute(**texts)
    assert fractions == {name: value / 100 for name, value in rouge.compute(**texts).items()}
    with pytest.raises(ValueError, match="config_name: expected one of default, points, fractions, got 'x'"):
        SpanishRouge("x")


def test_evaluate_loads_it_by_path(rouge, monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_MODULES_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    loaded = evaluate.load("resumen/rouge/metric.py", keep_in_memory=True)
    texts = {"predictions": ["el año"], "references": ["el ano"]}
    assert loaded.compute(**texts) == rouge.compute(**texts)


def test_the_ascii_words_are_those_of_rouge_scores_own_splitter():
    own = tokenizers.DefaultTokenizer(use_stemmer=False)
    texts = [text for prediction, reference, *_ in GOLDEN for text in (prediction, reference)]
    texts += [story.text for story in stories(50, 8)]
    texts += ["½ kilo, 3.5 %; S.A. «O'Donnell» naïve İstanbul ﬁn K", "\u0301a\u200bb a_b \x07"]
    for text in texts:
        assert ascii_words(text) == own.tokenize(text), text
