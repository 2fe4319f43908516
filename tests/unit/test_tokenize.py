"""Tokenize: the vocabulary learns to spell, ids are transformers' own, padding earns no loss."""

import json
import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, DataCollatorForSeq2Seq

from resumen.runtime.jsonfiles import read_json
from resumen.schema.rows import FORMATTED, SPLITS, num_rows, read_table, write_table
from resumen.text.conversation import parse_conversation, render_conversation
from resumen.vocabulary.tokenizer import IGNORE_INDEX, SPANISH_LETTERS, encode, load_tokenizer, round_trip
from stages.tokenize import DYNAMIC, LONGEST, main, pad_row
from tests.helpers.conversations import random_messages

TOKENIZER = Path("data/tokenized/flan-small/tokenizer")


def table(split, schema=DYNAMIC):
    return list(read_table(Path(f"data/tokenized/flan-small/{split}.parquet"), schema.names))


def test_ids_are_those_of_autotokenizer_with_truncation(tokenized):
    theirs = AutoTokenizer.from_pretrained(TOKENIZER)
    for split in SPLITS:
        rows = list(read_table(Path(f"data/formatted/{split}.parquet"), ["prompt", "completion"]))
        sources = theirs([row["prompt"] for row in rows], max_length=60, truncation=True).input_ids
        targets = theirs([row["completion"] for row in rows], max_length=24, truncation=True).input_ids
        assert [row["input_ids"] for row in table(split)] == sources
        assert [row["labels"] for row in table(split)] == targets


def test_every_reference_survives_after_the_repair(tokenized):
    before, after = read_json(Path("metrics/tokenize/flan-small.json"))["spelling"]
    assert before["exact_round_trip_pct"] < 50
    assert before["unk_per_1000_tokens"] > 0
    assert (after["exact_round_trip_pct"], after["unk_per_1000_tokens"]) == (100.0, 0.0)
    references = [row["summary"] for rows in tokenized.values() for row in rows]
    assert round_trip(load_tokenizer(TOKENIZER), references) == references


def test_equal_inputs_give_equal_bytes(tokenized, runs):
    def made():
        return {
            path: path.read_bytes() for path in Path("data/tokenized/flan-small").rglob("*") if path.is_file()
        }

    before = made()
    runs(main, "flan-small")
    assert made() == before


def test_lengths_and_truncation_are_counted_before_the_cut(formatted, base, set_params, runs):
    lengths = []
    for tokens in (20, 2000):
        set_params({"tokenize.source_tokens": tokens, "tokenize.target_tokens": tokens})
        runs(main, "flan-small")
        lengths.append(read_json(Path("metrics/tokenize/flan-small.json"))["lengths"])
        assert max(len(row["input_ids"]) for row in table("train")) <= tokens
    for short, long in zip(*lengths, strict=True):
        assert short.pop("truncated_pct") > long.pop("truncated_pct") == 0.0
        assert short == long


def test_longest_is_one_size_over_all_three_splits(tokenized, set_params, runs):
    unpadded = {split: table(split) for split in SPLITS}
    set_params({"tokenize.padding": "longest"})
    runs(main, "flan-small")
    rows = [row for split in SPLITS for row in unpadded[split]]
    source, target = (max(len(row[name]) for row in rows) for name in ("input_ids", "labels"))
    for split in SPLITS:
        for row, short in zip(table(split, LONGEST), unpadded[split], strict=True):
            ids, labels = short["input_ids"], short["labels"]
            assert row["id"] == short["id"]
            assert row["input_ids"] == ids + [0] * (source - len(ids))
            assert row["attention_mask"] == [1] * len(ids) + [0] * (source - len(ids))
            assert row["labels"] == labels + [IGNORE_INDEX] * (target - len(labels))
    assert 0 < read_json(Path("metrics/tokenize/flan-small.json"))["padding_pct"] < 100


