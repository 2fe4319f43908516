"""Decoding: batches of like length change neither the order nor, in float32, the words."""

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise
from operator import eq
from random import Random

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from resumen.model.decoding import (
    encode_prompts,
    generate_in_batches,
    greedy,
    make_generate,
    plan_batches,
)
from resumen.model.loading import load_t5
from resumen.model.t5 import T5
from resumen.schema.sections import Decoding
from resumen.vocabulary.tokenizer import load_tokenizer
from tests.helpers.reference import config_of, transformers_model

CPU = torch.device("cpu")
ROWS = [[9], [7, 7, 7], [5, 5], [], [8, 8], [6, 6, 6, 6]]
PROMPTS = ["Resume: llueve.", "Resume: el ayuntamiento compró doce autobuses y llegarán en otoño.", "Sí", ""]


def doubled(batch):
    """A stand-in for a model: its output is the input, twice."""
    return [row + row for row in batch]


@pytest.mark.parametrize("batch_size", [1, 2, 4, 100])
def test_order_survives_batching_by_length(batch_size):
    assert generate_in_batches(ROWS, doubled, batch_size, "test") == [row + row for row in ROWS]


def test_batches_come_longest_first_and_hold_as_many_tokens():
    seen = []

    def remember(batch):
        seen.append([len(row) for row in batch])
        return batch

    generate_in_batches(ROWS, remember, 1, "test")  # four tokens, padding included
    assert seen == [[4], [3], [2, 2], [1, 0]]


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_no_batch_holds_more_than_its_longest_rows_would(batch_size):
    draw = Random(1)
    lengths = [draw.randrange(1, 40) for _ in range(300)]
    planned = plan_batches(lengths, batch_size)
    assert sorted(index for indices in planned for index in indices) == list(range(300))
    padded = [len(indices) * max(lengths[index] for index in indices) for indices in planned]
    assert max(padded) <= batch_size * max(lengths)
    one_more = [(len(indices) + 1) * max(lengths[index] for index in indices) for indices in planned[:-1]]
    assert min(one_more) > batch_size * max(lengths)


def test_a_model_that_returns_too_few_is_caught():
    with pytest.raises(ValueError, match="zip"):
        generate_in_batches(ROWS, lambda batch: batch[1:], 2, "test")


def test_what_a_journal_holds_is_not_made_again(tmp_path):
    journal, output = tmp_path / "batches.jsonl", []

    def remember(batch):
        output.extend(batch)
        return doubled(batch)

    wanted = generate_in_batches(ROWS, remember, 1, "test", journal)
    output.clear()
    assert generate_in_batches(ROWS, remember, 1, "test", journal) == wanted
    assert output == []
    lines = journal.read_text(encoding="utf-8").splitlines()
    journal.write_text("\n".join([*lines[:-1], lines[-1][:20]]), encoding="utf-8")  # cut off
    assert generate_in_batches(ROWS, remember, 1, "test", journal) == wanted
    assert output == [[9], []]


def test_a_damaged_line_of_a_journal_counts_for_nothing(tmp_path):
    journal = tmp_path / "batches.jsonl"
    wanted = generate_in_batches(ROWS, doubled, 1, "test", journal)
    kept = journal.read_text(encoding="utf-8")
    for index, letter in enumerate(kept):
        if letter.isdigit():  # another digit makes another token, place or digest, all of them readable
            journal.write_text(f"{kept[:index]}{(int(letter) + 1) % 10}{kept[index + 1 :]}", encoding="utf-8")
            assert generate_in_batches(ROWS, doubled, 1, "test", journal) == wanted


SEARCHES = [  # beams, tokens, length penalty, n-gram that must not be repeated
    (1, 9, 1.0, 0),
    (1, 14, 1.0, 2),
    (2, 9, 1.0, 0),
    (4, 14, 1.0, 0),
    (4, 14, 0.6, 2),
    (3, 1, 2.0, 0),
]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("kind", ["tied", "untied", "mt5", "umt5"])
def test_batched_output_is_that_of_generate_one_by_one(tiny, kind, search, monkeypatch):
    num_beams, num_tokens, penalty, size = search
    theirs, tokenizer = transformers_model(tiny[kind]), load_tokenizer(tiny[kind])
    theirs.config.tie_word_embeddings = kind == "tied"  # transformers 5.23 scales the head of every UMT5
    ids, _ = encode_prompts(tokenizer, PROMPTS, max_tokens=12)
    options = {"max_new_tokens": num_tokens, "num_beams": num_beams, "do_sample": False}
    if num_beams > 1:
        options["length_penalty"] = penalty
    if size:
        options["no_repeat_ngram_size"] = size

    @cache
    def alone(eos):
        output = [
            theirs.generate(torch.tensor([row]), eos_token_id=eos, **options)[0].tolist() for row in ids
        ]
        return [trimmed(row)[1:] for row in output]

    # a random model hardly ever writes </s>: let another token end its texts, some before the others
    written = dict.fromkeys(token for row in alone(1) for token in row)
    eos = next((token for token in written if len(set(map(len, alone(token)))) > 1), 1)
    shape = replace(config_of(theirs), eos=eos)
    t5 = T5(dict(theirs.named_parameters()).__getitem__, shape, torch.float32)
    decoding = Decoding(
        max_new_tokens=num_tokens, num_beams=num_beams, length_penalty=penalty, no_repeat_ngram_size=size
    )
    for share in (1 / 4, 1 / 2, 1):  # of the articles done, when they leave
        monkeypatch.setattr("resumen.model.decoding.COMPACT_SHARE", share)
        output = generate_in_batches(ids, make_generate(t5, decoding), 4, "test")
        assert output == alone(eos), share


