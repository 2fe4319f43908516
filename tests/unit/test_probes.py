"""Probes: our own prompts of every kind, and questions about news whose answers are known."""

import json
import re
from collections import Counter

import pytest

from resumen.news.planted import news_splits
from resumen.news.questions import NEWS_KINDS, UNWRITABLE, news_kind, news_probes, question_pairs
from resumen.news.stories import Story, stories
from resumen.runtime.errors import InputError
from resumen.schema.answers import NEWS, is_exact, read_answers
from resumen.schema.params import read_params, section_of
from resumen.schema.probes import KINDS, Probe, read_probes
from resumen.text.words import words
from resumen.vocabulary.tokenizer import SPANISH_LETTERS
from tests.helpers.paths import ROOT

MAX_NEW_TOKENS, OWN = read_probes(ROOT / "prompts/probes.yaml")
MINI = section_of({**read_params(ROOT / "params.yaml"), "profile": "mini"}, "probe")
PROBES = news_probes(MINI["generated"], MINI["seed"])


def parts(probe):
    """Return the question and the article of a probe about news."""
    return re.fullmatch(r"Responde a la pregunta\. (.+\?) Texto: (.+)", probe.prompt).groups()


def test_there_are_at_least_two_of_our_own_prompts_of_every_kind():
    frequency = Counter(probe.kind for probe in OWN.values())
    assert len(OWN) >= 16
    assert set(frequency) == set(KINDS)
    assert min(frequency.values()) >= 2


def test_no_prompt_is_asked_twice():
    assert len({probe.prompt for probe in OWN.values()}) == len(OWN)


def test_what_has_one_right_answer_has_it_and_what_is_open_has_none():
    closed = {probe.kind for probe in OWN.values() if probe.answer is not None}
    assert closed == {"question-text", "sentiment-english", "sentiment-spanish"}
    assert all((probe.kind in closed) == (probe.answer is not None) for probe in OWN.values())


@pytest.mark.parametrize("kind", ["sentiment-english", "sentiment-spanish"])
def test_one_answer_to_all_is_right_to_no_more_than_half_of_the_sentiments(kind):
    answers = Counter(probe.answer for probe in OWN.values() if probe.kind == kind)
    assert max(answers.values()) * 2 <= answers.total()


@pytest.mark.parametrize("letter", "ñíú¿¡")
def test_the_texts_to_summarize_hold_the_letters_of_spanish(letter):
    assert any(letter in probe.prompt for probe in OWN.values() if probe.kind == "summarize-spanish")


def test_the_three_kinds_of_questions_about_news_have_equal_shares():
    assert Counter(probe.kind for probe in PROBES.values()) == dict.fromkeys(NEWS_KINDS, 80)
    assert all(kind.startswith(NEWS) for kind in NEWS_KINDS)
    assert not any(kind.startswith(NEWS) for kind in KINDS)


def test_ids_count_within_the_kind():
    assert list(news_probes(7, seed=1)) == [
        *("news-who-001", "news-number-001", "news-other-001"),
        *("news-who-002", "news-number-002", "news-other-002"),
        "news-who-003",
    ]
    assert all(name.startswith(probe.kind) for name, probe in PROBES.items())


def test_a_kind_is_what_the_question_asks_for():
    for probe in PROBES.values():
        question, _ = parts(probe)
        assert (probe.kind == "news-who") == ("quién" in question.lower())
        assert (probe.kind == "news-number") == any(letter.isdigit() for letter in probe.answer)


PAIRS = [
    ("¿Quién vive enfrente?", "Elena Castro", "news-who"),
    ("¿A quién multa el juez?", "Elena Castro", "news-who"),
    ("Según el acta, ¿de quiénes fue la idea?", "Elena Castro", "news-who"),
    ("¿Cuándo empezará todo?", "3 de abril", "news-number"),
    ("¿Dónde ocurrieron los hechos?", "Soria", "news-other"),
]


@pytest.mark.parametrize(("question", "answer", "kind"), PAIRS)
def test_a_question_has_one_kind(question, answer, kind):
    assert news_kind(question, answer) == kind


