"""Truncation: the oldest turns of a conversation go first, its question and its marks stay."""

import json
import os
from random import Random

import pytest

from resumen.prompts import truncation
from resumen.prompts.truncation import encode_beginnings, encode_lines, encode_truncated, truncate_turns
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.text.conversation import HEADER, MARKS, render_conversation
from resumen.vocabulary.spelling import add_letters
from resumen.vocabulary.tokenizer import SPANISH_LETTERS, encode, load_tokenizer, truncate
from tests.helpers.conversations import GOLDEN, GOLDEN_PROMPT, random_messages

EOS = 1


@pytest.fixture(scope="module", params=["shipped", "with letters"])
def tokenizer(request, vocabulary, tmp_path_factory):
    """The shipped tokenizer, and the same with the letters of Spanish as `tokenize` adds them."""
    if request.param == "shipped":
        return load_tokenizer(vocabulary)
    folder = tmp_path_factory.mktemp("letters")
    content = add_letters(read_json(vocabulary / "tokenizer.json"), list(SPANISH_LETTERS), -12.0)
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return load_tokenizer(folder)


def test_the_ids_of_the_lines_are_those_of_the_whole_prompt(tokenizer):
    prompts = [render_conversation(random_messages(seed)) for seed in range(400)]
    joined = [[token for line in lines for token in line] for lines in encode_lines(tokenizer, prompts)]
    for prompt, ids, whole in zip(prompts, joined, encode(tokenizer, prompts), strict=True):
        assert ids == whole, prompt


def test_with_room_enough_a_conversation_is_encoded_whole(tokenizer):
    prompts = [render_conversation(random_messages(seed)) for seed in range(50)]
    whole = encode(tokenizer, prompts)
    longest = max(map(len, whole))
    assert encode_truncated(tokenizer, prompts, longest, "conversation") == (whole, [False] * 50)


def without_oldest(messages, count):
    """Return the ids that are expected once the `count` oldest turns are gone."""
    lines = render_conversation(messages).split("\n")
    return "\n".join([lines[0], *lines[1 + count :]])


def test_the_oldest_turns_go_one_at_a_time(tokenizer):
    sizes = [len(ids) for ids in encode(tokenizer, [without_oldest(GOLDEN, count) for count in range(3)])]
    assert sizes[0] > sizes[1] > sizes[2]
    for count in range(3):
        maximum = sizes[count - 1] - 1 if count else sizes[0] + 5
        for max_tokens in (sizes[count], maximum):
            ((ids,), (was_cut,)) = encode_truncated(tokenizer, [GOLDEN_PROMPT], max_tokens, "conversation")
            assert ids == encode(tokenizer, [without_oldest(GOLDEN, count)])[0]
            assert was_cut == (count > 0)


def test_a_question_that_is_too_long_by_itself_loses_its_end(tokenizer):
    question = encode(tokenizer, [without_oldest(GOLDEN, 2)])[0]
    mark = encode(tokenizer, [MARKS["assistant"]])[0]
    for lost in (1, 2, 3):
        ((ids,), _) = encode_truncated(tokenizer, [GOLDEN_PROMPT], len(question) - lost, "conversation")
        assert ids == question[: -len(mark) - lost] + mark


def test_header_question_and_mark_stay_whatever_the_limit(tokenizer):
    header, asked, mark = encode(tokenizer, [HEADER, MARKS["user"], MARKS["assistant"]])
    frame, prompts = len(header) + len(asked) + len(mark) - 2, []
    for seed in range(200):
        prompts.append(render_conversation(random_messages(seed)))
    lines = encode_lines(tokenizer, prompts)
    for max_tokens in (frame + 1, frame + 7, 60, 200):
        rows, were_cut = encode_truncated(tokenizer, prompts, max_tokens, "conversation")
        for ids, turns, was_cut in zip(rows, lines, were_cut, strict=True):
            assert len(ids) <= max_tokens
            assert ids[: len(header) - 1] == header[:-1]
            assert ids[-len(mark) :] == mark
            message, question = ids[len(header) - 1 : -len(mark)], turns[-2]
            if len(question) <= max_tokens - len(header) + 1 - len(mark):
                assert message[-len(question) :] == question
            else:
                assert message == question[: len(message)]
                assert len(ids) == max_tokens
                assert message[: len(asked) - 1] == asked[:-1]
            assert (len(ids) < sum(map(len, turns))) == was_cut


