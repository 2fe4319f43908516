"""Record: what training.json keeps of the vocabulary and of each model."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from miniatures.corpus import MAX_SOURCE_TOKENS, Corpus, held_out_stories, read_corpus
from miniatures.export import model_size
from miniatures.recipes import Recipe
from miniatures.vocabulary import NUM_SENTINELS
from resumen.news.stories import Story
from resumen.runtime.files import sha256_of

CURVE_POINTS = 12  # mean losses kept


def vocabulary_record(folder: Path) -> dict[str, Any]:
    """Return what README.md says of the vocabulary in `folder`."""
    corpus = read_corpus(folder)
    return {
        "pieces": corpus.tokenizer.get_vocab_size() - NUM_SENTINELS,
        "sha256": sha256_of(folder / "tokenizer.json"),
        "config_sha256": sha256_of(folder / "tokenizer_config.json"),
        "tokens_per_article": article_tokens(corpus, held_out_stories()),
    }


def article_tokens(corpus: Corpus, stories: Sequence[Story]) -> dict[str, float]:
    """Return the 5th, 50th and 95th percentile of tokens an article, and the % of articles cut."""
    lengths = sorted(map(len, corpus.encode([story.text for story in stories])))
    percentiles = {f"p{share}": lengths[len(lengths) * share // 100] for share in (5, 50, 95)}
    num_cut = sum(length > MAX_SOURCE_TOKENS for length in lengths)
    return {**percentiles, "cut_pct": round(100 * num_cut / len(lengths), 1)}


def model_record(
    path: Path, recipe: Recipe, losses: Sequence[float], exact: dict[str, tuple[int, float]], vocabulary: str
) -> dict[str, Any]:
    """Return what README.md says of the model at `path`; `vocabulary`: the hash of its tokenizer.json."""
    return {
        "version": recipe.version,
        "d_model": recipe.d_model,
        "layers": f"{recipe.num_layers} + {recipe.num_decoder_layers}",
        **model_size(path),
        "steps": recipe.steps,
        "sha256": sha256_of(path),
        "vocabulary": vocabulary,
        "exact_pct": exact,
        "curve": curve(losses, CURVE_POINTS),
        "phases": [asdict(phase) for phase in recipe.phases],
    }


def curve(losses: Sequence[float], points: int) -> list[tuple[int, float]]:
    """Return (step, mean loss since the point before), in at most `points` points.

    >>> curve([4.0, 2.0, 1.0, 1.0], points=2)
    [(2, 3.0), (4, 1.0)]
    """
    stops = sorted({len(losses) * (point + 1) // points for point in range(points)} - {0})
    starts = [0, *stops[:-1]]
    return [
        (stop, round(sum(losses[start:stop]) / (stop - start), 3))
        for start, stop in zip(starts, stops, strict=True)
    ]
