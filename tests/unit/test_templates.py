"""Templates: a set asks for summaries in many ways, each the right way round; a row keeps its own."""

import json
import re
from collections import Counter

import pytest

from resumen.prompts.templates import Pair, chosen_set, draw_pair, read_sets
from resumen.runtime.errors import InputError
from resumen.text.prompts import fill_template
from resumen.text.words import words
from tests.helpers.paths import ROOT

SHIPPED = ROOT / "prompts/templates.yaml"
GOOD = {"source": "own", "prompt": "Resume: {text}", "completion": "{summary}"}


def pair(number):
    return Pair(**{**GOOD, "prompt": f"{number}: {{text}}"})


def test_the_shipped_set_asks_in_two_languages_and_fills():
    pairs = read_sets(SHIPPED)["flan"]
    assert len(pairs) >= 8
    spanish = [
        pair for pair in pairs if set(words(pair.prompt)) & {"resume", "recoge", "di", "lee", "noticia"}
    ]
    english = [pair for pair in pairs if set(words(pair.prompt)) & {"spanish"}]
    assert len(spanish) >= 4
    assert len(english) >= 4
    assert not [pair for pair in spanish if pair in english]
    row = {"text": "Llueve {aquí}.", "summary": "Llueve.", "title": "Agua", "topic": "clima"}
    for pair in pairs:
        assert "Llueve {aquí}." in fill_template(pair.prompt, row)
        assert fill_template(pair.completion, row) == "Llueve."
        assert pair.source
        assert pair.prompt.endswith("{text}")  # a cut at the end leaves the request whole


def test_a_row_keeps_its_pair_whatever_rows_there_are():
    pairs = [pair(number) for number in range(10)]
    ids = [f"train-{number}" for number in range(1, 2001)]
    drawn = {row_id: draw_pair(pairs, 3, row_id).prompt for row_id in ids}
    assert {row_id: draw_pair(pairs, 3, row_id).prompt for row_id in ids[::-7]}.items() <= drawn.items()
    assert {row_id: draw_pair(pairs, 4, row_id).prompt for row_id in ids} != drawn


def test_the_pairs_are_drawn_equally_often():
    pairs = [pair(number) for number in range(10)]
    for seed in (0, 3):
        counts = Counter(draw_pair(pairs, seed, f"train-{number}").prompt for number in range(5000))
        assert len(counts) == 10
        assert all(400 < count < 600 for count in counts.values())  # 500 expected, deviation 21


def test_the_draw_is_the_same_on_every_machine():
    pairs = [pair(number) for number in range(10)]
    drawn = [pairs.index(draw_pair(pairs, 3, f"train-{number}")) for number in range(1, 11)]
    assert drawn == [2, 3, 1, 0, 0, 9, 5, 5, 4, 9]


FAULTS = [
    (None, "expected at least one set of pairs, got None"),
    ([GOOD], "expected at least one set of pairs, got [{"),
    ({}, "expected at least one set of pairs, got {}"),
    ({"own": []}, "own: expected at least one pair, each after a dash, got []"),
    ({"own": None}, "own: expected at least one pair, each after a dash, got None"),
    ({"own": GOOD}, "own: expected at least one pair, each after a dash, got {'source'"),
    ({"own": ["Resume: {text}"]}, "own: pair 1: expected keys and values, got 'Resume: {text}'"),
    (
        {"own": [GOOD, {**GOOD, "prompt": "Resume."}]},
        "own: pair 2.prompt: must hold {text} once, got 'Resume.'",
    ),
    (
        {"own": [{**GOOD, "prompt": "{text} {text}"}]},
        "own: pair 1.prompt: must hold {text} once, got '{text} {te",
    ),
    (
        {"own": [{**GOOD, "prompt": "{text} {autor}"}]},
        "own: pair 1.prompt: unknown field {autor}, expected {text} once; known are {text}, {title}",
    ),
    ({"own": [{**GOOD, "prompt": "{text"}]}, "own: pair 1.prompt: broken template (expected '}' before end"),
    ({"own": [{**GOOD, "completion": "Sí."}]}, "own: pair 1.completion: must hold {summary} once, got 'Sí.'"),
    (
        {"own": [{**GOOD, "completion": "{summary} {autor}"}]},
        "own: pair 1.completion: unknown field {autor}, expected {summary} once; known are",
    ),
    (
        {"own": [GOOD, {**GOOD, "prompt": "Amplía: {summary}", "completion": "{text}"}]},
        "own: pair 2.prompt: inverted: a prompt holds {text}, and {summary} is what the model writes, got",
    ),
    (
        {"own": [{**GOOD, "prompt": "{text} {summary}"}]},
        "own: pair 1.prompt: inverted: a prompt holds {text}, and {summary} is what the model writes, got",
    ),
    (
        {"own": [{**GOOD, "completion": "{text}"}]},
        "own: pair 1.completion: inverted: a completion holds {summary}, and {text} stands in the prompt",
    ),
    (
        {"own": [{**GOOD, "completion": "{summary} {text}"}]},
        "own: pair 1.completion: inverted: a completion holds {summary}, and {text} stands in the prompt",
    ),
    (
        {"own": [GOOD, {**GOOD, "prompt": "Otra: {text}"}, {**GOOD, "completion": "{title}: {summary}"}]},
        "own: pair 3.prompt: the same as that of pair 1, got 'Resume: {text}'; take one out",
    ),
    (
        {"own": [GOOD, {**GOOD, "prompt": "Resume:\n\n{text}\n"}]},  # T5 sees line ends as spaces
        "own: pair 2.prompt: the same as that of pair 1, got 'Resume:\\n\\n{text}\\n'; take one out",
    ),
    ({"own": [{**GOOD, "promt": "x"}]}, "own: pair 1.promt: unknown key; did you mean prompt?"),
    ({"own": [{"prompt": "{text}", "completion": "{summary}"}]}, "own: pair 1.source: missing; add it"),
    ({"own": [{**GOOD, "prompt": 3}]}, "own: pair 1.prompt: expected a valid string, got 3; put it in"),
    ({"own": [GOOD], "other": []}, "other: expected at least one pair"),
]


@pytest.mark.parametrize(("content", "message"), FAULTS)
def test_a_set_that_cannot_train_a_summarizer_is_refused(tmp_path, content, message):
    path = tmp_path / "templates.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_sets(path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_a_set_may_have_one_pair(tmp_path):
    path = tmp_path / "templates.yaml"
    path.write_text(json.dumps({"own": [GOOD]}), encoding="utf-8")
    assert chosen_set("own", path) == [Pair(**GOOD)]


@pytest.mark.parametrize(
    ("name", "known"), [("flam", "did you mean flan?"), ("x", "expected one of flan, own")]
)
def test_a_set_that_is_not_there_is_named_with_the_nearest(tmp_path, name, known):
    path = tmp_path / "templates.yaml"
    path.write_text(json.dumps({"flan": [GOOD], "own": [GOOD]}), encoding="utf-8")
    message = f"params.yaml: format.templates: no set {name!r} in {path}; {known}"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        chosen_set(name, path)


def test_a_file_that_is_no_yaml_is_named_with_its_line(tmp_path):
    path = tmp_path / "templates.yaml"
    path.write_text("own:\n  - prompt: 'a\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"^{re.escape(str(path))}:\d+: not YAML: "):
        read_sets(path)
