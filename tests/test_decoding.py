"""Decoding: batches of like length change neither the order nor, in float32, the words."""

from itertools import pairwise

import pytest
import torch

from stages.shared.decoding import encode_prompts, generator, greedy, in_batches, write_texts
from stages.shared.models import load_model
from stages.shared.spelling import load_tokenizer

CPU = torch.device("cpu")
ROWS = [[9], [7, 7, 7], [5, 5], [], [8, 8], [6, 6, 6, 6]]
PROMPTS = ["Resume: llueve.", "Resume: el ayuntamiento compró doce autobuses y llegarán en otoño.", "Sí", ""]


def doubled(batch):
    """A stand-in for a model: its output is the input, twice."""
    return [row + row for row in batch]


@pytest.mark.parametrize("batch_size", [1, 2, 4, 100])
def test_order_survives_batching_by_length(batch_size):
    assert in_batches(ROWS, doubled, batch_size, "test") == [row + row for row in ROWS]


def test_batches_come_longest_first_and_hold_rows_of_like_length():
    seen = []

    def remember(batch):
        seen.append([len(row) for row in batch])
        return batch

    in_batches(ROWS, remember, 2, "test")
    assert seen == [[4, 3], [2, 2], [1, 0]]


def test_a_model_that_returns_too_few_is_caught():
    with pytest.raises(ValueError, match="zip"):
        in_batches(ROWS, lambda batch: batch[1:], 2, "test")


@pytest.mark.parametrize(("kind", "num_beams"), [("tied", 1), ("untied", 1), ("untied", 2)])
def test_batched_output_is_that_of_generate_one_by_one(tiny, kind, num_beams):
    model, tokenizer = load_model(tiny[kind]), load_tokenizer(tiny[kind])
    ids, _ = encode_prompts(tokenizer, PROMPTS, max_tokens=12)
    generate = generator(model, greedy(9).model_copy(update={"num_beams": num_beams}), CPU)
    made = [trimmed(row) for row in in_batches(ids, generate, 3, "test")]
    alone = [
        model.generate(torch.tensor([row]), max_new_tokens=9, num_beams=num_beams, do_sample=False)[
            0
        ].tolist()
        for row in ids
    ]
    assert made == [trimmed(row) for row in alone]
    assert any(made[0] != row for row in made)


def trimmed(row):
    """Return the ids of an output without its padding."""
    while row and row[-1] == 0:
        row = row[:-1]
    return row


@pytest.mark.parametrize(("num_tokens", "size"), [(1, 0), (5, 2)])
def test_no_output_is_longer_than_asked_for(tiny, num_tokens, size):
    model, tokenizer = load_model(tiny["untied"]), load_tokenizer(tiny["untied"])
    decoding = greedy(num_tokens).model_copy(update={"no_repeat_ngram_size": size})
    ids, _ = encode_prompts(tokenizer, PROMPTS, max_tokens=None)
    outputs = in_batches(ids, generator(model, decoding, CPU), 2, "test")
    assert all(len(row) <= num_tokens + 1 for row in outputs)  # the start token is the first
    texts = write_texts(tokenizer, ids, generator(model, decoding, CPU), 2, "test")
    assert texts == tokenizer.decode_batch(outputs, skip_special_tokens=True)


def test_no_n_gram_is_repeated_where_that_is_forbidden(tiny):
    model, tokenizer = load_model(tiny["untied"]), load_tokenizer(tiny["untied"])
    ids, _ = encode_prompts(tokenizer, PROMPTS, max_tokens=None)
    repeated = {}
    for size in (0, 2):
        decoding = greedy(12).model_copy(update={"no_repeat_ngram_size": size})
        outputs = in_batches(ids, generator(model, decoding, CPU), 4, "test")
        pairs = [list(pairwise(trimmed(row))) for row in outputs]
        repeated[size] = any(len(set(found)) < len(found) for found in pairs)
    assert repeated == {0: True, 2: False}


def test_lengths_are_those_before_the_cut(vocabulary):
    tokenizer = load_tokenizer(vocabulary)
    uncut, lengths = encode_prompts(tokenizer, PROMPTS, max_tokens=None)
    ids, same = encode_prompts(tokenizer, PROMPTS, max_tokens=5)
    assert lengths == same == [len(row) for row in uncut]
    assert [len(row) for row in ids] == [min(length, 5) for length in lengths]
