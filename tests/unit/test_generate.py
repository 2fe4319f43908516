"""Generate: a system's summaries in the order of the test split, or somebody else's, id by id."""

import json
from pathlib import Path

import pandas as pd
import pytest

from resumen.checkpoint.tensors import check_tensors, header_of
from resumen.generation.summaries import system_prompts
from resumen.model.decoding import generate_in_batches
from resumen.model.operations import num_parameters, summary_operations
from resumen.runtime.jsonfiles import read_json
from resumen.schema.jsonl import read_jsonl
from resumen.schema.params import read_params
from resumen.schema.predictions import read_meta
from resumen.schema.rows import FORMATTED, RAW, read_table, write_table
from resumen.schema.systems import SystemParams
from resumen.text.conversation import render_conversation
from resumen.tools.summarize import main as summarize
from resumen.vocabulary.tokenizer import encode, load_tokenizer, round_trip
from stages.generate import main
from tests.helpers.conversations import random_messages

FORMATTED_TEST = Path("data/formatted/test.parquet")
MODEL = Path("models/pretrained/flan-small")
KEYS = ("id", "prediction", "source_tokens", "summary_tokens", "truncated", "spelled_reference")


@pytest.fixture
def ready(formatted, base, set_params):
    """A project whose `flan-small` is the untied tiny T5; short prompts, short summaries."""
    set_params({"generate.max_new_tokens": 5, "tokenize.source_tokens": 40})
    return formatted["test"]


def made(name):
    return list(read_jsonl(Path(f"data/predictions/{name}.jsonl"), KEYS))


def test_there_is_one_prediction_an_article_in_their_order(ready, runs):
    runs(main, "flan-small")
    assert [row["id"] for row in made("flan-small")] == [row["id"] for row in ready]
    assert all(set(row) == set(KEYS) for row in made("flan-small"))


def test_equal_runs_give_equal_bytes(ready, runs):
    written = []
    for _ in range(2):
        runs(main, "flan-small")
        written.append(Path("data/predictions/flan-small.jsonl").read_bytes())
    assert written[0] == written[1]


def test_summaries_by_weights_in_int8_say_so(ready, set_params, runs):
    set_params({"generate.precision": "int8"})
    runs(main, "flan-small")
    assert read_json(Path("data/predictions/flan-small.meta.json"))["precision"] == "int8"


def test_lengths_are_in_tokens_and_a_cut_article_is_marked(ready, base, runs):
    runs(main, "flan-small")
    prompts = [f"Resume el siguiente articulo:\n\n{row['text']}" for row in ready]
    lengths = [len(ids) for ids in encode(load_tokenizer(base), prompts)]
    assert [row["source_tokens"] for row in made("flan-small")] == [min(length, 40) for length in lengths]
    assert [row["truncated"] for row in made("flan-small")] == [length > 40 for length in lengths]


def test_a_summary_counts_the_tokens_that_were_written_its_end_among_them(ready, runs, monkeypatch):
    rows = [[0, 7, 8, 1, 0, 0], [0, 9, 1, 0, 0, 0], [0, 7, 8, 9, 7, 8]]
    monkeypatch.setattr(
        "resumen.model.decoding.search", lambda model, cache, decoding: (rows * 9)[: cache.past.shape[2]]
    )
    runs(main, "flan-small")
    assert {row["summary_tokens"] for row in made("flan-small")} == {3, 2, 5}


def test_shuffled_formatted_rows_meet_their_own_id(ready, runs):
    rows = list(read_table(FORMATTED_TEST, FORMATTED.names))
    write_table(FORMATTED_TEST, rows[::-1], FORMATTED)
    system = SystemParams.model_validate({"from": "models/pretrained/flan-small"})
    prompts = system_prompts(system, ready)
    assert prompts == [row["prompt"] for row in rows] != [row["prompt"] for row in rows[::-1]]


def test_predictions_keep_the_order_of_the_raw_split_and_their_own_prompts(ready, runs):
    runs(main, "flan-small")
    before = made("flan-small")
    write_table(Path("data/raw/test.parquet"), ready[::-1], RAW)
    runs(main, "flan-small")
    assert made("flan-small") == before[::-1] != before