@pytest.mark.parametrize("kind", ["tied", "untied"])
def test_a_padded_batch_has_the_loss_of_a_dynamic_one(tokenized, tiny, kind):
    model = AutoModelForSeq2SeqLM.from_pretrained(tiny[kind]).eval()
    rows = table("train")[:8]
    assert len({len(row["labels"]) for row in rows}) > 1
    padded = [pad_row(row, source=70, target=40, pad_id=0) for row in rows]
    with torch.no_grad():
        names = [name for name in LONGEST.names if name != "id"]
        fixed = model(**{name: torch.tensor([row[name] for row in padded]) for name in names}).loss
        rows = [{name: row[name] for name in ("input_ids", "labels")} for row in rows]
        dynamic = model(**DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(TOKENIZER))(rows)).loss
    assert float(fixed) == pytest.approx(float(dynamic), abs=1e-5)


def test_the_repaired_tokenizer_survives_being_saved_again(tokenized, tmp_path):
    AutoTokenizer.from_pretrained(TOKENIZER).save_pretrained(tmp_path / "again")
    again = AutoTokenizer.from_pretrained(tmp_path / "again")
    text = "España, ¿según Íñigo?"
    assert again.decode(again(text).input_ids, skip_special_tokens=True) == text
    assert again(text).input_ids == AutoTokenizer.from_pretrained(TOKENIZER)(text).input_ids


def test_a_base_without_tokenizer_config_gets_t5s(formatted, base, runs):
    """google-t5/t5-base has none; without it AutoTokenizer knows no padding, and fine-tuning stopped."""
    theirs = AutoTokenizer.from_pretrained(base)
    (base / "tokenizer_config.json").unlink()
    runs(main, "flan-small")
    ours = AutoTokenizer.from_pretrained(TOKENIZER)
    assert (ours.pad_token_id, ours.eos_token_id, ours.unk_token_id) == (0, 1, 2)
    text = "Resume: llueve <extra_id_0> en Madrid."
    assert ours(text).input_ids == theirs(text).input_ids
    batch = DataCollatorForSeq2Seq(ours)(
        [{"input_ids": [5, 1], "labels": [1]}, {"input_ids": [1], "labels": [1]}]
    )
    assert batch["input_ids"].tolist() == [[5, 1], [1, 0]]


def test_sentinels_and_all_other_pieces_keep_their_ids(tokenized, base):
    before, after = load_tokenizer(base), load_tokenizer(TOKENIZER)
    assert before.token_to_id("<extra_id_0>") == after.token_to_id("<extra_id_0>")
    assert before.get_vocab().items() < after.get_vocab().items()


def one_row_a_split(prompt):
    for split in SPLITS:
        row = {"id": "1", "prompt": prompt, "completion": "El niño come."}
        write_table(Path(f"data/formatted/{split}.parquet"), [row], FORMATTED)


ARMENIAN = "".join(chr(code) for code in range(0x0531, 0x0557))  # 38 letters


def test_spare_rows_are_never_exceeded_and_what_finds_none_is_named(project, base, runs):
    one_row_a_split(f"Resume: {ARMENIAN} ñ ñ ☂ {'a ' * 40_000}")
    runs(main, "flan-small")
    vocab_size = read_json(base / "config.json")["vocab_size"]
    assert load_tokenizer(TOKENIZER).get_vocab_size() == vocab_size
    metrics = read_json(Path("metrics/tokenize/flan-small.json"))
    letters = metrics["letters_added"]
    assert letters[0] == "ñ"  # the most frequent first
    assert set(letters[: len(SPANISH_LETTERS)]) == set(SPANISH_LETTERS)
    spare = vocab_size - load_tokenizer(base).get_vocab_size()
    assert len(letters) == spare
    assert metrics["letters_left_out"] == len(SPANISH_LETTERS) + len(ARMENIAN) + 1 - spare
    named = {row["letter"]: row["count"] for row in metrics["left_out"]}
    assert named.keys() | set(letters) == set(SPANISH_LETTERS + ARMENIAN + "☂")
    assert set(named.values()) == {1}


def test_another_language_is_refused_with_the_rows_that_it_would_need(project, base, fails):
    russian = "".join(chr(code) for code in range(0x0410, 0x0450))
    one_row_a_split(f"Resume: {russian} {russian}")
    message = fails(main, "flan-small")
    assert re.match(
        r"models/pretrained/flan-small: its vocabulary lacks \d+ characters that are to be written, and its "
        r"embedding has 28 spare rows, \d+ too few for . . . ",
        message,
    )
    assert message.endswith(
        "set tokenize.spell_spanish=false (or the fine-tuning's own) to do without, or take a base of it"
    )


