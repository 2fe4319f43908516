"""Truncation: what a prompt that is too long loses, its end or, in a conversation, its oldest turns."""

import math

from tokenizers import Tokenizer

from resumen.runtime.errors import InputError, shown
from resumen.text.conversation import HEADER, MARKS, parse_conversation
from resumen.vocabulary.tokenizer import Ids, encode, truncate

SAMPLED, SAMPLED_WORDS = 10, 100  # texts of a chunk, and of each its first words
MARGIN = 1.25  # an article may have fewer tokens a word than those


def encode_truncated(
    tokenizer: Tokenizer, prompts: list[str], max_tokens: int, style: str
) -> tuple[list[Ids], list[bool]]:
    """Return each prompt's ids, at most `max_tokens` with </s>, and whether it had more and was cut.

    Raises:
        InputError: under style "conversation", if `max_tokens` leaves no room for a question, or a
            prompt is no conversation.
    """
    if style != "conversation":
        uncut = encode_beginnings(tokenizer, prompts, max_tokens)
        return [truncate(ids, max_tokens) for ids in uncut], [len(ids) > max_tokens for ids in uncut]
    frame = "\n".join([HEADER, MARKS["user"], MARKS["assistant"]])
    if max_tokens <= (minimum := len(encode(tokenizer, [frame])[0])):
        raise InputError(
            f"params.yaml: tokenize.source_tokens: expected at least {minimum + 1} tokens, room for a "
            f"conversation's header, its marks and a question, got {max_tokens}; raise it"
        )
    rows = encode_lines(tokenizer, prompts)
    return [truncate_turns(lines, max_tokens) for lines in rows], [
        sum(map(len, lines)) > max_tokens for lines in rows
    ]


def encode_beginnings(tokenizer: Tokenizer, texts: list[str], max_tokens: int) -> list[Ids]:
    """Return the ids of each text; of one with more than `max_tokens`, those of a beginning with more, too.

    MLSUM's median article has 1,784 tokens, of which 512 are read. A few of the texts say how many tokens a
    word has: in Spanish T5's vocabulary takes about 2.5, the miniatures' 1.5. Where the beginning comes out
    too short, the whole text is encoded.
    T5 splits on white space before all else: the tokens of a beginning are the beginning of the tokens.
    """
    num_words = words_for(tokenizer, texts[:: max(len(texts) // SAMPLED, 1)], max_tokens)
    heads = [beginning(text, num_words) for text in texts]
    rows = encode(tokenizer, heads)
    short = [
        index
        for index, (ids, head) in enumerate(zip(rows, heads, strict=True))
        if len(ids) <= max_tokens + 1 and len(head) < len(texts[index])
    ]
    for index, ids in zip(short, encode(tokenizer, [texts[index] for index in short]), strict=True):
        rows[index] = ids
    return rows


def words_for(tokenizer: Tokenizer, texts: list[str], max_tokens: int) -> int:
    """Return how many words of such texts have more than `max_tokens` tokens, in nearly all of them."""
    heads = [beginning(text, SAMPLED_WORDS) for text in texts]
    num_tokens = sum(len(ids) for ids in encode(tokenizer, heads))
    num_words = sum(head.count(" ") + 1 for head in heads)
    return math.ceil(MARGIN * max_tokens * num_words / max(num_tokens, 1))


def beginning(text: str, num_words: int) -> str:
    """Return the first words of `text`, cut at a space; all of it where none is sure to part two words.

    A combining mark after the space would belong to it, so a letter or a digit has to follow.

    >>> beginning("El  río crece", 3), beginning("El río", 2), beginning("El ~río", 1)
    ('El  río ', 'El río', 'El ~río')
    """
    *words, rest = text.split(" ", max(num_words, 1))
    return text[: -len(rest)] if len(words) >= num_words and rest[:1].isalnum() else text


def encode_lines(tokenizer: Tokenizer, prompts: list[str]) -> list[list[Ids]]:
    """Return, of each conversation, the ids of each line: header, turns, the last mark with its </s>.

    T5's tokenizer splits on white space before all else, so the lines' ids, joined, are the prompt's.

    Raises:
        InputError: a prompt is no conversation, as when `format` has not run since the style changed.
    """
    for prompt in prompts:
        try:
            parse_conversation(prompt)
        except ValueError as error:
            raise InputError(
                f"data/formatted: no conversation: {error}, got {shown(prompt)}; run `dvc repro`"
            ) from error
    texts = [prompt.split("\n") for prompt in prompts]
    encoded = iter(encode(tokenizer, [line for lines in texts for line in lines]))
    rows = [[next(encoded) for _ in lines] for lines in texts]
    return [[*(ids[:-1] for ids in lines[:-1]), lines[-1]] for lines in rows]


def truncate_turns(lines: list[Ids], max_tokens: int) -> Ids:
    """Return the ids of a conversation's lines, joined, at most `max_tokens`.

    The oldest turns go first, one at a time; then the end of the question, the last turn. Header and
    last mark stay.

    >>> header, oldest, newer, question, mark = [1], [2, 2], [3, 3], [4, 4, 4], [5, 0]
    >>> truncate_turns([header, oldest, newer, question, mark], 8)
    [1, 3, 3, 4, 4, 4, 5, 0]
    >>> truncate_turns([header, oldest, newer, question, mark], 5)
    [1, 4, 4, 5, 0]
    """
    header, *turns, mark = lines
    room = max_tokens - len(header) - len(mark)
    while len(turns) > 1 and sum(map(len, turns)) > room:
        turns = turns[1:]
    tokens = [token for turn in turns for token in turn]
    return [*header, *tokens[:room], *mark]
