"""Evaluation: how many questions about held-out articles a model answers exactly."""

from collections.abc import Sequence
from typing import Any

from transformers import T5ForConditionalGeneration

from miniatures.corpus import MAX_SOURCE_TOKENS, Corpus
from miniatures.model import pad
from miniatures.tasks import question_kind
from miniatures.templates import QUESTION_TEMPLATE, fill_template
from miniatures.vocabulary import EOS, PAD
from resumen.news.stories import Story

KINDS = ("all", "who", "number", "other")  # of questions
BATCH_SIZE = 40  # prompts
MAX_ANSWER_TOKENS = 24


def answers(model: T5ForConditionalGeneration, corpus: Corpus, prompts: Sequence[str]) -> list[str]:
    """Return the model's greedy answer to each prompt, in their order."""
    texts: list[str] = []
    cut = MAX_SOURCE_TOKENS - 1
    for start in range(0, len(prompts), BATCH_SIZE):
        ids = [[*row[:-1][:cut], EOS] for row in corpus.encode(prompts[start : start + BATCH_SIZE])]
        sources = pad(ids, PAD)  # (prompts, source tokens)
        output: Any = model.generate(  # type: ignore[misc]  # its mixin asks for another self
            input_ids=sources,
            attention_mask=(sources != PAD).long(),
            max_new_tokens=MAX_ANSWER_TOKENS,
            do_sample=False,
        )
        texts += corpus.tokenizer.decode_batch(output.tolist(), skip_special_tokens=True)
    return texts


def exact_percent(
    model: T5ForConditionalGeneration, corpus: Corpus, stories: Sequence[Story]
) -> dict[str, tuple[int, float]]:
    """Return for all questions, and for each kind, how many were asked and the % answered exactly.

    The answer expected is the one that the vocabulary can spell.
    """
    asked = [(story, *pair) for story in stories for pair in story.questions]
    prompts = [fill_template(QUESTION_TEMPLATE, story.text, cue) for story, cue, _ in asked]
    spelled = corpus.encode([answer for _, _, answer in asked])
    expected = corpus.tokenizer.decode_batch(spelled, skip_special_tokens=True)
    right: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    given = answers(model, corpus, prompts)
    for (_, cue, answer), text, reference in zip(asked, given, expected, strict=True):
        right["all"].append(text == reference)
        right[question_kind(cue, answer)].append(text == reference)
    return {
        kind: (len(exact), round(100 * sum(exact) / max(1, len(exact)), 1)) for kind, exact in right.items()
    }