def test_the_question_stands_before_the_article_which_holds_the_answer():
    for probe in PROBES.values():
        _, text = parts(probe)
        assert re.search(rf"(?<!\w){re.escape(probe.answer)}(?!\w)", text)


def test_question_and_answer_belong_to_a_story_of_the_seed():
    by_text = {story.text: story for story in stories(2000, MINI["seed"])}
    for probe in PROBES.values():
        question, text = parts(probe)
        assert (question, probe.answer) in by_text[text].questions


def test_every_answer_is_one_that_t5s_vocabulary_can_write():
    assert set(UNWRITABLE.pattern.strip("[]")) == set(SPANISH_LETTERS)
    assert not any(UNWRITABLE.search(probe.answer) for probe in PROBES.values())
    # the filter is not idle: the same news have such answers, to questions of each kind
    asked = [pair for story in stories(100, MINI["seed"]) for pair in story.questions]
    assert {news_kind(*pair) for pair in asked if UNWRITABLE.search(pair[1])} >= {"news-who", "news-other"}


def test_an_answer_that_t5_cannot_write_is_not_asked_for():
    pairs = (("¿Quién llama?", "Íñigo Peña"), ("¿Quién calla?", "Elena Castro"), ("¿Dónde?", "Soria"))
    story = Story(*"text summary title topic url date".split(), questions=pairs)
    assert question_pairs(story, "news-who") == [("¿Quién calla?", "Elena Castro")]
    assert question_pairs(story, "news-number") == []


def test_an_article_is_asked_about_once():
    assert len({parts(probe)[1] for probe in PROBES.values()}) == len(PROBES) == 240


def test_the_questions_of_a_kind_on_a_story_are_asked_in_turn():
    by_text = {story.text: story for story in stories(2000, MINI["seed"])}
    num_open = 0
    for name, probe in PROBES.items():
        question, text = parts(probe)
        pairs = question_pairs(by_text[text], probe.kind)
        index = (int(name.rsplit("-", 1)[1]) - 1) % len(pairs)
        assert pairs[index] == (question, probe.answer)
        num_open += index > 0
    assert num_open > 40  # so that not only the first facts are asked for


def test_a_seed_decides_the_probes_and_fewer_are_the_first_of_more():
    assert list(news_probes(100, MINI["seed"]).items()) == list(PROBES.items())[:100]
    others = {probe.prompt for probe in news_probes(100, MINI["seed"] + 1).values()}
    assert not others & {probe.prompt for probe in PROBES.values()}
    assert news_probes(0, seed=1) == {}


def test_no_article_of_the_probes_is_in_the_splits_of_the_default_profile():
    params = read_params(ROOT / "params.yaml")
    data = section_of({**params, "profile": "mini"}, "data")
    sizes = {split: data[split] for split in ("train", "validation", "test")}
    # without the note on the printed edition, which some rows have behind their text
    texts = {
        row["text"].split(" * Este")[0] for rows in news_splits(sizes, data["seed"]).values() for row in rows
    }
    assert len(texts) >= 1900
    assert not texts & {parts(probe)[1] for probe in PROBES.values()}


def test_the_articles_of_the_probes_are_the_first_stories_of_their_seed():
    # tests/pipeline/test_claims.py holds that no miniature has seen those
    texts = {story.text for story in stories(1_000, MINI["seed"])}
    assert {parts(probe)[1] for probe in PROBES.values()} <= texts


EXACT = [
    ("Logroño", "Logroño", True),
    ("«LOGROÑO».", "Logroño", True),
    ("  3 de Abril. ", "3 de abril", True),
    ("en Logroño", "Logroño", False),  # nothing is dropped, no article and no preposition
    ("The ten", "ten", False),
    ("Logroo", "Logroño", False),
    ("Logrono", "Logroño", False),
    ("", "Logroño", False),
    ("abril de 3", "3 de abril", False),  # the order counts
    ("positive positive", "positive", False),
]


@pytest.mark.parametrize(("answer", "reference", "expected"), EXACT)
def test_an_exact_answer_has_the_same_words(answer, reference, expected):
    assert is_exact(answer, reference) is expected


def test_every_reference_has_a_word_so_that_silence_is_never_right():
    references = [probe.answer for probe in [*OWN.values(), *PROBES.values()] if probe.answer is not None]
    assert len(references) > 240
    assert all(words(reference) for reference in references)