def test_an_article_without_a_prompt_is_refused(ready, fails):
    write_table(FORMATTED_TEST, list(read_table(FORMATTED_TEST, FORMATTED.names))[1:], FORMATTED)
    message = "lacks id 'test-1' of data/raw/test.parquet; run `dvc repro`"
    assert fails(main, "flan-small") == f"{FORMATTED_TEST}: {message}"


@pytest.mark.parametrize(("source_tokens", "truncated"), [(5, {True}), (2000, {False})])
def test_the_mark_follows_the_limit(ready, set_params, runs, source_tokens, truncated):
    set_params({"tokenize.source_tokens": source_tokens})
    runs(main, "flan-small")
    assert {row["truncated"] for row in made("flan-small")} == truncated


def test_a_reference_is_spelled_as_the_systems_vocabulary_can(ready, base, runs):
    runs(main, "flan-small")
    references = [row["summary"] for row in ready]
    expected = round_trip(load_tokenizer(base), references)
    assert [row["spelled_reference"] for row in made("flan-small")] == expected != references


def test_a_template_of_its_own_takes_the_place_of_ours(ready, base, set_params, runs):
    set_params({"systems.own": {"from": "models/pretrained/flan-small", "template": "summarize: {text}"}})
    Path("data/formatted/test.parquet").unlink()
    runs(main, "own")
    lengths = [
        len(ids) for ids in encode(load_tokenizer(base), [f"summarize: {row['text']}" for row in ready])
    ]
    assert [row["source_tokens"] for row in made("own")] == [min(length, 40) for length in lengths]


def test_decoding_of_its_own_is_laid_over_that_of_all(ready, set_params, runs):
    source = {"from": "models/pretrained/flan-small"}
    for name, options in {"short": {"max_new_tokens": 1}, "beams": {"num_beams": 3}, "plain": {}}.items():
        set_params({f"systems.{name}": {**source, **options}})
        runs(main, name)
    set_params({"generate.num_beams": 3})
    runs(main, "flan-small")
    text = {
        name: [row["prediction"] for row in made(name)] for name in ("short", "beams", "plain", "flan-small")
    }
    assert text["beams"] == text["flan-small"]
    assert text["short"] != text["plain"]


def test_a_system_may_have_a_batch_of_its_own_and_writes_the_same(ready, set_params, runs, monkeypatch):
    import resumen.generation.summaries

    sizes = []

    def remember(ids, generate, batch_size, what, journal):
        sizes.append(batch_size)
        return generate_in_batches(ids, generate, batch_size, what, journal)

    monkeypatch.setattr(resumen.generation.summaries, "generate_in_batches", remember)
    set_params({"systems.small": {"from": "models/pretrained/flan-small", "batch_size": 2}})
    runs(main, "flan-small")
    runs(main, "small")
    assert sizes == [read_params()["generate"]["batch_size"] or 100, 2]
    assert made("small") == made("flan-small")


@pytest.fixture
def seen(monkeypatch):
    """The ids of every prompt that reaches a model, in the order of the test split."""
    import resumen.generation.summaries

    rows = []

    def remember(ids, generate, batch_size, what, journal):
        rows.extend(ids)
        return [[]] * len(ids)

    monkeypatch.setattr(resumen.generation.summaries, "generate_in_batches", remember)
    return rows


@pytest.fixture
def talks(ready, set_params):
    """Prompts of the test split as conversations, one of which fits into 60 tokens and others do not."""
    prompts = [render_conversation(random_messages(seed)) for seed in range(len(ready))]
    rows = [
        {"id": row["id"], "prompt": prompt, "completion": row["summary"]}
        for row, prompt in zip(ready, prompts, strict=True)
    ]
    write_table(FORMATTED_TEST, rows, FORMATTED)
    set_params({"format.style": "conversation", "tokenize.source_tokens": 60})
    return prompts


def test_a_conversation_loses_its_oldest_turns(talks, base, seen, runs):
    runs(main, "flan-small")
    tokenizer = load_tokenizer(base)
    whole, mark = encode(tokenizer, talks), encode(tokenizer, ["[Asistente]"])[0]
    header = encode(tokenizer, ["Conversación:"])[0][:-1]
    assert [row["source_tokens"] for row in made("flan-small")] == [len(ids) for ids in seen]
    assert [row["truncated"] for row in made("flan-small")] == [len(ids) > 60 for ids in whole]
    assert {True, False} == {len(ids) > 60 for ids in whole}
    for ids, uncut, prompt in zip(seen, whole, talks, strict=True):
        if len(uncut) <= 60:
            assert ids == uncut
        else:
            question = encode(tokenizer, [prompt.split("\n")[-2]])[0][:-1]
            room = 60 - len(header) - len(mark)
            assert ids[: len(header)] == header
            assert ids[-len(mark) :] == mark
            message = ids[len(header) : -len(mark)]
            assert (
                message[-len(question) :] == question if len(question) <= room else message == question[:room]
            )