@pytest.mark.parametrize("spare", [0, 9])
def test_a_base_without_spare_rows_is_refused_with_their_number(formatted, base, fails, spare):
    config = read_json(base / "config.json")
    config["vocab_size"] = load_tokenizer(base).get_vocab_size() + spare
    (base / "config.json").write_text(json.dumps(config), encoding="utf-8")
    message = fails(main, "flan-small")
    assert (
        f"lacks 10 characters that are to be written, and its embedding has {spare} spare rows, " in message
    )
    assert f"{10 - spare} too few" in message


def test_letters_are_learnt_from_the_training_split_only(formatted, base, runs):
    path = Path("data/formatted/test.parquet")
    rows = [{**row, "completion": "Ω Ω Ω"} for row in read_table(path, FORMATTED.names)]
    write_table(path, rows, FORMATTED)
    runs(main, "flan-small")
    assert "Ω" not in read_json(Path("metrics/tokenize/flan-small.json"))["letters_added"]


def test_a_reference_survives_whose_letters_the_training_split_lacks(project, base, runs):
    row = {"id": "1", "prompt": "Resume: llueve.", "completion": "Llueve mucho."}
    reference = "¿Ñu? ¡Según Íñigo, Úrsula y Óscar, en Ávila sí!"
    for split, completion in zip(SPLITS, ("Llueve mucho.", "Llueve mucho.", reference), strict=True):
        write_table(Path(f"data/formatted/{split}.parquet"), [{**row, "completion": completion}], FORMATTED)
    runs(main, "flan-small")
    assert round_trip(load_tokenizer(TOKENIZER), [reference]) == [reference]
    metrics = read_json(Path("metrics/tokenize/flan-small.json"))
    assert sorted(metrics["letters_added"]) == sorted(SPANISH_LETTERS)
    assert metrics["spelling"][1]["exact_round_trip_pct"] == 100.0


def test_switched_off_the_vocabulary_is_the_bases(formatted, base, set_params, runs):
    set_params({"tokenize.spell_spanish": False})
    runs(main, "flan-small")
    assert load_tokenizer(TOKENIZER).to_str() == load_tokenizer(base).to_str()
    assert round_trip(load_tokenizer(TOKENIZER), ["España"]) == ["Espaa"]
    assert read_json(Path("metrics/tokenize/flan-small.json"))["letters_added"] == ""


def test_a_base_that_was_not_unpacked_is_refused(formatted, set_params, fails):
    set_params({"finetunings.flan-small.base": "flan-large"})
    assert (
        fails(main, "flan-small")
        == "models/pretrained/flan-large: not found; `dvc repro weights@flan-large` makes it"
    )


@pytest.mark.parametrize("split", SPLITS)
def test_a_missing_split_is_named(formatted, base, fails, split):
    path = Path(f"data/formatted/{split}.parquet")
    path.unlink()
    assert fails(main, "flan-small") == f"{path}: not found; `dvc repro` makes what is missing"


def test_every_row_has_its_ids(tokenized):
    for split in SPLITS:
        assert num_rows(Path(f"data/tokenized/flan-small/{split}.parquet")) == len(tokenized[split])
        assert all(row["labels"][-1] == row["input_ids"][-1] == 1 for row in table(split))
        assert [row["id"] for row in table(split)] == [row["id"] for row in tokenized[split]]


@pytest.mark.parametrize("section", ["tokenize", "finetune"])
def test_a_section_that_is_no_mapping_is_refused(formatted, base, set_params, fails, section):
    set_params({section: 3})
    assert fails(main, "flan-small") == f"params.yaml: {section}: expected keys and values, got 3"


def test_a_base_that_is_no_text_is_refused(formatted, base, set_params, fails):
    set_params({"finetunings.flan-small.base": ["flan-small"]})
    assert (
        fails(main, "flan-small")
        == "params.yaml: finetunings.flan-small.base: expected a valid string, got ['flan-small']"
    )


