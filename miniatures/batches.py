"""Batches: the rows of each step, drawn from a phase's mixture, as token ids."""

import random

from miniatures.corpus import MAX_SOURCE_TOKENS, Corpus
from miniatures.corruption import span_corruption
from miniatures.excerpts import excerpt
from miniatures.recipes import Phase, Recipe, phase_at
from miniatures.tasks import TASKS
from miniatures.vocabulary import EOS

Row = tuple[list[int], list[int]]  # source ids, target ids; `</s>` last in both

POOL_BATCHES = 4  # batches drawn together and sorted by length, so that little is padding


def draw_rows(corpus: Corpus, rng: random.Random, phase: Phase, num_rows: int) -> list[Row]:
    """Return `num_rows` rows, drawn from the phase's mixture; none needs a cut."""
    names, shares = zip(*phase.mixture, strict=True)
    rows: list[Row] = []
    while len(rows) < num_rows:
        texts: list[tuple[str, str | None]] = []  # no target: of span corruption
        for name in rng.choices(names, shares, k=num_rows - len(rows)):
            if name == "span_corruption":
                story = rng.choice(corpus.stories)
                texts.append((excerpt(rng, story.text, phase.max_words), None))
            else:
                texts.append(TASKS[name](rng, corpus, phase.max_words))
        sources = corpus.encode([source for source, _ in texts])
        targets = corpus.encode([target or "" for _, target in texts])
        for (_, target_text), source, target in zip(texts, sources, targets, strict=True):
            if len(source) > MAX_SOURCE_TOKENS:
                continue  # what is asked for may stand beyond the cut: another is drawn
            if target_text is None:
                assert corpus.first_sentinel is not None  # `tokenizer_files` puts it in
                source, target = span_corruption(rng, source[:-1], corpus.first_sentinel)
                source, target = [*source, EOS], [*target, EOS]
            rows.append((source, target))
    return rows


def batch_at(corpus: Corpus, recipe: Recipe, step: int) -> list[Row]:
    """Return the rows of `step`; only the recipe and the step decide them, so any can be resumed."""
    phase_index, step_of_phase = phase_at(recipe, step)
    phase = recipe.phases[phase_index]
    pool, index = divmod(step_of_phase, POOL_BATCHES)
    rng = random.Random(f"{recipe.seed} {phase_index} {pool}")
    rows = draw_rows(corpus, rng, phase, phase.batch * POOL_BATCHES)
    rows.sort(key=lambda row: (len(row[0]), row))
    start = rng.sample(range(POOL_BATCHES), POOL_BATCHES)[index] * phase.batch
    return rows[start : start + phase.batch]
