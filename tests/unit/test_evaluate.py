"""Evaluate: scores an article, intervals that can be checked by hand, and no system that is gone."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resumen.rouge.score import ROUGE_TYPES
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.schema.answers import Answer
from resumen.schema.rows import RAW, read_table, write_table
from resumen.schema.sections import EvaluateParams
from resumen.schema.systems import EXTRACTIVE
from resumen.scoring.registry import measures_in, metric_of
from resumen.text.words import words
from stages.evaluate import (
    bootstrap,
    breakdown,
    ceilings,
    exact_pct,
    intervals,
    main,
    probe_summaries,
    read_predictions,
    score_all,
    signature,
    summary_of,
    with_reference,
)
from stages.extract import main as extract


def params(**changes):
    return EvaluateParams(
        **{"bootstrap_samples": 1000, "confidence": 0.95, "seed": 7, "stemming": "none", **changes}
    )


def test_constant_scores_give_an_interval_without_width():
    lower, upper = bootstrap(np.full((30, 2), [40.0, 7.5]), params())
    assert lower == pytest.approx([40.0, 7.5])
    assert upper == pytest.approx([40.0, 7.5])


def test_of_one_probe_nothing_is_known():
    lower, upper = bootstrap(np.array([[12.0]]), params())
    assert (lower[0], upper[0]) == (0, 100)


def test_one_article_is_refused_since_it_has_no_interval(predicted, fails):
    path = Path("data/raw/test.parquet")
    write_table(path, list(read_table(path, RAW.names))[:1], RAW)
    assert fails(main).startswith(
        "data/raw/test.parquet: one article: no interval is possible; give data.test two"
    )
    assert not Path("metrics/systems").exists()


def test_the_interval_is_that_of_the_normal_distribution_where_that_holds():
    scores = np.random.default_rng(1).normal(50, 10, size=(400, 1))
    lower, upper = bootstrap(scores, params(bootstrap_samples=4000))
    half = 1.96 * scores.std() / np.sqrt(400)
    assert lower[0] == pytest.approx(scores.mean() - half, abs=0.1)
    assert upper[0] == pytest.approx(scores.mean() + half, abs=0.1)


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    draw, held = np.random.default_rng(3), 0
    for _ in range(200):
        lower, upper = bootstrap(
            draw.normal(0, 1, size=(60, 1)), params(bootstrap_samples=200, confidence=0.8)
        )
        held += lower[0] <= 0 <= upper[0]
    assert 0.7 < held / 200 < 0.9


def test_more_confidence_is_a_wider_interval_around_the_same_mean():
    scores = np.random.default_rng(1).uniform(0, 100, size=(50, 1))
    widths = [np.ptp(bootstrap(scores, params(confidence=share))) for share in (0.5, 0.9, 0.99)]
    assert widths == sorted(widths)
    assert widths[0] < widths[2]


def test_one_seed_draws_the_same_articles_for_every_system():
    scores = np.random.default_rng(1).uniform(0, 90, size=(50, 1))
    (lower, upper), (higher, highest) = bootstrap(scores, params()), bootstrap(scores + 10, params())
    assert higher == pytest.approx(lower + 10)
    assert highest == pytest.approx(upper + 10)
    assert bootstrap(scores, params(seed=8))[0] != lower


@pytest.mark.parametrize("chunk_size", [1, 7, 1250, 5000])
def test_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch, chunk_size):
    scores = np.random.default_rng(1).uniform(0, 100, size=(20, 3))
    lower, upper = bootstrap(scores, params(bootstrap_samples=1250))
    monkeypatch.setattr("resumen.scoring.bootstrap.DRAWS_CHUNK", chunk_size)
    again = bootstrap(scores, params(bootstrap_samples=1250))
    # the sums of a product may be taken in another order; another draw moves a bound by a tenth
    np.testing.assert_allclose(again, (lower, upper), rtol=0, atol=1e-9)
    assert not np.allclose(bootstrap(scores, params(bootstrap_samples=1250, seed=8)), (lower, upper))


ROWS = [
    {"id": "1", "text": "Por fin el año pasó en Vigo.", "summary": "El año pasó.", "topic": "vida"},
    {"id": "2", "text": "Llueve mucho.", "summary": "Llueve.", "topic": ""},
]
PREDICTIONS = [
    {"id": "1", "prediction": "El ano pasó", "spelled_reference": "El ao pasó."},
    {"id": "2", "prediction": "", "spelled_reference": "Llueve."},
]


def scores_of(stemming="none"):
    return list(score_all(ROWS, {"s": PREDICTIONS}, stemming, "es"))


def test_every_article_has_its_scores_and_counts():
    first, second = scores_of()
    assert (first["system"], first["id"]) == ("s", "1")
    assert first["rouge1"] == first["rougeL"] == pytest.approx(200 / 3)
    assert (first["prediction_words"], first["reference_words"], first["lost_words"]) == (3, 3, 1)
    assert {second[name] for name in ROUGE_TYPES} == {0.0}
    assert (second["prediction_words"], second["reference_words"], second["lost_words"]) == (0, 1, 0)


def test_a_summary_is_scored_against_the_best_of_its_references():
    rows = [{**ROWS[0], "references": ["El ano pasó.", "Nada."]}, {**ROWS[1], "references": None}]
    first, second = score_all(rows, {"s": PREDICTIONS}, "none", "es")
    assert first["rouge1"] == first["rougeL_ascii"] == 100
    assert first["chrf"] > scores_of()[0]["chrf"]
    assert (first["reference_words"], first["lost_words"]) == (3, 1)  # of the first reference
    assert second == scores_of()[1]


def test_a_summary_is_worked_by_hand():
    scores = pd.DataFrame(scores_of())
    assert summary_of(scores, "es") == {
        "rouge1": 33.33,
        "rouge2": 0.0,
        "rougeL": 33.33,
        "rougeLsum": 33.33,
        "rouge1_content": 25.0,  # ano, pas against año, pas; nothing of the second
        "rougeL_content": 25.0,
        "rougeL_ascii": 28.57,  # el, ano, pas against el, a, o, pas
        "chrf": round(sum(row["chrf"] for row in scores_of()) / 2, 2),
        "lost_words_pct": 25.0,
        "novel_bigrams_pct": 50.0,  # both of the first are new; the second has none
        "repeated_trigrams_pct": 0.0,
        "empty_pct": 50.0,
        "length_ratio": 0.75,
        "invented_numbers": 0.0,
        "invented_names": 0.0,
    }


def test_an_interval_holds_its_mean():
    scores = pd.DataFrame(scores_of())
    (row,) = intervals({"s": scores}, params())
    assert row["system"] == "s"
    for name in ROUGE_TYPES:
        assert row[name]["lower"] <= row[name]["mean"] <= row[name]["upper"]
    assert row["rouge1"] == {"mean": 33.33, "lower": 0.0, "upper": 100.0}  # of two articles


def test_every_system_is_measured_on_the_same_draws():
    draw = np.random.default_rng(1)
    scores = pd.DataFrame(draw.uniform(0, 90, size=(50, len(ROUGE_TYPES))), columns=list(ROUGE_TYPES))
    first, second, third = intervals({"a": scores, "b": scores + 10, "c": scores}, params())
    assert [row["system"] for row in (first, second, third)] == ["a", "b", "c"]
    for name in ROUGE_TYPES:
        assert third[name] == first[name]
        for bound in ("mean", "lower", "upper"):
            assert second[name][bound] == pytest.approx(first[name][bound] + 10, abs=0.011)
    assert len({first[name]["mean"] for name in ROUGE_TYPES}) == len(ROUGE_TYPES)


def test_a_systems_interval_does_not_depend_on_the_others():
    draw = np.random.default_rng(1)
    one, other = (pd.DataFrame(draw.uniform(0, 90, (50, 4)), columns=list(ROUGE_TYPES)) for _ in "ab")
    assert intervals({"a": one, "b": other}, params())[1] == intervals({"b": other}, params())[0]


def test_a_signature_tells_recipes_and_articles_apart():
    changes = ({"seed": 1}, {"confidence": 0.9}, {"stemming": "snowball"})
    other_text = [{**ROWS[0], "text": "Otro."}, ROWS[1]]
    assert signature(ROWS, params(), "es") == signature(ROWS, params(), "es")
    others = [
        signature(ROWS[:1], params(), "es"),
        signature(other_text, params(), "es"),
        *(signature(ROWS, params(**change), "es") for change in changes),
    ]
    assert all(other != signature(ROWS, params(), "es") for other in others)


def test_workers_make_the_same_rows_in_the_same_order(monkeypatch):
    alone = scores_of()
    monkeypatch.setattr("stages.evaluate.MIN_FOR_WORKERS", 0)
    monkeypatch.setattr("stages.evaluate.ARTICLES_CHUNK", 1)
    assert scores_of() == alone


@pytest.mark.parametrize("threads", [1, 3])
def test_there_are_as_many_workers_as_threads_are_asked_for(monkeypatch, threads):
    asked = []
    monkeypatch.setattr("stages.evaluate.MIN_FOR_WORKERS", 0)
    monkeypatch.setattr(
        "stages.evaluate.ProcessPoolExecutor", lambda count: asked.append(count) or ThreadPoolExecutor(1)
    )
    monkeypatch.setenv("RESUMEN_THREADS", str(threads))
    scores_of()
    assert asked == [threads]


def test_what_a_vocabulary_can_write_is_scored_once_for_its_systems():
    whole = [
        {**row, "spelled_reference": output["summary"]} for row, output in zip(PREDICTIONS, ROWS, strict=True)
    ]
    output = {"lead-3": whole, "a": PREDICTIONS, "b": PREDICTIONS, "tuned": whole}
    lost, result = ceilings(ROWS, output, words)
    assert (lost["systems"], result["systems"]) == (["a", "b"], ["tuned"])
    assert lost["rouge1"] == 83.33  # "ao" for "año": two of three words, and all of the second
    assert result["rouge1"] == result["rougeL"] == 100.0


def test_a_breakdown_counts_every_article_once_in_each_way():
    rows = breakdown(ROWS, {"2"}, {"s": pd.DataFrame(scores_of())})
    for by in ("topic", "length", "truncated"):
        assert sum(row["articles"] for row in rows if row["by"] == by) == len(ROWS)
    cut = {row["value"]: row["rougeL"]["s"] for row in rows if row["by"] == "truncated"}
    assert cut == {"yes": 0.0, "no": 66.67}


PREDICTION_FAULTS = [
    (["1"], ": its ids are not those of data/raw/test.parquet, such as '2'"),
    (["1", "2", "3"], ": its ids are not those of data/raw/test.parquet, such as '3'"),
    (["1", "1", "2"], ":2: id '1' occurs twice"),
]


@pytest.mark.parametrize(("ids", "message"), PREDICTION_FAULTS)
def test_predictions_that_do_not_match_the_test_ids_are_refused(write, ids, message):
    rows = [{"id": name, "prediction": "", "spelled_reference": ""} for name in ids]
    path = write("p.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError) as error:
        read_predictions(path, ["1", "2"])
    assert str(error.value) == f"{path}{message}"


def test_a_prediction_that_is_no_text_is_refused(write):
    path = write("p.jsonl", '{"id": "1", "prediction": null, "spelled_reference": ""}\n')
    with pytest.raises(InputError, match=r"p\.jsonl:1: id '1': prediction: expected text, got None"):
        read_predictions(path, ["1"])


def test_predictions_come_in_the_order_of_the_test_split(write):
    rows = [{"id": name, "prediction": name, "spelled_reference": ""} for name in "312"]
    path = write("p.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert [row["id"] for row in read_predictions(path, ["1", "2", "3"])] == ["1", "2", "3"]


def answered(kind, answer, reference):
    """Return a row of answers; the id says all of it."""
    return Answer(f"{kind} {answer} {reference}", kind, "¿?", answer, reference)


# kind, answer, reference: 1 of 2 persons, 2 of 3 places, and what has no right answer
ANSWERS = [
    answered("open-question", "Logroño", None),
    answered("news-who", "ELENA CASTRO.", "Elena Castro"),
    answered("news-other", "Soria", "Soria"),
    answered("news-who", "Elena", "Elena Castro"),
    answered("news-other", "«Burgos»", "Burgos"),
    answered("news-other", "", "Toledo"),
]


def test_only_probes_with_one_right_answer_count():
    assert with_reference(ANSWERS) == ANSWERS[1:]
    assert with_reference(ANSWERS[:1]) == []


def test_exact_answers_are_worked_by_hand():
    assert exact_pct(ANSWERS[1:]) == 60.0
    assert exact_pct(ANSWERS[1:4]) == 66.67
    assert exact_pct(ANSWERS[5:]) == 0.0


def test_the_probes_are_summed_up_by_kind():
    (output,) = probe_summaries({"s": ANSWERS[1:], "asked nothing": []}, params())
    assert output.pop("lower") <= 60.0 <= output.pop("upper")
    assert output == {
        "system": "s",
        "num_asked": 5,
        "exact_pct": 60.0,
        "kinds": [
            {"kind": "news-who", "num_asked": 2, "exact_pct": 50.0},
            {"kind": "news-other", "num_asked": 3, "exact_pct": 66.67},
        ],
    }


def test_all_right_gives_an_interval_without_width_and_half_right_a_wide_one():
    right, wrong = answered("news-other", "Soria", "Soria"), answered("news-other", "Lugo", "Soria")
    output, half = probe_summaries({"s": [right] * 40, "t": [right, wrong] * 50}, params())
    assert (output["lower"], output["exact_pct"], output["upper"]) == (100.0, 100.0, 100.0)
    assert half["lower"] == pytest.approx(50 - 1.96 * 5, abs=1.5)
    assert half["upper"] == pytest.approx(50 + 1.96 * 5, abs=1.5)


def test_the_interval_of_a_system_is_the_same_beside_others():
    right, wrong = answered("news-other", "Soria", "Soria"), answered("news-other", "Lugo", "Soria")
    answers = {"a": [right, wrong] * 9, "b": [right] * 7, "c": [wrong, right, right] * 6}
    alone = [row for system, given in answers.items() for row in probe_summaries({system: given}, params())]
    assert probe_summaries(answers, params()) == alone


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def predicted(news, write, set_params, runs):
    """Predictions of the baselines and of `copy`, which writes the references themselves."""
    set_params({"systems": {"copy": {"from": "others/copy.jsonl"}}, "evaluate.bootstrap_samples": 200})
    write("data/answers/copy.jsonl", "")
    write("data/predictions/copy.meta.json", '{"source": "foreign"}')
    for name in ("flan-small", "t5-small"):
        write(f"metrics/curves/{name}.json", json.dumps([{"epoch": 0, "rougeL": 9.5}]))
    runs(extract)
    rows = [
        {"id": row["id"], "prediction": row["summary"], "spelled_reference": row["summary"]}
        for row in news["test"]
    ]
    write("data/predictions/copy.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return news["test"]


def written():
    paths = [*Path("metrics").rglob("*.json"), Path("data/scores.parquet")]
    return {str(path): path.read_bytes() for path in paths}


def test_content_words_and_stems_are_those_of_the_language_of_the_articles(
    predicted, set_params, runs, caplog
):
    signatures, columns = {}, {}
    for language in ("es", "fr", "zh"):
        set_params(
            {"data.language": language, "evaluate.stemming": "none" if language == "zh" else "snowball"}
        )
        runs(main)
        evaluation = read_json(Path("metrics/evaluation.json"))
        signatures[language] = [
            part for part in evaluation["signature"] if part.startswith(("stem", "conten"))
        ]
        columns[language] = set(pd.read_parquet("data/scores.parquet").columns)
        assert bool(evaluation["content"]) == (language != "zh")
        metrics = read_json(Path("metrics/systems/copy.json"))
        assert ("rougeL_content" in metrics) == (language != "zh")
    assert signatures["es"] == ["stem:snowball-es", "content:snowball-es"]
    assert signatures["fr"] == ["stem:snowball-fr", "content:snowball-fr"]
    assert signatures["zh"] == ["stem:none", "content:none"]
    assert columns["es"] == columns["fr"] == columns["zh"] | {"rouge1_content", "rougeL_content"}
    (message,) = [one for one in caplog.messages if "content words" in one]
    assert message == "data.language is zh: no content words of it are known, so none are scored"


def test_a_language_without_a_stemmer_cannot_be_stemmed(predicted, set_params, fails):
    set_params({"data.language": "zh", "evaluate.stemming": "snowball"})
    assert fails(main) == (
        "params.yaml: evaluate.stemming: Snowball has no stemmer of data.language, got 'zh' there; set none"
    )


def test_each_family_of_differences_has_its_own_measure_and_correction(predicted, set_params, runs):
    pair = {"question": "?", "system": "copy", "against": "lead-3"}
    other = {"question": "?", "system": "random-3", "against": "lead-1"}
    set_params({"comparisons": {"one": pair, "other": other}})
    runs(main)
    evaluation, scores = read_json(Path("metrics/evaluation.json")), pd.read_parquet("data/scores.parquet")
    for rows, measure in (
        (evaluation["differences"], "rougeL"),
        (evaluation["content"]["differences"], "rougeL_content"),
    ):
        means = scores.groupby("system")[measure].mean()
        assert [row["name"] for row in rows] == ["one", "other"]
        assert rows[0]["difference"] == round(means["copy"] - means["lead-3"], 2)
        assert all(row["p"] <= row["p_holm"] for row in rows)


def test_every_system_has_a_file_an_interval_and_a_score_an_article(predicted, runs):
    runs(main)
    systems = [*EXTRACTIVE, "copy"]
    assert sorted(path.stem for path in Path("metrics/systems").iterdir()) == sorted(systems)
    evaluation = read_json(Path("metrics/evaluation.json"))
    assert [row["system"] for row in evaluation["systems"]] == systems
    assert evaluation["num_articles"] == len(predicted)
    scores = pd.read_parquet("data/scores.parquet")
    expected = [(system, row["id"]) for system in systems for row in predicted]
    assert list(zip(scores["system"], scores["id"], strict=True)) == expected


def test_a_copy_of_any_reference_scores_100_and_the_signature_tells_them_apart(predicted, runs):
    runs(main)
    signature = read_json(Path("metrics/evaluation.json"))["signature"]
    path = Path("data/raw/test.parquet")
    rows = list(read_table(path, RAW.names))
    write_table(path, [{**row, "summary": "Otra cosa.", "references": [row["summary"]]} for row in rows], RAW)
    runs(main)
    assert read_json(Path("metrics/systems/copy.json"))["rougeL"] == 100.0
    assert read_json(Path("metrics/evaluation.json"))["signature"] != signature


def test_a_copy_of_the_references_scores_100(predicted, runs):
    runs(main)
    rows = read_json(Path("metrics/evaluation.json"))["systems"]
    row = next(row["values"] for row in rows if row["system"] == "copy")
    assert {row[name] for name in ROUGE_TYPES} == {100.0}
    assert (row["length_ratio"], row["empty_pct"], row["lost_words_pct"]) == (1.0, 0.0, 0.0)


META = {"num_beams": 1, "precision": "fp32", "device": "cpu", "torch": "2.13.0"}


@pytest.fixture
def answering(predicted, write, set_params):
    """`copy`, made elsewhere, and `own`, a model that answered probes and copies too."""
    copy = {"from": "others/copy.jsonl"}
    set_params({"systems": {"copy": copy, "own": {"from": "models/pretrained/t5-small"}}})
    write("data/predictions/own.jsonl", Path("data/predictions/copy.jsonl").read_bytes())
    write("data/predictions/own.meta.json", json.dumps(META))
    write("data/answers/own.jsonl", jsonl(answer._asdict() for answer in ANSWERS))


def test_exact_answers_stand_in_the_metrics_of_who_was_asked_and_of_nobody_else(answering, runs):
    runs(main)
    metrics = {path.stem: read_json(path) for path in Path("metrics/systems").iterdir()}
    assert metrics["own"]["probe_exact_pct"] == 60.0
    assert metrics.keys() == {*EXTRACTIVE, "copy", "own"}
    for name in (*EXTRACTIVE, "copy"):
        assert metrics[name].keys() == metrics["own"].keys() - {"probe_exact_pct"}


def test_a_systems_metrics_are_numbers_alone(answering, runs):
    runs(main)
    for path in Path("metrics/systems").iterdir():
        assert all(isinstance(value, float) for value in read_json(path).values())


def test_the_metrics_of_a_system_are_eight_headlines_and_fit_a_terminal(answering, runs):
    runs(main)
    values = read_json(Path("metrics/systems/own.json"))
    assert len(values) == 8
    path, blanks = "metrics/systems/t5-small-finetuned.json", 4  # between two columns of DVC's table
    assert len(path) + sum(blanks + max(len(name), len("100.00")) for name in values) <= 160
    rows = read_json(Path("metrics/evaluation.json"))["systems"]
    row = next(row["values"] for row in rows if row["system"] == "own")
    assert values.items() < row.items()
    assert {metric_of(name) for name in measures_in("evaluation", "es")} < row.keys()


def test_exact_answers_by_kind_stand_in_a_list_of_the_evaluation(answering, runs):
    runs(main)
    probes = read_json(Path("metrics/evaluation.json"))["probes"]
    assert isinstance(probes, list)  # lists stay out of the table of `dvc metrics show`
    assert [row["system"] for row in probes] == ["own"]
    assert [(kind["kind"], kind["num_asked"]) for kind in probes[0]["kinds"]] == [
        ("news-who", 2),
        ("news-other", 3),
    ]


def test_a_system_asked_only_what_has_no_right_answer_has_no_share_of_right_ones(answering, write, runs):
    write("data/answers/own.jsonl", jsonl([ANSWERS[0]._asdict()]))
    runs(main)
    assert "probe_exact_pct" not in read_json(Path("metrics/systems/own.json"))
    assert read_json(Path("metrics/evaluation.json"))["probes"] == []


def test_missing_answers_are_named(answering, fails):
    Path("data/answers/own.jsonl").unlink()
    assert fails(main) == "data/answers/own.jsonl: not found; `dvc repro` makes what is missing"


def test_equal_predictions_and_seed_give_equal_bytes_and_another_seed_other_intervals(
    predicted, set_params, runs
):
    runs(main)
    first = written()
    runs(main)
    assert written() == first
    set_params({"evaluate.seed": 8})
    runs(main)
    assert written()["data/scores.parquet"] == first["data/scores.parquet"]
    assert written()["metrics/evaluation.json"] != first["metrics/evaluation.json"]


def test_a_system_that_is_gone_leaves_no_file(predicted, write, runs):
    write("data/predictions/gone.jsonl", "")
    write("data/predictions/gone.meta.json", "{}")
    write("data/answers/gone.jsonl", "")
    write("data/answers/lead-3.jsonl", "")  # which answers nothing
    write("metrics/systems/gone.json", "{}")
    runs(main)
    assert not list(Path("data/predictions").glob("gone*"))
    assert Path("data/predictions/copy.meta.json").exists()
    assert not Path("metrics/systems/gone.json").exists()
    assert [path.name for path in Path("data/answers").iterdir()] == ["copy.jsonl"]


def test_a_missing_file_of_predictions_is_named(predicted, fails):
    Path("data/predictions/lead-3.jsonl").unlink()
    assert fails(main) == "data/predictions/lead-3.jsonl: not found; `dvc repro` makes what is missing"


def test_differences_name_the_pairs_that_are_there(predicted, write, set_params, runs):
    systems = {"finetuned": "models/finetuned/flan-small", "flan-small": "models/pretrained/flan-small"}
    set_params({"systems": {name: {"from": source} for name, source in systems.items()}})
    good = Path("data/predictions/copy.jsonl").read_text(encoding="utf-8")
    write("data/predictions/finetuned.jsonl", good)
    bad = [{**json.loads(line), "prediction": "xyz"} for line in good.splitlines()]
    write("data/predictions/flan-small.jsonl", jsonl(bad))
    for name in systems:
        write(f"data/answers/{name}.jsonl", "")
        write(f"data/predictions/{name}.meta.json", json.dumps(META))
    runs(main)
    rows = read_json(Path("metrics/evaluation.json"))["differences"]
    assert [(row["system"], row["against"]) for row in rows] == [
        ("finetuned", "flan-small"),
        ("finetuned", "lead-3"),
    ]
    assert rows[0]["verdict"] == "better"
    assert rows[0]["difference"] == pytest.approx(100, abs=5)
    assert rows[0]["p"] <= rows[0]["p_holm"]


def test_another_pair_is_compared_by_params_alone(answering, set_params, runs, caplog):
    pair = {"question": "mine", "system": "own", "against": "lead-3"}
    gone = {"question": "theirs", "system": "own", "against": "t5-large"}
    set_params({"comparisons": {"mine": pair, "theirs": gone}})
    runs(main)
    (row,) = read_json(Path("metrics/evaluation.json"))["differences"]
    assert {key: row[key] for key in pair} == pair
    assert row["name"] == "mine"
    assert row["p_holm"] == row["p"]  # a family of one
    assert "comparisons.theirs: left out: no system t5-large" in caplog.messages


def test_a_pair_against_the_base_is_left_out_with_a_line_where_no_system_runs_it(
    answering, set_params, runs, caplog
):
    set_params({"comparisons": {"mine": {"question": "mine", "system": "own", "against": None}}})
    set_params({"finetunings.flan-small.base": "flan-large"})
    runs(main)
    assert read_json(Path("metrics/evaluation.json"))["differences"] == []
    assert "comparisons.mine: left out: no system that runs the base as it was published" in caplog.messages


def test_the_decoding_is_the_one_that_generate_wrote(answering, runs):
    runs(main)
    decoding = {
        row["system"]: row["decoding"] for row in read_json(Path("metrics/evaluation.json"))["systems"]
    }
    assert decoding["own"] == "num_beams:1|precision:fp32|device:cpu|torch:2.13.0"
    assert decoding["copy"] == "foreign"
    assert decoding["lead-3"] == "none"


def test_a_system_that_was_left_out_is_in_no_metric_and_its_files_stay(answering, write, runs, caplog):
    write("data/predictions/own.jsonl", "")
    write("data/predictions/own.meta.json", '{"left_out": "no miniature"}')
    write("data/answers/own.jsonl", "")
    runs(main)
    assert "own: left out: no miniature" in caplog.messages
    assert sorted(path.stem for path in Path("metrics/systems").iterdir()) == sorted([*EXTRACTIVE, "copy"])
    assert Path("data/predictions/own.meta.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, ": not found; `dvc repro` makes what is missing"),
        ("[]", ": expected an object, got []; run `dvc repro generate@own`"),
    ],
)
def test_what_predictions_were_made_with_has_to_be_there(answering, write, fails, content, message):
    path = write("data/predictions/own.meta.json", content or "")
    if content is None:
        path.unlink()
    assert fails(main) == f"data/predictions/own.meta.json{message}"


def test_a_reference_without_words_stops_the_stage(predicted, write, fails):
    from resumen.schema.rows import RAW, write_table

    rows = [{**row, "summary": "¡…!"} for row in predicted]
    write_table(Path("data/raw/test.parquet"), rows, RAW)
    message = f"data/raw/test.parquet: id {predicted[0]['id']!r}: a reference without words; run `dvc repro`"
    assert fails(main) == message


def test_predictions_of_other_articles_stop_the_stage(predicted, write, fails):
    write("data/predictions/copy.jsonl", '{"id": "x", "prediction": "", "spelled_reference": ""}\n')
    assert fails(main).startswith(
        "data/predictions/copy.jsonl: its ids are not those of data/raw/test.parquet"
    )