@pytest.fixture
def talks(project, base):
    """data/formatted of 40 random conversations a split, and the prompts of each."""
    prompts = {}
    for start, split in zip((0, 100, 200), SPLITS, strict=True):
        prompts[split] = [render_conversation(random_messages(seed)) for seed in range(start, start + 40)]
        rows = [
            {"id": f"{split}-{number}", "prompt": prompt, "completion": "Sí, en Logroño."}
            for number, prompt in enumerate(prompts[split])
        ]
        write_table(Path(f"data/formatted/{split}.parquet"), rows, FORMATTED)
    return prompts


def test_a_conversation_loses_its_oldest_turns(talks, set_params, runs):
    set_params({"format.style": "conversation", "tokenize.source_tokens": 90})
    runs(main, "flan-small")
    tokenizer, num_cut = load_tokenizer(TOKENIZER), 0
    for split in SPLITS:
        for row, prompt in zip(table(split), talks[split], strict=True):
            messages = parse_conversation(prompt)
            # the most of the latest turns that fit
            shorter = encode(
                tokenizer, [render_conversation(messages[start:]) for start in range(len(messages))]
            )
            fitting = [ids for ids in shorter if len(ids) <= 90]
            assert len(row["input_ids"]) <= 90
            if fitting:
                assert row["input_ids"] == fitting[0]
            else:
                mark = encode(tokenizer, ["[Asistente]"])[0]
                assert row["input_ids"] == [*shorter[-1][: 90 - len(mark)], *mark]
            num_cut += row["input_ids"] != shorter[0]
    assert 20 < num_cut < 100
    source = read_json(Path("metrics/tokenize/flan-small.json"))["lengths"][0]
    assert source["truncated_pct"] == round(100 * num_cut / 120, 2)
    assert source["max"] > 90


def test_an_instruction_that_looks_like_a_conversation_is_cut_at_its_end(talks, set_params, runs):
    set_params({"tokenize.source_tokens": 90})
    runs(main, "flan-small")
    tokenizer = load_tokenizer(TOKENIZER)
    for row, ids in zip(table("train"), encode(tokenizer, talks["train"]), strict=True):
        assert row["input_ids"] == (ids if len(ids) <= 90 else [*ids[:89], 1])


def test_a_vocabulary_without_padding_is_refused_where_rows_are_padded(tokenized, set_params, base, fails):
    path = base / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace("<pad>", "<fill>"), encoding="utf-8")
    set_params({"tokenize.padding": "longest"})
    message = "its vocabulary has no <pad>; set tokenize.padding to dynamic"
    assert fails(main, "flan-small") == f"models/pretrained/flan-small: {message}"


def test_longest_pads_conversations_to_what_is_left_of_them(talks, set_params, runs):
    set_params({"format.style": "conversation", "tokenize.source_tokens": 90})
    runs(main, "flan-small")
    lengths = [len(row["input_ids"]) for split in SPLITS for row in table(split)]
    set_params({"tokenize.padding": "longest"})
    runs(main, "flan-small")
    padded = [row for split in SPLITS for row in table(split, LONGEST)]
    assert {len(row["input_ids"]) for row in padded} == {max(lengths)}
    assert [sum(row["attention_mask"]) for row in padded] == lengths
    used, labels = sum(lengths), [row["labels"] for row in padded]
    targets = sum(token != IGNORE_INDEX for row in labels for token in row)
    expected = 100 * (1 - (used + targets) / (120 * (max(lengths) + len(labels[0]))))
    assert read_json(Path("metrics/tokenize/flan-small.json"))["padding_pct"] == round(expected, 2)


def test_a_limit_without_room_for_a_question_is_refused(talks, set_params, fails):
    set_params({"format.style": "conversation", "tokenize.source_tokens": 20})
    assert fails(main, "flan-small").startswith("params.yaml: tokenize.source_tokens: expected at least ")


def test_a_style_that_format_has_not_seen_is_refused(formatted, base, set_params, fails):
    set_params({"format.style": "conversation"})
    assert fails(main, "flan-small").startswith(
        "data/formatted: no conversation: expected 'Conversación:', turns, and "
    )


def test_an_unknown_style_is_refused_with_the_nearest(formatted, base, set_params, fails):
    set_params({"format.style": "instructions"})
    message = "unknown style, expected instruction or conversation, got 'instructions'"
    assert fails(main, "flan-small") == f"params.yaml: format.style: {message}"