def test_a_template_of_its_own_is_cut_at_its_end_whatever_the_style(
    talks, ready, base, seen, set_params, runs
):
    template = "[Usuario] Resume:\n{text}\n[Asistente]"
    set_params({"systems.own": {"from": "models/pretrained/flan-small", "template": template}})
    set_params({"tokenize.source_tokens": 30})
    runs(main, "own")
    prompts = [f"[Usuario] Resume:\n{row['text']}\n[Asistente]" for row in ready]
    whole = encode(load_tokenizer(base), prompts)
    assert seen == [[*ids[:29], 1] for ids in whole]


def test_under_instruction_a_prompt_is_cut_at_its_end(talks, base, seen, set_params, runs):
    set_params({"format.style": "instruction"})
    runs(main, "flan-small")
    whole = encode(load_tokenizer(base), talks)
    assert seen == [ids if len(ids) <= 60 else [*ids[:59], 1] for ids in whole]


def test_a_style_that_format_has_not_seen_is_refused(ready, set_params, fails):
    set_params({"format.style": "conversation"})
    assert fails(main, "flan-small").startswith("data/formatted: no conversation: expected 'Conversación:'")


def test_an_unknown_style_is_refused_with_the_known_ones(ready, set_params, fails):
    set_params({"format.style": "conversaton"})
    message = "unknown style, expected instruction or conversation, got 'conversaton'"
    assert fails(main, "flan-small") == f"params.yaml: format.style: {message}"