GOOD = {"kind": "open-question", "prompt": "Why?"}
FAULTS = [
    ({"prompt": "Why?"}, "probes.a.kind: missing; add it"),
    ({"kind": "open-question"}, "probes.a.prompt: missing; add it"),
    ({**GOOD, "prompt": " \n"}, "probes.a.prompt: expected a text to answer, got ' \\n'"),
    ({**GOOD, "prompt": 3}, "probes.a.prompt: expected a valid string, got 3; put it in quotes"),
    (
        {**GOOD, "kind": "open-qestion"},
        "probes.a.kind: unknown value 'open-qestion'; did you mean open-question?",
    ),
    ({**GOOD, "kind": "news-who"}, "probes.a.kind: unknown value 'news-who'; "),  # those are generated
    ({**GOOD, "kind": 3}, "probes.a.kind: expected a valid string, got 3; put it in quotes"),
    ({**GOOD, "answer": 2019}, "probes.a.answer: expected a valid string, got 2019; put it in quotes"),
    ({**GOOD, "answer": ["x"]}, "probes.a.answer: expected a valid string, got ['x']"),
    ({**GOOD, "answer": ""}, "probes.a.answer: expected at least one word; leave the key out where "),
    ({**GOOD, "answer": "¿?"}, "probes.a.answer: expected at least one word; leave the key out where "),
    ({**GOOD, "anwser": "x"}, "probes.a.anwser: unknown key; did you mean answer?"),
    ("Why?", "probes.a: expected a valid dictionary, got 'Why?'"),
]


@pytest.mark.parametrize(("entry", "message"), FAULTS)
def test_a_faulty_probe_is_named_with_its_key(write, entry, message):
    path = write("p.yaml", json.dumps({"max_new_tokens": 5, "probes": {"a": entry}}))
    with pytest.raises(InputError) as error:
        read_probes(path)
    assert str(error.value).startswith(f"{path}: {message}")


FILE_FAULTS = [
    ("", "expected max_new_tokens and probes, got None"),
    ("max_new_tokens: 5\nprobes: {}\n", "probes: expected at least one, got {}"),
    ("max_new_tokens: 5\nprobes:\n", "probes: expected a valid dictionary, got None"),
    ("max_new_tokens: 5\n", "probes: missing; add it"),
    ("max_new_tokens: 0\nprobes: {a: {}}\n", "max_new_tokens: expected greater than 0, got 0"),
    (
        "max_new_tokens: 5\nprobes: {news-who-001: {kind: open-question, prompt: x}}\n",
        "probes.news-who-001: news-… is taken by the questions about news; choose another id",
    ),
]


@pytest.mark.parametrize(("content", "message"), FILE_FAULTS)
def test_a_faulty_file_of_probes_is_named(write, content, message):
    path = write("p.yaml", content)
    with pytest.raises(InputError) as error:
        read_probes(path)
    assert str(error.value) == f"{path}: {message}"


def test_a_probe_without_an_answer_is_open(write):
    path = write("p.yaml", json.dumps({"max_new_tokens": 5, "probes": {"a": GOOD}}))
    assert read_probes(path) == (5, {"a": Probe(**GOOD, answer=None)})


ROW = {"id": "a", "kind": "open-question", "prompt": "Why?", "answer": "", "reference": None}
ANSWER_FAULTS = [
    ([{**ROW, "answer": None}], ":1: answer: expected text, got None; run `python -m stages.probe s` again"),
    ([ROW, {**ROW, "id": "b", "reference": 3}], ":2: reference: expected text, got 3; run `python -m "),
    ([ROW, ROW], ":2: id 'a' occurs twice; probe s again"),
    ([{"id": "a", "prompt": "Why?", "answer": "x"}], ":1: lacks ['kind', 'reference'], has ['answer', "),
]


@pytest.mark.parametrize(("rows", "message"), ANSWER_FAULTS)
def test_faulty_answers_are_named_with_their_line(write, rows, message):
    write("data/answers/s.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError) as error:
        read_answers("s")
    assert str(error.value).startswith(f"data/answers/s.jsonl{message}")
