"""What the miniature experiment is to show, on the metrics of the last commit."""

import json
import subprocess

import pytest
from ruamel.yaml import YAML

from benchmarks.news import Slots, nearest_summaries, rouge_l, skeleton_shares
from miniatures.corpus import HELD_OUT_SEED, NUM_HELD_OUT_STORIES, NUM_TRAINING_STORIES
from miniatures.vocabulary import NUM_VOCABULARY_STORIES
from resumen.news.planted import news_splits
from resumen.news.stories import TRAINING_SEED, VOCABULARY_SEED, stories
from resumen.schema.data import data_params
from resumen.schema.params import read_params
from resumen.sources.audit import Audit, DuplicateIndex
from resumen.sources.embedded import embedded_origin, embedded_splits
from stages.fetch import clean
from tests.helpers.paths import ROOT


def of_last_commit(path: str) -> bytes:
    """Return the file at `path` in the last commit: a run since then may have changed the working tree."""
    shown = subprocess.run(["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, check=False)
    if shown.returncode:
        pytest.skip("not a git checkout")
    return shown.stdout


def committed(path: str) -> dict:
    return json.loads(of_last_commit(path))


def of(system: str, metric: str) -> float:
    return committed(f"metrics/systems/{system}.json")[metric]


def test_instruction_tuning_helps():
    assert of("t5-small", "rougeL") < of("flan-small", "rougeL")


def test_fine_tuning_beats_every_pretrained_checkpoint():
    pretrained = ("t5-small", "t5-base", "flan-small", "flan-base", "flan-large")
    assert max(of(system, "rougeL") for system in pretrained) < of("finetuned", "rougeL")


def test_instruction_tuning_buys_more_after_fine_tuning():
    (row,) = committed("metrics/evaluation.json")["interactions"]
    assert row["verdict"] == "larger"
    assert row["lower"] > 5


def test_either_fine_tuned_model_beats_copying():
    assert of("lead-3", "rougeL") < of("t5-small-finetuned", "rougeL") < of("finetuned", "rougeL")


def test_the_task_is_neither_out_of_reach_nor_solved():
    assert of("finetuned", "rougeL") >= of("lead-3", "rougeL") + 10
    assert of("finetuned", "rougeL") >= of("flan-small", "rougeL") + 15
    assert of("finetuned", "rougeL") <= 90
    assert of("oracle", "rougeL") > of("lead-3", "rougeL")


def test_instruction_tuned_miniatures_answer_and_the_others_do_not():
    assert max(of("t5-small", "probe_exact_pct"), of("t5-base", "probe_exact_pct")) <= 5
    assert of("flan-small", "probe_exact_pct") >= 50
    probes = {row["system"]: row for row in committed("metrics/evaluation.json")["probes"]}
    asked = [kind["num_asked"] for kind in probes["flan-small"]["kinds"] if kind["kind"].startswith("news-")]
    assert sum(asked) >= 200


def test_larger_instruction_tuned_miniatures_summarize_better():
    assert of("flan-small", "rougeL") < of("flan-base", "rougeL") < of("flan-large", "rougeL")


def test_the_largest_miniature_answers_best():
    assert of("flan-large", "probe_exact_pct") >= 75
    assert of("flan-large", "probe_exact_pct") > max(
        of(name, "probe_exact_pct") for name in ("flan-small", "flan-base")
    )


def test_only_the_repaired_vocabulary_writes_every_word():
    assert of("finetuned", "lost_words_pct") == 0
    assert of("flan-small", "lost_words_pct") > 5


@pytest.fixture(scope="module")
def splits(tmp_path_factory) -> dict[str, list[dict[str, str]]]:
    """The rows that `fetch` leaves of the embedded news, with the committed params."""
    path = tmp_path_factory.mktemp("committed") / "params.yaml"
    path.write_bytes(of_last_commit("params.yaml"))
    params = data_params(read_params(path))
    seen = DuplicateIndex(params.near_duplicate_similarity)
    return {
        split: list(clean(rows, Audit(split), seen, params))
        for split, rows in embedded_splits(params, embedded_origin(params)).items()
    }


def test_no_summary_is_another_with_its_slots_filled(splits):
    slots = Slots(row["text"] for row in splits["train"])
    most_frequent, unseen = skeleton_shares(splits["train"], splits["test"], slots)
    assert most_frequent <= 1
    assert unseen >= 30


def test_the_nearest_training_article_is_no_substitute_for_the_model(splits):
    slots = Slots(row["text"] for row in splits["train"])
    some = splits["test"][:100]
    output = nearest_summaries(splits["train"], some, slots)
    assert rouge_l(output, some) <= of("finetuned", "rougeL") - 10


def test_no_article_of_the_pipeline_was_trained_on():
    """Neither the models nor the vocabulary have seen one; a note on the printed edition hides none."""
    data = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    sizes = {split: data["profiles"]["mini"]["data"][split] for split in ("train", "validation", "test")}
    splits = news_splits(sizes, data["data"]["seed"])
    seen = {row["text"].split(" * Este artículo")[0] for rows in splits.values() for row in rows}
    probes = stories(1_000, data["probe"]["seed"])
    seen |= {story.text for story in probes}
    trained = {story.text for story in stories(NUM_TRAINING_STORIES, TRAINING_SEED)}
    trained |= {story.text for story in stories(NUM_VOCABULARY_STORIES, VOCABULARY_SEED)}
    assert len(seen) > 2_500
    assert not seen & trained
    held_out = stories(NUM_HELD_OUT_STORIES, HELD_OUT_SEED)
    assert not {story.text for story in held_out} & (trained | seen)