@pytest.fixture
def foreign(news, write, set_params):
    """A function that writes the rows of system `gpt`, made elsewhere."""

    def put(rows):
        write("others/gpt.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        set_params({"systems.gpt": {"from": "others/gpt.jsonl"}})

    return put


def predictions(news):
    return [{"id": row["id"], "prediction": f"Sobre {row['id']}"} for row in news["test"]]


def test_what_summaries_are_made_with_stands_beside_them(ready, set_params, runs, monkeypatch):
    monkeypatch.setattr(
        "resumen.generation.summaries.version", {"torch": "2.13.0+cu130", "transformers": "5.23.0"}.get
    )
    set_params({"systems.flan-small.num_beams": 2, "generate.precision": "auto"})
    runs(main, "flan-small")
    meta = read_meta("flan-small")
    assert meta.pop("precision") in ("bf16", "fp32")  # as it was chosen here
    config = check_tensors(
        {"": header_of(MODEL / "model.safetensors", "")}, read_json(MODEL / "config.json"), ""
    )
    num_rows = read_json(MODEL / "config.json")["vocab_size"]
    lengths = [(row["source_tokens"], row["summary_tokens"]) for row in made("flan-small")]
    assert all(1 <= written <= 5 for _, written in lengths)
    operations = [summary_operations(config, num_rows, *pair, num_beams=2) for pair in lengths]
    assert meta.pop("cost") == {
        "parameters": num_parameters(config, num_rows),
        "operations": round(sum(operations) / len(operations)),
    }
    assert meta == {
        **{"num_beams": 2, "max_new_tokens": 5, "no_repeat_ngram_size": 6, "length_penalty": 1.0},
        **{"device": "cpu", "torch": "2.13.0", "transformers": "5.23.0"},
    }


def test_a_system_whose_checkpoint_was_left_out_has_no_summaries_and_says_why(ready, write, set_params, runs):
    write("models/pretrained/xl/provenance.json", '{"left_out": "no miniature", "sha256": {}}')
    set_params({"systems.xl": {"from": "models/pretrained/xl"}})
    runs(main, "xl")
    assert Path("data/predictions/xl.jsonl").read_bytes() == b""
    assert read_meta("xl") == {"left_out": "no miniature"}


def test_a_folder_from_elsewhere_is_not_left_out_by_what_it_says_of_itself(
    ready, base, write, set_params, runs
):
    write("mine/provenance.json", '{"left_out": "\\ud800", "sha256": {}}')
    for file in base.iterdir():
        if file.name != "provenance.json":
            write(f"mine/{file.name}", file.read_bytes())
    set_params({"systems.mine": {"from": "mine"}})
    runs(main, "mine")
    assert len(made("mine")) == len(ready)


def test_predictions_made_elsewhere_come_in_any_order(news, foreign, runs):
    foreign(predictions(news)[::-1])
    runs(main, "gpt")
    assert made("gpt") == [
        {
            "id": row["id"],
            "prediction": f"Sobre {row['id']}",
            "source_tokens": None,
            "summary_tokens": None,
            "truncated": None,
            "spelled_reference": row["summary"],
        }
        for row in news["test"]
    ]


def test_predictions_made_elsewhere_are_normalized_as_the_articles_are(news, foreign, runs):
    foreign([row | {"prediction": "El nin\u0303o de\u00a0So\u00adria"} for row in predictions(news)])
    runs(main, "gpt")
    assert {row["prediction"] for row in made("gpt")} == {"El niño de Soria"}


@pytest.mark.parametrize(
    "name", ["gpt.jsonl", "gpt.json", "gpt.csv", "gpt.tsv", "gpt.parquet", "gpt.ndjson.gz"]
)
@pytest.mark.parametrize("column", ["prediction", "summary"])
def test_predictions_made_elsewhere_come_in_any_format(news, write, set_params, runs, name, column):
    table = pd.DataFrame(predictions(news)).rename(columns={"prediction": column})
    path = write(f"others/{name}", "")
    if name.endswith((".csv", ".tsv")):
        table.to_csv(path, index=False, sep="\t" if ".tsv" in name else ";")
    elif name.endswith(".parquet"):
        table.to_parquet(path)
    else:
        table.to_json(path, orient="records", lines=not name.endswith(".json"))
    set_params({"systems.gpt": {"from": f"others/{name}"}})
    runs(main, "gpt")
    assert [row["prediction"] for row in made("gpt")] == [row["prediction"] for row in predictions(news)]


def test_a_number_is_an_id(news, write, set_params, runs):
    rows = [{**row, "id": str(number)} for number, row in enumerate(news["test"])]
    write_table(Path("data/raw/test.parquet"), rows, RAW)
    write("gpt.jsonl", "".join(json.dumps({"id": int(row["id"]), "prediction": "a"}) + "\n" for row in rows))
    set_params({"systems.gpt": {"from": "gpt.jsonl"}})
    runs(main, "gpt")
    assert [row["id"] for row in made("gpt")] == [row["id"] for row in rows]


def test_predictions_for_the_whole_published_split_are_paired_with_the_rows_that_fetch_kept(
    news, foreign, runs, caplog
):
    foreign([*predictions(news), {"id": "test-900", "prediction": "De una fila en inglés"}])
    runs(main, "gpt")
    assert [row["id"] for row in made("gpt")] == [row["id"] for row in news["test"]]
    assert (
        "gpt: 6 predictions paired with the test articles; left out: 1, such as 'test-900', of articles that "
        "`fetch` dropped or did not take"
    ) in caplog.messages


def test_what_summarize_writes_is_read_back(ready, write, set_params, runs, capsys):
    write(
        "articles.jsonl", "".join(json.dumps({"id": row["id"], "text": row["text"]}) + "\n" for row in ready)
    )
    capsys.readouterr()
    runs(summarize, "--json", "--model", "flan-small", "articles.jsonl")
    write("own.jsonl", capsys.readouterr().out)
    set_params({"systems.mine": {"from": "own.jsonl"}})
    runs(main, "mine")
    runs(main, "flan-small")
    assert [row["prediction"] for row in made("mine")] == [row["prediction"] for row in made("flan-small")]


FOREIGN_FAULTS = [
    (
        lambda rows: rows[1:],
        ": system gpt: lacks the ids of 1 of 6 articles, such as 'test-1', and has [",
    ),
    (lambda rows: [*rows, rows[0]], ":7: system gpt: id 'test-1' occurs twice"),
    (
        lambda rows: [{**rows[0], "prediction": None}, *rows[1:]],
        ":1: system gpt, id 'test-1': prediction: expected text, got None",
    ),
    (
        lambda rows: [{**rows[0], "prediction": 3.5}, *rows[1:]],
        ":1: system gpt, id 'test-1': prediction: expected text, got 3.5",
    ),
    (
        lambda rows: [{**rows[0], "prediction": "a" * 1_000_000}, *rows[1:]],
        ":1: system gpt, id 'test-1': prediction: expected at most 100,000 characters, got 1,000,000",
    ),
    (
        lambda rows: [{**rows[0], "prediction": "El \x07 niño\x1b[31m"}, *rows[1:]],
        ":1: system gpt, id 'test-1': prediction: expected no control character, got '\\x07'; take it out",
    ),
    (
        lambda rows: [{**rows[0], "prediction": "<pad> Sobre el río</s>"}, *rows[1:]],
        ":1: system gpt, id 'test-1': prediction: holds <pad>, no word but a special token; decode with skip",
    ),
    (
        lambda rows: [{**rows[0], "id": 1}, *rows[1:]],
        ": system gpt: lacks the ids of 1 of 6 articles, such as 'test-1', and has [",
    ),
    (
        lambda rows: [{**rows[0], "id": 1.5}, *rows[1:]],
        ":1: system gpt: id: expected text or a whole number, got 1.5",
    ),
    (
        lambda rows: [{**rows[0], "id": ["test-1"]}, *rows[1:]],
        ":1: system gpt: id: expected text or a whole number, got ['test-1']",
    ),
    (
        lambda rows: [*rows[:2], {"id": "test-3", "summary": "x"}],
        ":3: system gpt, id 'test-3': prediction: expected text, got None",
    ),
    (lambda rows: [], ": empty; expected a JSON object a line"),
    (
        lambda rows: [{"id": row["id"], "texto": "x"} for row in rows],
        ": system gpt: expected the columns id and prediction (or summary), has ['id', 'texto']; rename them",
    ),
]


@pytest.mark.parametrize(("change", "message"), FOREIGN_FAULTS)
def test_predictions_that_do_not_match_the_test_ids_are_refused(news, foreign, fails, change, message):
    foreign(change(predictions(news)))
    assert fails(main, "gpt").startswith(f"others/gpt.jsonl{message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no\n", "others/gpt.jsonl:1: not JSON: "),
        (b'{"id": "a\xf1o"}\n', "others/gpt.jsonl:1: not UTF-8, got byte 0xf1"),
    ],
)
def test_a_broken_file_of_predictions_is_refused(news, foreign, write, fails, content, message):
    foreign([])
    write("others/gpt.jsonl", content)
    assert fails(main, "gpt").startswith(message)