@pytest.mark.parametrize("num_beams", [1, 4])
@pytest.mark.parametrize("kind", ["mt5", "umt5"])
def test_a_relative_of_t5_writes_what_transformers_writes_64_times_of_64(tiny, kind, num_beams):
    theirs, draw = transformers_model(tiny[kind]), Random(num_beams)
    theirs.config.tie_word_embeddings = False  # transformers 5.23 scales the head of every UMT5
    ids = [[*(draw.randrange(3, 1_000) for _ in range(draw.randrange(2, 60))), 1] for _ in range(64)]
    padded = pad_sequence([torch.tensor(row) for row in ids], batch_first=True)  # (articles, tokens)
    options = {"max_new_tokens": 14, "num_beams": num_beams, "do_sample": False}
    rows = theirs.generate(padded, attention_mask=padded.ne(0).long(), **options)[:, 1:].tolist()
    expected = [row[: row.index(1) + 1] if 1 in row else row for row in rows]
    t5 = T5(dict(theirs.named_parameters()).__getitem__, config_of(theirs), torch.float32)
    decoding = greedy(14).model_copy(update={"num_beams": num_beams})
    output = generate_in_batches(ids, make_generate(t5, decoding), 16, "test")
    assert sum(map(eq, output, expected)) == 64


def test_texts_of_many_lengths_are_weighed_as_generate_weighs_them(tiny):
    # of few articles none has two texts so near that a length off by one would choose the other
    penalty, theirs, draw = 2.0, transformers_model(tiny["untied"]), Random(3)
    ids = [[*(draw.randrange(3, 1_000) for _ in range(draw.randrange(2, 9))), 1] for _ in range(40)]
    options = {"max_new_tokens": 8, "num_beams": 4, "length_penalty": penalty, "do_sample": False}

    def alone(eos):
        output = [
            theirs.generate(torch.tensor([row]), eos_token_id=eos, **options)[0].tolist() for row in ids
        ]
        return [trimmed(row)[1:] for row in output]

    written = Counter(token for row in alone(1) for token in row[:-1])
    (_, _), (eos, _) = written.most_common(2)
    t5 = T5(dict(theirs.named_parameters()).__getitem__, replace(config_of(theirs), eos=eos), torch.float32)
    decoding = Decoding(max_new_tokens=8, num_beams=4, length_penalty=penalty, no_repeat_ngram_size=0)
    assert generate_in_batches(ids, make_generate(t5, decoding), 8, "test") == alone(eos)


def trimmed(row):
    """Return the ids of an output without its padding."""
    while row and row[-1] == 0:
        row = row[:-1]
    return row


@pytest.mark.parametrize(("num_tokens", "size"), [(1, 0), (5, 2)])
def test_no_output_is_longer_than_asked_for(tiny, num_tokens, size):
    model, tokenizer = load_t5(tiny["untied"], torch.float32, CPU), load_tokenizer(tiny["untied"])
    decoding = greedy(num_tokens).model_copy(update={"no_repeat_ngram_size": size})
    ids, _ = encode_prompts(tokenizer, PROMPTS, max_tokens=None)
    outputs = generate_in_batches(ids, make_generate(model, decoding), 2, "test")
    assert all(len(row) <= num_tokens for row in outputs)


def test_no_n_gram_is_repeated_where_that_is_forbidden(tiny):
    model, tokenizer = load_t5(tiny["untied"], torch.float32, CPU), load_tokenizer(tiny["untied"])
    ids, _ = encode_prompts(tokenizer, PROMPTS, max_tokens=None)
    repeated = {}
    for size in (0, 2):
        decoding = greedy(12).model_copy(update={"no_repeat_ngram_size": size})
        outputs = generate_in_batches(ids, make_generate(model, decoding), 4, "test")
        pairs = [list(pairwise(row)) for row in outputs]
        repeated[size] = any(len(set(result)) < len(result) for result in pairs)
    assert repeated == {0: True, 2: False}


def test_lengths_are_those_before_the_cut(vocabulary):
    tokenizer = load_tokenizer(vocabulary)
    uncut, lengths = encode_prompts(tokenizer, PROMPTS, max_tokens=None)
    ids, same = encode_prompts(tokenizer, PROMPTS, max_tokens=5)
    assert lengths == same == [len(row) for row in uncut]
    assert [len(row) for row in ids] == [min(length, 5) for length in lengths]
