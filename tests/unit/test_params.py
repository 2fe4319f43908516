"""params.yaml: one merge rule, exact keys, and messages that name the key, the value and the next step."""

import subprocess
import sys
from importlib import import_module

import pytest

from resumen.runtime.errors import InputError
from resumen.schema.params import load_params, merge, parse_key, parse_section, read_params
from resumen.schema.sections import FinetuneParams, SourceParams, TokenizeParams
from tests.helpers.paths import ROOT

# section, the profile's section, what holds
MERGED = [
    ({"a": None}, {"a": 1}, {"a": 1}),  # null: as the profile says
    ({"a": 2}, {"a": 1}, {"a": 2}),  # a set one wins
    ({"a": 0}, {"a": 1}, {"a": 0}),
    ({"a": False}, {"a": True}, {"a": False}),
    ({"a": ""}, {"a": "x"}, {"a": ""}),
    ({"a": 2}, {}, {"a": 2}),
    ({"a": None}, {}, {"a": None}),
    ({"a": None}, None, {"a": None}),
    ({}, {"b": 1}, {"b": 1}),
    ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1}}),  # a mapping is one value
    (None, {"a": 1}, {"a": 1}),
    (None, "hub", "hub"),
    ("embedded", "hub", "embedded"),
]


@pytest.mark.parametrize(("section", "profile", "expected"), MERGED)
def test_null_takes_the_profiles_value_and_a_set_one_wins(section, profile, expected):
    assert merge(section, profile) == expected


def test_merging_leaves_both_sections_as_they_were():
    section, profile = {"a": None}, {"a": 1}
    merge(section, profile)
    assert (section, profile) == ({"a": None}, {"a": 1})


@pytest.mark.parametrize(
    ("written", "expected"), [("1e-05", 1e-5), ("3e-4", 3e-4), ("2e-3", 2e-3), ("1e-5", 1e-5), ("1", 1.0)]
)
def test_numbers_as_dvc_writes_them_are_numbers(project, written, expected):
    path = project / "params.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("learning_rate:  ", f"learning_rate: {written} ", 1), encoding="utf-8")
    assert load_params(FinetuneParams, "finetune").learning_rate == expected


def test_another_profile_gives_other_values(set_params):
    mini = load_params(FinetuneParams, "finetune")
    set_params({"profile": "mlsum"})
    assert load_params(FinetuneParams, "finetune").learning_rate == 5e-4 != mini.learning_rate


MINI = "profiles.mini"
FINETUNE_FAULTS = [
    ({"finetune.learning_rat": 1.0}, "finetune.learning_rat: unknown key; did you mean learning_rate?"),
    ({"finetune.zzz": 1}, "finetune.zzz: unknown key; expected one of batch_size, compile"),
    ({f"{MINI}.finetune.epoch": 1}, f"{MINI}.finetune.epoch: unknown key; did you mean epochs?"),
    ({"finetune.seed": ...}, f"finetune.seed: no value here nor in {MINI}.finetune; set one"),
    ({f"{MINI}.finetune.epochs": ...}, f"finetune.epochs: no value here nor in {MINI}.finetune; set one"),
    ({f"{MINI}.finetune.epochs": None}, f"finetune.epochs: no value here nor in {MINI}.finetune; set one"),
    ({f"{MINI}.finetune.validation_rows": None}, "finetune.validation_rows: no value here nor in"),
    ({"finetune.epochs": "four"}, "finetune.epochs: expected a valid integer, got 'four'"),
    ({"finetune.epochs": 1.5}, "finetune.epochs: expected a valid integer, got 1.5"),
    ({"finetune.epochs": True}, "finetune.epochs: expected a valid integer, got True"),
    ({"finetune.epochs": 0}, "finetune.epochs: expected greater than 0, got 0"),
    ({f"{MINI}.finetune.epochs": 0}, f"{MINI}.finetune.epochs: expected greater than 0, got 0"),
    ({"finetune.learning_rate": "1e-5x"}, "finetune.learning_rate: expected a valid number, got '1e-5x'"),
    ({"finetune.learning_rate": -1e-4}, "finetune.learning_rate: expected greater than 0, got -0.0001"),
    ({"finetune.learning_rate": float("inf")}, "finetune.learning_rate: expected a finite number, got inf"),
    ({"finetune.dropout": 1.0}, "finetune.dropout: expected less than 1, got 1.0"),
    ({"finetune.schedule": "lineal"}, "finetune.schedule: expected 'linear', 'cosine' or 'constant'"),
    ({"finetune.precision": "fp16"}, "finetune.precision: expected 'auto', 'bf16' or 'fp32', got 'fp16'"),
    (
        {"finetune.validation_rows": 0},
        "finetune.validation_rows: expected a number of rows ≥ 1, or all, got 0",
    ),
    ({"finetune": [1]}, "finetune: expected keys and values, got [1]"),
    ({"finetune": ...}, "finetune: missing; add the section"),
    ({"profile": "minni"}, "profile: unknown value 'minni'; did you mean mini?"),
    ({"profile": "x"}, "profile: unknown value 'x'; expected one of course, files, hub, mini, mlsum"),
    ({"profile": ["mini"]}, "profile: unknown value ['mini']; did you mean mini?"),
    ({"profile": ...}, "profile: unknown value None; expected one of"),
    ({"profiles": ...}, "profiles: expected a mapping of profiles, got None"),
    ({MINI: 3}, f"{MINI}: expected sections, got 3"),
]