def test_no_more_turns_go_than_have_to():
    lines = [[9], [2] * 10, [3] * 4, [4] * 3, [5] * 2, [8, 1]]
    kept = {max_tokens: truncate_turns(lines, max_tokens) for max_tokens in range(4, 24)}
    for max_tokens, ids in kept.items():
        turns = {token for token in ids if token in (2, 3, 4, 5)}
        limits = [(22, {2, 3, 4, 5}), (12, {3, 4, 5}), (8, {4, 5}), (0, {5})]
        assert turns == next(left for minimum, left in limits if max_tokens >= minimum), max_tokens
        assert ids.count(5) == (2 if max_tokens >= 5 else 1)


def test_a_limit_without_room_for_a_question_is_refused(tokenizer):
    frame = len(
        encode(tokenizer, [render_conversation(GOLDEN[:1]).replace(" " + GOLDEN[0]["content"], "")])[0]
    )
    with pytest.raises(InputError) as error:
        encode_truncated(tokenizer, [GOLDEN_PROMPT], frame, "conversation")
    assert str(error.value) == (
        f"params.yaml: tokenize.source_tokens: expected at least {frame + 1} tokens, room for a "
        f"conversation's header, its marks and a question, got {frame}; raise it"
    )
    ((ids,), _) = encode_truncated(tokenizer, [GOLDEN_PROMPT], frame + 1, "conversation")
    assert len(ids) == frame + 1


def test_a_prompt_of_another_style_is_not_cut_as_a_conversation(tokenizer):
    with pytest.raises(InputError) as error:
        encode_truncated(tokenizer, [GOLDEN_PROMPT, "Resume:\n\nLlueve."], 200, "conversation")
    assert str(error.value) == (
        "data/formatted: no conversation: expected 'Conversación:', turns, and '[Asistente]' at the end, "
        "got 'Resume:\\n\\nLlueve.'; run `dvc repro`"
    )


@pytest.mark.parametrize("max_tokens", [1, 5, 12, 400])
def test_an_instruction_is_cut_at_its_end(tokenizer, max_tokens):
    prompts = [GOLDEN_PROMPT, "Resume:\n\nLlueve en Logroño.", ""]
    whole = encode(tokenizer, prompts)
    rows, were_cut = encode_truncated(tokenizer, prompts, max_tokens, "instruction")
    assert rows == [truncate(ids, max_tokens) for ids in whole]
    assert were_cut == [len(ids) > max_tokens for ids in whole]
    assert all(ids[-1] == EOS for ids in rows)


DRAWS = int(os.environ.get("RESUMEN_FUZZ", "400"))
LETTERS = "abñí¿  \n\t.«0½ª…\u0303\u200b\u00a0\x07\u200d\u0301´¨ \r\u3000\u00ad😀Ω"


@pytest.mark.parametrize("max_tokens", [1, 2, 7, 30, 120])
def test_a_beginning_is_enough_whatever_the_text(tokenizer, max_tokens):
    draw = Random(max_tokens)
    texts = ["".join(draw.choices(LETTERS, k=draw.randrange(400))) for _ in range(DRAWS)]
    whole = encode(tokenizer, texts)
    rows, were_cut = encode_truncated(tokenizer, texts, max_tokens, "instruction")
    assert rows == [truncate(ids, max_tokens) for ids in whole]
    assert were_cut == [len(ids) > max_tokens for ids in whole]


def test_no_more_is_encoded_than_is_read(tokenizer):
    text = "La alcaldesa de Logroño presentó el proyecto. " * 300
    (ids,) = encode_beginnings(tokenizer, [text], 100)
    assert 100 < len(ids) < 300 < len(encode(tokenizer, [text])[0])


@pytest.mark.parametrize(
    "words", ["La alcaldesa presentó el proyecto. ", "xqzkw wjqxz kkzqw "], ids=["few", "many"]
)
def test_however_many_tokens_a_word_has_a_text_is_encoded_once(tokenizer, words, monkeypatch):
    seen = []
    monkeypatch.setattr(truncation, "encode", lambda _, texts: seen.append(texts) or encode(tokenizer, texts))
    texts = [f"Noticia {number}. {words * 1_000}" for number in range(100)]
    rows = encode_beginnings(tokenizer, texts, 100)
    assert all(100 < len(ids) < 300 for ids in rows)
    assert [len(texts) for texts in seen] == [10, 100, 0]  # a few that say how many, the beginnings, the rest
