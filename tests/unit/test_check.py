"""Check: all of params.yaml before any work, each fault in one line."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resumen.runtime.jsonfiles import write_json
from resumen.schema.data import data_params
from resumen.schema.params import read_params
from resumen.tools.check import check, main, notes


@pytest.mark.parametrize(
    ("profile", "num_probes"), [("mini", 23 + 240), ("course", 23), ("mlsum", 23), ("files", 23)]
)
def test_every_profile_as_written_is_valid(set_params, profile, num_probes):
    set_params({"profile": profile})
    assert check(read_params()) == f"params.yaml is fine: profile {profile}, 9 systems, {num_probes} probes"


FAULTS = [
    ({"profile": "mlsun"}, "profile: unknown value 'mlsun'; did you mean mlsum?"),
    ({"finetun": {}}, "finetun: unknown key; did you mean finetune?"),
    ({"profiles.mini.finetun": {}}, "profiles.mini.finetun: unknown key; did you mean finetune?"),
    ({"profiles.mini": 3}, "profiles.mini: expected sections, got 3"),
    ({"profiles.mini.weights": "hubb"}, "profiles.mini.weights: unknown value 'hubb'; did you mean hub?"),
    ({"weights": "hubb"}, "weights: unknown value 'hubb'; did you mean hub?"),
    ({"profiles.mini.data.source": "embeded"}, "profiles.mini.data.source: unknown value 'embeded'; did you"),
    ({"profiles.mini.data.source": ["hub"]}, "profiles.mini.data.source: unknown value ['hub']; did you"),
    ({"profiles.course.data.train": "al"}, "profiles.course.data.train: expected a valid integer or 'all'"),
    ({"profiles.files.data.columns": {"text": "t"}}, "profiles.files.data.columns: lacks ['summary']; name"),
    (
        {"profiles.files.data.columns.sumary": "s"},
        "profiles.files.data.columns: unknown column 'sumary'; did you mean summary?",
    ),
    *(
        (
            {"profiles.files.data.separator": separator},
            'profiles.files.data.separator: expected one ASCII character, such as "," or ";", or tab, got ',
        )
        for separator in ("", ";;", "§", '"', "\r", "\n")
    ),
    (
        {"data.path": "own.csv"},
        "data.path: belongs to the profile, got 'own.csv' here; set profiles.mini.data.path, which DVC",
    ),
    ({"format.template": "Resume."}, "format.template: must hold {text} once, got 'Resume.'"),
    ({"format.template": "{text} {text}"}, "format.template: must hold {text} once"),
    ({"format.template": "{text} {autor}"}, "format.template: unknown field {autor}, expected {text} once"),
    ({"format.template": "{text} {"}, "format.template: broken template"),
    ({"format.completion": "{title}"}, "format.completion: must hold {summary} once"),
    (
        {"format.completion": "{text} {summary}"},
        "format.completion: unknown field {text}, expected {summary} once; known are {summary},",
    ),
    (
        {"format.style": "conversasion"},
        "format.style: unknown style, expected instruction or conversation, got 'conversasion'",
    ),
    (
        {"format.templates": "flam"},
        "format.templates: no set 'flam' in prompts/templates.yaml; did you mean flan?",
    ),
    ({"format.templates": 3}, "format.templates: expected a valid string, got 3; put it in quotes"),
    ({"format.seed": "a"}, "format.seed: expected a valid integer, got 'a'"),
    (
        {"format.style": "conversation", "format.template": "[Usuario] {text}"},
        "format.template: holds [Usuario], which style conversation puts there itself, got '[Usuario] {t",
    ),
    (
        {"profiles.files.data.columns": {"messages": "m", "text": "t"}},
        "profiles.files.data.columns: messages hold text and summary; take text out, got {'messages': ",
    ),
    (
        {"profiles.files.data.columns": {"mesages": "m"}},
        "profiles.files.data.columns: unknown column 'mesages'; did you mean messages?",
    ),
    ({"systems.t5-small.template": "Resume."}, "systems.t5-small.template: must hold {text} once"),
    ({"systems.t5-small.num_beam": 4}, "systems.t5-small.num_beam: unknown key; did you mean num_beams?"),
    ({"systems.t5-small.num_beams": 0}, "systems.t5-small.num_beams: expected greater than 0, got 0"),
    ({"systems.t5-small": {}}, "systems.t5-small.from: missing; add it"),
    ({"systems": {}}, "systems: expected at least one, got {}"),
    (
        {"systems": {"flan.xl": {"from": "models/finetuned/flan-small"}}},
        "systems.flan.xl: expected letters, digits, - and _",
    ),
    (
        {"systems": {"flan xl": {"from": "models/finetuned/flan-small"}}},
        "systems.flan xl: expected letters, digits, - and _",
    ),
    (
        {"systems": {3: {"from": "models/finetuned/flan-small"}}},
        "systems.3: expected letters, digits, - and _ in a name, got 3",
    ),
    ({"systems": {"lead-3": {"from": "models/finetuned/flan-small"}}}, "systems.lead-3: taken by a baseline"),
    ({"systems.t5-small.from": "others/gpt.jsonl"}, "systems.t5-small.from: expected models/pretrained/"),
    (
        {"systems.t5-small.from": "models/pretrained/t5-smal"},
        "systems.t5-small.from: 't5-smal' is no key of check",
    ),
    ({"checkpoints": None}, "checkpoints: expected at least one, got None"),
    ({"checkpoints.t5-small": {}}, "checkpoints.t5-small: expected repo and revision, or folder alone"),
    ({"finetune": ...}, "finetune: missing; add the section"),
    (
        {"finetune.base": "t5-base"},
        "finetune.base: belongs in finetunings.F.base, got 't5-base'; set that",
    ),
    ({"finetunings": ...}, "finetunings: expected at least one, got None"),
    ({"finetunings": {}}, "finetunings: expected at least one, got {}"),
    ({"finetunings.flan xl": {}}, "finetunings.flan xl: expected letters, digits, - and _ in a name"),
    ({"finetunings.t5-small.base": ...}, "finetunings.t5-small.base: missing; add it"),
    (
        {"finetunings.t5-small.base": "flan-base-english"},
        "finetunings.t5-small.base: 'flan-base-english' is no key of checkpoints; it is a system, ",
    ),
    ({"finetunings.t5-small.epoch": 3}, "finetunings.t5-small.epoch: unknown key; did you mean epochs?"),
    (
        {"finetunings.t5-small.rows": 0},
        "finetunings.t5-small.rows: expected a number of articles ≥ 1, or nothing for all, got 0",
    ),
    (
        {"finetunings.t5-small.rows": 1501},
        "finetunings.t5-small.rows: the training split has 1500 articles (data.train), got 1501; lower it",
    ),
    (
        {"finetunings.t5-small.batch_size": 2000},
        "data.train: a step takes 2000 articles (finetunings.t5-small.batch_size × gradient_",
    ),
    (
        {"systems.finetuned.from": "models/finetuned/flan-smal"},
        "systems.finetuned.from: 'flan-smal' is no key of finetunings; did you mean flan-small?",
    ),
    (
        {"systems.finetuned.from": "models/finetuned/t5-small-finetuned"},
        "systems.finetuned.from: 't5-small-finetuned' is no key of finetunings; it is a system, from models/",
    ),
    (
        {"systems.finetuned.from": "models/finetuned"},
        "systems.finetuned.from: expected models/pretrained/<checkpoint>, models/finetuned/<fine-tuning>, a",
    ),
    (
        {"comparisons.interaction.against": "lead-3"},
        "comparisons.interaction.against: expected an entry of comparisons that has a system, got 'lead-3'",
    ),
    (
        {"comparisons.interaction.comparison": "instruction-tunin"},
        "comparisons.interaction.comparison: expected an entry of comparisons that has a system, got 'ins",
    ),
    (
        {"comparisons.interaction.against": None},
        "comparisons.interaction: a comparison needs another in against, got ",
    ),
    (
        {"comparisons.interaction.system": "finetuned"},
        "comparisons.interaction: expected system and against, or comparison and against, got ",
    ),
    (
        {
            "comparisons.again": {
                "question": "?",
                "comparison": "instruction-tuning-finetuned",
                "against": "instruction-tuning",
            }
        },
        "comparisons.again: the difference of comparisons.interaction, rows and columns exchanged perhaps",
    ),
    ({"finetune": 3}, "finetune: expected keys and values, got 3"),
    ({"comparisons": []}, "comparisons: expected a mapping of pairs, got []; {} is none"),
    (
        {"comparisons.use.against": "finetuned"},
        "comparisons.use: a system against itself is no comparison, got ",
    ),
    (
        {"comparisons.use.question": ""},
        "comparisons.use.question: expected String should have at least 1 char",
    ),
    (
        {"comparisons.again": {"question": "?", "system": "finetuned", "against": "flan-small"}},
        "comparisons.again: the pair of comparisons.fine-tuning, finetuned − flan-small; leave one out",
    ),
    ({"comparisons.use.agains": "t5-base"}, "comparisons.use.agains: unknown key; did you mean against?"),
    ({"comparisons.use.system": 3}, "comparisons.use.system: expected a valid string, got 3; put it in quot"),
    (
        {"checkpoints.own": {"folder": "nowhere"}},
        "checkpoints.own.folder: expected a model folder that is there, got 'nowhere'",
    ),
    (
        {"checkpoints.own": {"folder": "prompts"}},  # there, without a model
        "checkpoints.own.folder: prompts: lacks config.json; expected what save_pretrained writes",
    ),
    (
        {"checkpoints": {"flan.xl": {"folder": "own"}}},
        "checkpoints.flan.xl: expected letters, digits, - and _ in a name, got 'flan.xl'",
    ),
    ({"checkpoints": {3: {"folder": "own"}}}, "checkpoints.3: expected letters, digits, - and _ in a name"),
    (
        {"systems.t5-small.from": "nowhere"},
        "systems.t5-small.from: expected models/pretrained/<checkpoint>, models/finetuned/<fine-tuning>, a",
    ),
    (
        {"systems.t5-small.from": "prompts"},
        "systems.t5-small.from: prompts: lacks config.json; expected what save_pretrained writes",
    ),
    (
        {"systems.t5-small.generate": {"repetition_penalti": 1.2}},
        "systems.t5-small.generate.repetition_penalti: unknown key; did you mean repetition_penalty?",
    ),
    ({"systems.t5-small.generate": 5}, "systems.t5-small.generate: expected keys and values, got 5"),
    (
        {"systems.t5-small.generate": {"min_new_tokens": 97}},
        "systems.t5-small.generate: expected a shortest summary of at most 96 tokens (max_new_tokens), got 9",
    ),
    ({"data.language": "spanish"}, "data.language: unknown language, got 'spanish'; did you mean es?"),
    ({"data.language": "francés"}, "data.language: unknown language, got 'francés'; did you mean fr?"),
    (
        {"profiles.mini.data.language": "fr"},
        "profiles.mini.data.language: belongs in data.language, which other stages read too, got 'fr'; s",
    ),
    ({"generate.num_beams": ...}, "generate.num_beams: no value here nor in profiles.mini.generate; set one"),
    (
        {"generate.length_penalty": ...},
        "generate.length_penalty: no value here nor in profiles.mini.generate; set one",
    ),
    (
        {"generate.length_penalty": ...},
        "generate.length_penalty: no value here nor in profiles.mini.generate; set one",
    ),
    ({"tokenize.letter_score": 0.0}, "tokenize.letter_score: expected less than 0, got 0.0"),
    ({"finetune.seed": 2**32}, "finetune.seed: expected less than 4294967296, got 4294967296"),
    ({"finetune.seed": -1}, "finetune.seed: expected greater than or equal to 0, got -1"),
    (
        {"data.train": 5},
        "data.train: a step takes 7 articles (finetune.batch_size × gradient_accumulation), got 5; raise it",
    ),
    (
        {"data.train": 20, "finetune.gradient_accumulation": 4},
        "data.train: a step takes 28 articles (finetune.batch_size × gradient_accumulation), got 20",
    ),
    (
        {"finetunings.flan-small.base": "flan-smal"},
        "finetunings.flan-small.base: 'flan-smal' is no key of checkpoints; did you mean flan-small?",
    ),
    (
        {"profiles.mini.probe.generated": -1},
        "profiles.mini.probe.generated: expected greater than or equal to 0, got -1",
    ),
    (
        {"profiles.course.probe.generated": "all"},  # of a profile that is not the chosen one
        "profiles.course.probe.generated: expected a valid integer, got 'all'",
    ),
    ({"probe.generated": 2.5}, "probe.generated: expected a valid integer, got 2.5"),
    ({"probe.seed": None}, "probe.seed: no value here nor in profiles.mini.probe; set one"),
    ({"probe.generatd": 3}, "probe.generatd: unknown key; did you mean generated?"),
    ({"probe": ...}, "probe: missing; add the section"),
    ({"profiles.mini.probe": ...}, "probe.generated: no value here nor in profiles.mini.probe; set one"),
    (
        {"probe.seed": 2023},
        "probe.seed: is data.seed too, got 2023: the questions would be about articles of the splits; choose",
    ),
    (
        {"data.seed": 7102},
        "data.seed: the embedded miniatures have seen the news of this seed, got 7102; choose",
    ),
    ({"probe.seed": 7101}, "probe.seed: the embedded miniatures have seen the news of this seed, got 7101"),
    ({"evaluate.confidence": 95}, "evaluate.confidence: expected less than 1, got 95"),
    ({"extract.seed": -1}, "extract.seed: expected greater than or equal to 0, got -1"),
]


@pytest.mark.parametrize(("changes", "message"), FAULTS)
def test_a_fault_is_said_in_one_line_before_any_work(set_params, fails, changes, message):
    set_params(changes)
    assert fails(main).startswith(f"params.yaml: {message}")


def test_all_faults_are_said_at_once_a_line_each(set_params, fails):
    set_params(
        {
            "finetune.learning_rat": 0.01,
            "finetune.epochs": "many",
            "finetune.dropout": 2,
            "generate.num_beams": 0,
            "evaluate.confidence": 95,
            "systems.t5-small.num_beam": 2,
            "checkpoints.t5-base.revision": ...,
            "comparisons.use.question": 3,
            "probes": {},
        }
    )
    keys = [line.split(": ")[1] for line in fails(main).split("\n")]
    assert keys == [
        *("probes", "finetune.epochs", "finetune.dropout", "finetune.learning_rat", "generate.num_beams"),
        *("evaluate.confidence", "checkpoints.t5-base", "systems.t5-small.num_beam"),
        "comparisons.use.question",
    ]


@pytest.mark.parametrize("name", ["tab", "\\t", "\t"])
def test_a_tab_may_be_given_by_its_name(set_params, name):
    set_params({"profile": "files", "profiles.files.data.separator": name})
    assert data_params(read_params()).separator == "\t"


def test_what_is_misspelt_is_not_said_to_be_missing_too(set_params, fails):
    set_params({"evaluate": {"bootstrap_sample": 9, "confidence": 0.9, "seed": 1, "stemming": "none"}})
    message = "params.yaml: evaluate.bootstrap_sample: unknown key; did you mean bootstrap_samples?"
    assert fails(main) == message


@pytest.mark.parametrize("option", [{"num_beams": 4}, {"template": "{text}"}, {"max_new_tokens": 9}])
def test_predictions_made_elsewhere_take_no_template_and_no_decoding(set_params, write, fails, option):
    write("others/gpt.jsonl", "")
    set_params({"systems.gpt": {"from": "others/gpt.jsonl", **option}})
    assert "systems.gpt: a file of predictions takes `from` alone" in fails(main)


def test_predictions_made_elsewhere_are_a_system(set_params, write):
    write("others/gpt.jsonl", "")
    set_params({"systems.gpt": {"from": "others/gpt.jsonl"}})
    assert "10 systems" in check(read_params())


def test_predictions_made_elsewhere_are_a_file(project, set_params, fails):
    (project / "others/gpt.jsonl").mkdir(parents=True)
    set_params({"systems.gpt": {"from": "others/gpt.jsonl"}})
    assert fails(main).endswith("or a file of predictions that is there, got 'others/gpt.jsonl'")


def test_as_many_articles_as_a_step_takes_are_enough(set_params):
    set_params({"data.train": 8, "finetune.seed": 2**32 - 1})
    assert "fine" in check(read_params())


def test_a_share_of_a_file_is_not_held_against_a_step(set_params):
    set_params({"profile": "files", "profiles.files.data.train": 0.1})
    assert "fine" in check(read_params())


def test_a_file_that_is_not_there_is_named_with_its_key(set_params, fails):
    set_params({"profile": "files", "profiles.files.data.path": "nada.csv"})
    assert fails(main) == "nada.csv: not found; set profiles.files.data.path to a file or a folder"


def test_a_columns_name_is_checked_against_the_file(set_params, fails):
    set_params({"profile": "files", "profiles.files.data.columns.text": "Fuente"})
    message = "data/example.csv: lacks columns ['Fuente'], has ['text', 'summary']; set profiles.files.data."
    assert fails(main).startswith(message)


@pytest.mark.parametrize("weights", ["model.safetensors", "model-00001-of-00002.safetensors"])
def test_a_checkpoint_in_a_local_folder_needs_no_miniature(tiny, project, set_params, weights):
    shutil.copytree(tiny["untied"], "own")
    Path("own/model.safetensors").rename(f"own/{weights}")
    set_params({"checkpoints.own": {"folder": "own"}, "systems.own": {"from": "models/pretrained/own"}})
    assert "10 systems" in check(read_params())


def test_what_a_profile_cannot_serve_is_said_and_stops_nothing(set_params, runs, caplog):
    set_params(
        {
            "checkpoints.flan-xl": {"repo": "google/flan-t5-xl", "revision": "main"},
            "systems.flan-xl": {"from": "models/pretrained/flan-xl"},
            "finetunings.flan-xl": {"base": "flan-xl"},
            "systems.flan-xl-finetuned": {"from": "models/finetuned/flan-xl"},
            "comparisons.mine": {"question": "mine", "system": "flan-xl-finetuned", "against": "flan-bas"},
            "systems.flan-small.num_beams": 4,
        }
    )
    caplog.set_level("INFO", "check")
    runs(main)
    left_out, base, pair, no_git, fine = caplog.messages
    assert no_git.startswith("no git repository here, and DVC wants one")
    assert left_out.startswith("params.yaml: checkpoints.flan-xl: left out, and what is on it: weights is")
    assert base.startswith(
        "params.yaml: comparisons.fine-tuning: left out: no system runs the base as it was published"
    )
    assert pair.startswith("params.yaml: comparisons.mine: left out: no system 'flan-xl-finetuned'")
    assert pair.endswith(" and none 'flan-bas'; did you mean flan-base?")
    assert fine.startswith("params.yaml is fine: profile mini, 11 systems")


def test_a_fine_tuning_that_no_system_runs_is_said(set_params):
    set_params({"finetunings.mine": {"base": "t5-small"}})
    assert notes(read_params()) == [
        "finetunings.mine: no system runs it: it is trained, and stands in no table; add a system"
    ]


def test_a_system_of_a_fine_tuning_that_is_gone_is_told_what_to_do(set_params, fails):
    set_params({"systems.mine": {"from": "models/finetuned/mine"}})
    message = fails(main)
    assert message.startswith("params.yaml: systems.mine.from: 'mine' is no key of finetunings; ")
    assert "it is a system" not in message
    assert message.endswith("; add it, or take the system out")


@pytest.mark.parametrize(("name", "value"), [("RESUMEN_MEMORY_GB", "much"), ("RESUMEN_THREADS", "0")])
def test_what_the_environment_says_is_checked_too(project, fails, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert fails(main).startswith(f"{name}: expected a number")


def test_a_pair_whose_system_is_gone_says_nothing_of_its_base(set_params):
    set_params({"systems.t5-small-finetuned": ...})
    (said,) = [note for note in notes(read_params()) if note.startswith("comparisons.fine-tuning-t5:")]
    assert said == (
        "comparisons.fine-tuning-t5: left out: no system 't5-small-finetuned'; did you mean finetuned?"
    )


def test_under_weights_of_the_hub_nothing_is_left_out(set_params):
    set_params(
        {"checkpoints.flan-xl": {"repo": "google/flan-t5-xl", "revision": "main"}, "profile": "course"}
    )
    assert notes(read_params()) == []


def test_a_local_folder_with_weights_is_a_system(models, project, set_params):
    set_params({"systems.own": {"from": str(models["qwen"])}})
    assert "10 systems" in check(read_params())


def plain_bert(own: Path) -> None:
    write_json(own / "config.json", {"model_type": "bert", "architectures": ["BertForMaskedLM"]})


UNFIT_FOLDERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a pickle alone": (
        lambda own: (own / "model.safetensors").rename(own / "pytorch_model.bin"),
        "own: has its weights as pytorch_model.bin only, which can run code when it is read; ",
    ),
    "no weights": (lambda own: (own / "model.safetensors").unlink(), "own: lacks model*.safetensors; expect"),
    "damaged weights": (
        lambda own: (own / "model.safetensors").write_bytes(b""),
        "own: model.safetensors: not readable as safetensors: ",
    ),
    "is not run here": (
        plain_bert,
        "own: config.json: 'bert' (['BertForMaskedLM']) is not run here: neither",
    ),
}


@pytest.mark.parametrize("name", UNFIT_FOLDERS)
@pytest.mark.parametrize("key", ["systems.own.from", "checkpoints.own.folder"])
def test_what_is_wrong_with_a_local_folder_is_said_before_any_work(
    tiny, project, set_params, fails, key, name
):
    spoil, message = UNFIT_FOLDERS[name]
    spoil(shutil.copytree(tiny["untied"], Path("own")))
    section, _, last = key.split(".")
    set_params({f"{section}.own": {last: "own"}})
    assert fails(main).startswith(f"params.yaml: {key}: {message}")


def test_what_stays_spanish_is_said_where_the_articles_are_not(set_params):
    french = "Résume cet article :\n\n{text}"
    assert not [note for note in notes(read_params()) if "language" in note]
    set_params({"data.language": "fr"})
    assert notes(read_params())[-1] == (
        "format.template: asks in Spanish, got 'Resume el siguiente articulo:\\n\\n{text}', and "
        "data.language is fr; write it in that language, if the model is to be asked so"
    )
    set_params({"format.template": french})
    assert not [note for note in notes(read_params()) if "language" in note]
    set_params({"data.language": "eu"})
    assert [note.split(": ")[0] for note in notes(read_params())[-2:]] == [
        "extract.stop_words",
        "data.language",
    ]


def test_a_folder_that_cannot_be_fine_tuned_is_no_base(models, project, set_params, fails):
    set_params({"checkpoints.own": {"folder": str(models["bart"])}, "finetunings.own": {"base": "own"}})
    assert fails(main).startswith(
        "params.yaml: finetunings.own.base: own is not fine-tuned here, only a system: model_type: expected"
    )


GOOD = {"kind": "open-question", "prompt": "Why?"}
PROBE_FAULTS = [
    ({"max_new_tokens": 5, "probes": {}}, "probes: expected at least one"),
    (
        {"max_new_tokens": 5, "probes": {"a": {**GOOD, "prompt": " "}}},
        "probes.a.prompt: expected a text to answer",
    ),
    (
        {"max_new_tokens": 5, "probes": {"a": {"kind": "open-question", "answer": "x"}}},
        "probes.a.prompt: missing; add it",
    ),
    ({"max_new_tokens": 5, "probes": {"a": {"prompt": "x"}}}, "probes.a.kind: missing; add it"),
    (
        {"max_new_tokens": 5, "probes": {"a": {**GOOD, "kind": "sumarize-english"}}},
        "probes.a.kind: unknown value 'sumarize-english'; did you mean summarize-english?",
    ),
    ({"max_new_tokens": 5, "probes": {"a": {**GOOD, "answer": 3}}}, "probes.a.answer: expected a valid str"),
    ({"max_new_tokens": 5, "probes": {"a": {**GOOD, "answer": ""}}}, "probes.a.answer: expected at least"),
    ({"max_new_tokens": 0, "probes": {"a": GOOD}}, "max_new_tokens: expected greater than 0, got 0"),
    ({"max_new_tokens": 5, "probes": {"a": 3}}, "probes.a: expected a valid dictionary, got 3"),
    ([], "expected max_new_tokens and probes, got []"),
]


@pytest.mark.parametrize(("content", "message"), PROBE_FAULTS)
def test_a_faulty_probe_is_named_in_its_own_file(write, fails, content, message):
    write("prompts/probes.yaml", json.dumps(content))
    assert fails(main).startswith(f"prompts/probes.yaml: {message}")


@pytest.mark.parametrize(
    "changes", [{"probe.generated": 0}, {"profile": "files", "probe.generated": 3}, {"data.seed": 1}]
)
def test_the_seed_of_the_splits_is_free_where_no_question_is_about_their_articles(set_params, changes):
    set_params({"probe.seed": 2023, "profiles.mini.probe.generated": 3, **changes})
    assert "fine" in check(read_params())


PAIR = {"source": "own", "prompt": "Resume: {text}", "completion": "{summary}"}
SET_FAULTS = [
    ({"own": []}, "own: expected at least one pair, each after a dash, got []"),
    (
        {"own": [PAIR, PAIR]},
        "own: pair 2.prompt: the same as that of pair 1, got 'Resume: {text}'; take one out",
    ),
    (
        {"own": [{**PAIR, "prompt": "{summary}", "completion": "{text}"}]},
        "own: pair 1.prompt: inverted: a prompt holds {text}, and {summary} is what the model writes, got",
    ),
]


@pytest.mark.parametrize(("content", "message"), SET_FAULTS)
@pytest.mark.parametrize("chosen", [None, "flan", "own"])
def test_a_faulty_set_is_named_whether_it_is_chosen_or_not(
    write, set_params, fails, chosen, content, message
):
    write("prompts/templates.yaml", json.dumps({"flan": [PAIR], **content}))
    set_params({"format.templates": chosen})
    assert fails(main).startswith(f"prompts/templates.yaml: {message}")


def test_a_file_of_conversations_is_checked_before_any_work(write, set_params, fails):
    turns = [{"role": "user", "content": "¿Llueve?"}, {"role": "assistant", "content": "Sí, y mucho."}]
    lines = [json.dumps({"m": turns}) + "\n" for _ in range(10)]
    path = write("own.jsonl", "".join(lines))
    columns = {"profiles.files.data.columns": {"messages": "m"}}
    set_params({"profile": "files", "profiles.files.data.path": str(path), **columns})
    assert "fine" in check(read_params())
    write("own.jsonl", "".join([*lines, "no\n"]))
    assert fails(main).startswith(f"{path}:11: not JSON: ")


@pytest.mark.parametrize("style", ["instruction", "conversation"])
def test_the_shipped_set_is_fine_in_every_style(set_params, style):
    set_params({"format.style": style, "format.templates": "flan"})
    assert "fine" in check(read_params())


def test_nothing_but_params_and_probes_is_needed(project, runs):
    shutil.rmtree(project / "data")
    runs(main)
    assert not (project / "data").exists()


def test_outside_a_repository_of_git_check_says_how_to_make_one(project, runs, caplog):
    runs(main)
    assert any("`git init && git add . && git commit" in message for message in caplog.messages)
    caplog.clear()
    subprocess.run(("git", "init", "--quiet"), check=True)
    runs(main)
    assert not any("git init" in message for message in caplog.messages)


@pytest.mark.parametrize(
    "set_here",
    [
        {"profile": "files", "data.train": 0.6, "data.validation": 0.2, "data.test": 0.2},
        {"profile": "course", "data.train": "all"},
        {"profile": "mini", "data.train": 300, "weights": "embedded"},
    ],
)
def test_a_value_set_for_one_profile_is_not_held_against_the_others(set_params, set_here):
    set_params(set_here)
    assert check(read_params()).startswith(f"params.yaml is fine: profile {set_here['profile']}")


@pytest.mark.parametrize("section", ["checkpoints", "finetunings", "systems"])
@pytest.mark.parametrize("entries", [{}, None, 3])
def test_a_section_without_entries_hides_no_other_fault(set_params, fails, section, entries):
    set_params({section: entries, "evaluate.confidence": 95, "data.seed": 31})
    message = fails(main)
    for fault in (
        f"{section}: expected at least one",
        "evaluate.confidence: expected",
        "probe.seed: is data.seed",
    ):
        assert f"params.yaml: {fault}" in message


def test_faults_of_sections_do_not_hide_how_the_others_go_together(set_params, fails):
    set_params(
        {
            "evaluate.confidence": 95,
            "finetunings.flan-small.base": "flan-smal",
            "format.templates": "flann",
            "systems.flan-large.from": "models/pretrained/flan-xl",
        }
    )
    message = fails(main)
    for fault in (
        "evaluate.confidence: expected",
        "finetunings.flan-small.base: 'flan-smal' is no key of checkpoints",
        "format.templates: ",
        "systems.flan-large.from: 'flan-xl' is no key of checkpoints",
    ):
        assert f"params.yaml: {fault}" in message