@pytest.mark.parametrize(("changes", "message"), FINETUNE_FAULTS)
def test_a_faulty_value_is_named_where_it_stands(set_params, changes, message):
    set_params(changes)
    with pytest.raises(InputError) as error:
        load_params(FinetuneParams, "finetune")
    assert str(error.value).startswith(f"params.yaml: {message}")


def test_a_key_is_missing_from_the_section_not_from_a_value_of_none():
    params = {"profile": "p", "profiles": {"p": {}}, "tokenize": {"source_tokens": 9}}
    with pytest.raises(
        InputError, match=r"tokenize\.target_tokens: no value here nor in profiles\.p\.tokenize"
    ):
        parse_section(TokenizeParams, params, "tokenize")


KEYS = [
    ({"source_tokens": 1}, {}, 1),
    (
        {"source_tokens": None, "padding": 0},
        {"source_tokens": 2},
        2,
    ),  # what else stands there is not looked at
    ({"source_tokens": 1}, {"source_tokens": 2}, 1),
]


@pytest.mark.parametrize(("section", "profile", "expected"), KEYS)
def test_a_key_of_another_stage_is_read_alone(section, profile, expected):
    params = {"profile": "p", "profiles": {"p": {"tokenize": profile}}, "tokenize": section}
    assert parse_key(SourceParams, params, "tokenize", "source_tokens").source_tokens == expected


KEY_FAULTS = [
    (3, "tokenize: expected keys and values, got 3"),
    (["padding"], "tokenize: expected keys and values, got ['padding']"),
    (None, "tokenize: expected keys and values, got None"),
    ({}, "tokenize.source_tokens: no value here nor in profiles.p.tokenize; set one"),
    ({"source_tokens": "all"}, "tokenize.source_tokens: expected a valid integer, got 'all'"),
]


@pytest.mark.parametrize(("section", "message"), KEY_FAULTS)
def test_a_faulty_key_of_another_stage_is_named(section, message):
    params = {"profile": "p", "profiles": {"p": {}}, "tokenize": section}
    with pytest.raises(InputError) as error:
        parse_key(SourceParams, params, "tokenize", "source_tokens")
    assert str(error.value) == f"params.yaml: {message}"


BROKEN_YAML = [
    (b"a: 1\na: 2\n", "params.yaml:2: not YAML: found duplicate key"),
    (b"a: [1\n", "params.yaml:2: not YAML: expected ',' or ']'"),
    (b"a:\tb: c\n", "params.yaml:1: not YAML: found character"),
    (b"a: \x01\n", "params.yaml: not YAML: unacceptable character #x0001"),
    (b"a: \xf1\n", "params.yaml: not UTF-8, got byte 0xf1; save it as UTF-8"),
    (b"- a\n", "params.yaml: expected keys and values, got ['a']"),
    (b"", "params.yaml: expected keys and values, got None"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN_YAML)
def test_a_file_that_is_no_mapping_of_yaml_is_refused(write, content, message):
    write("params.yaml", content)
    with pytest.raises(InputError) as error:
        read_params()
    assert str(error.value).startswith(message)


def test_a_missing_file_says_where_to_run_from(project):
    (project / "params.yaml").unlink()
    with pytest.raises(InputError, match=r"params\.yaml: not found; run from the folder that holds"):
        read_params()


@pytest.mark.parametrize(
    "stage", ["fetch", "format", "tokenize", "finetune", "extract", "evaluate", "report"]
)
def test_a_stage_finds_the_faults_of_the_others_before_it_works(project, set_params, fails, stage):
    set_params({"evaluate.confidence": 95, "finetune.epochs": "many"})
    name = ["flan-small"] * (stage in ("tokenize", "finetune"))
    message = fails(import_module(f"stages.{stage}").main, *name)
    assert "params.yaml: evaluate.confidence: expected" in message
    assert "params.yaml: finetune.epochs: expected" in message


IS_LIGHT = """
import sys
from resumen.schema.params import checked_params
checked_params()
from resumen.text.language import identifier
assert identifier.cache_info().currsize == 0
assert not {"torch", "pandas"} & sys.modules.keys()
"""


def test_what_params_are_checked_with_loads_nothing_large():
    subprocess.run([sys.executable, "-c", IS_LIGHT], cwd=ROOT, check=True)