def test_an_unknown_system_is_refused(ready, fails):
    assert (
        fails(main, "flan-smal") == "params.yaml: systems.flan-smal: no such system; did you mean flan-small?"
    )


@pytest.mark.parametrize("value", [0, "many", None])
def test_a_limit_that_is_no_number_of_tokens_is_refused(ready, set_params, fails, value):
    set_params({"tokenize.source_tokens": value, "profiles.mini.tokenize.source_tokens": value})
    assert "tokenize.source_tokens: " in fails(main, "flan-small")


def test_a_section_of_another_stage_that_is_no_mapping_is_refused(ready, set_params, fails):
    set_params({"tokenize": 3})
    assert fails(main, "flan-small") == "params.yaml: tokenize: expected keys and values, got 3"


@pytest.mark.parametrize("key", ["num_beams", "length_penalty", "max_new_tokens"])
def test_a_missing_key_of_decoding_is_refused(ready, set_params, fails, key):
    set_params({f"generate.{key}": ...})
    message = f"generate.{key}: no value here nor in profiles.mini.generate; set one"
    assert fails(main, "flan-small") == f"params.yaml: {message}"


def test_a_folder_without_weights_is_refused(ready, base, fails):
    (base / "model.safetensors").unlink()
    assert fails(main, "flan-small").startswith(
        "models/pretrained/flan-small: no model*.safetensors; expected"
    )


def test_a_tokenizer_with_more_pieces_than_rows_is_refused(ready, base, fails):
    content = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["vocab"] += [[f"x{number}", -9.0] for number in range(50)]
    (base / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    assert "its tokenizer has " in fails(main, "flan-small")
