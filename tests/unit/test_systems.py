"""Systems: an entry is a checkpoint, a template and a decoding, or a file of predictions."""

from pathlib import Path

import pytest

from resumen.page.table import is_miniature
from resumen.runtime.errors import InputError
from resumen.schema.systems import EXTRACTIVE, SystemParams, system_names, system_params


def params(**systems):
    return {"systems": systems}


def test_an_entry_says_only_what_differs_from_generate():
    all_params = params(a={"from": "models/pretrained/t5-base", "num_beams": 4, "length_penalty": 0.6})
    system = system_params(all_params, "a")
    assert system.path == Path("models/pretrained/t5-base")
    assert system.decoding() == {"num_beams": 4, "length_penalty": 0.6}
    assert system.template is None


@pytest.mark.parametrize(
    ("source", "foreign"),
    [("others/gpt.jsonl", True), ("models/finetuned/flan-small", False), ("own/model.v2", False)],
)
def test_a_json_lines_file_was_made_elsewhere(source, foreign):
    assert SystemParams.model_validate({"from": source}).is_foreign == foreign


def test_names_keep_their_order():
    entry = {"from": "models/finetuned/flan-small"}
    assert system_names(params(zeta=entry, alfa=entry, **{"T5_base-2": entry})) == [
        "zeta",
        "alfa",
        "T5_base-2",
    ]


@pytest.mark.parametrize("name", ["flan.xl", "flan xl", "", "ñandú", "a/b", "a\n", 3, True, *EXTRACTIVE])
def test_a_name_that_dvc_or_a_baseline_cannot_share_is_refused(name):
    with pytest.raises(InputError, match=r"params\.yaml: systems\."):
        system_names({"systems": {name: {"from": "models/finetuned/flan-small"}}})


@pytest.mark.parametrize("systems", [None, {}, [], "x"])
def test_there_is_at_least_one_system(systems):
    with pytest.raises(InputError, match=r"params\.yaml: systems: expected at least one system, got"):
        system_names({"systems": systems})


FAULTS = [
    ("b", {"from": "models/finetuned/flan-small"}, "systems.b: no such system; expected one of aa"),
    ("aaa", {"from": "models/finetuned/flan-small"}, "systems.aaa: no such system; did you mean aa?"),
    ("aa", {}, "systems.aa.from: missing; add it"),
    ("aa", None, "systems.aa: expected keys and values, got None"),
    ("aa", {"from": 3}, "systems.aa.from: expected a valid string, got 3; put it in quotes"),
    ("aa", {"from": "x", "temperature": 1}, "systems.aa.temperature: unknown key; did you mean template?"),
    ("aa", {"from": "x", "template": "Resume"}, "systems.aa.template: must hold {text} once, got 'Resume'"),
    ("aa", {"from": "x", "length_penalty": 0}, "systems.aa.length_penalty: expected greater than 0, got 0"),
    ("aa", {"from": "x.jsonl", "num_beams": 2}, "systems.aa: a file of predictions takes `from` alone"),
]


@pytest.mark.parametrize(("name", "entry", "message"), FAULTS)
def test_a_faulty_entry_is_named(name, entry, message):
    with pytest.raises(InputError) as error:
        system_params(params(aa=entry), name)
    assert str(error.value).startswith(f"params.yaml: {message}")


@pytest.mark.parametrize(
    ("source", "weights", "entry", "expected"),
    [
        ("models/pretrained/c", "embedded", {"repo": "a/b"}, True),
        ("models/finetuned/flan-small", "embedded", {"repo": "a/b"}, True),
        ("models/pretrained/c", "hub", {"repo": "a/b"}, False),
        ("models/finetuned/flan-small", "hub", {"repo": "a/b"}, False),
        ("models/finetuned/flan-small", "embedded", {"folder": "mine"}, False),
        ("mine", "embedded", {"repo": "a/b"}, False),
        ("others/gpt.jsonl", "embedded", {"repo": "a/b"}, False),
    ],
)
def test_a_miniature_stands_in_where_weights_are_embedded(source, weights, entry, expected):
    all_params = params(s={"from": source}) | {
        "profile": "mini",
        "profiles": {"mini": {"weights": weights}},
        "weights": None,
        "checkpoints": {"c": entry},
        "finetunings": {"flan-small": {"base": "c"}},
    }
    assert is_miniature(all_params, "s") == expected


@pytest.mark.parametrize("section", ["checkpoints", "weights"])
def test_a_missing_section_is_named(section):
    all_params = params(s={"from": "models/finetuned/flan-small"}) | {
        "profile": "mini",
        "profiles": {"mini": {"weights": "embedded"}},
        "weights": None,
        "checkpoints": {"c": {"repo": "a/b"}},
        "finetunings": {"flan-small": {"base": "c"}},
    }
    del all_params[section]
    with pytest.raises(InputError, match=rf"params\.yaml: {section}: missing; add the section"):
        is_miniature(all_params, "s")
