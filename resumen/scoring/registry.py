"""The registry of measures: what is scored of a summary, what it is called, and where it is shown.

An entry of MEASURES is all that a measure takes: `evaluate` scores it, the tables, the page and
`resumen compare` take its name, unit and direction from here.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from resumen.rouge.score import CONTENT_TYPES
from resumen.scoring.faithfulness import invented_names, invented_numbers
from resumen.scoring.measures import (
    Summary,
    chrf,
    compression,
    coverage,
    density,
    length_ratio,
    lost_words,
    novel,
    repeated_trigrams,
)
from resumen.text.stems import has_content_stems

if TYPE_CHECKING:
    import pandas as pd

Unit = Literal["points", "share", "ratio", "count"]  # 0 to 100; 0 to 1, shown in %; any; whole numbers
Better = Literal["higher", "lower", "neither"]
# Where it is shown, each also in those before it: data/scores.parquet, metrics/evaluation.json, the report,
# and the tables of README and the terminal.
Shown = Literal["scores", "evaluation", "page", "tables"]
PERCENT = {"en": " %", "es": " (%)"}  # behind the label of what is shown in %
PRIMARY = "rougeL"  # the measure of the differences and the breakdown
CONTENT = "rougeL_content"  # of the second family of differences
# What metrics/systems has, beside the exact answers to the probes: eight columns of a terminal.
HEADLINES = ("rouge1", "rouge2", "rougeL", "rougeL_content", "chrf", "lost_words", "invented_names")
FAITHFULNESS = ("invented_names", "invented_numbers")  # a table of their own on the page


def mean(scores: "pd.DataFrame", name: str) -> float:
    """Return the mean over articles."""
    return float(scores[name].mean())


def per_reference_word(scores: "pd.DataFrame", name: str) -> float:
    """Return the sum over articles, to a word of their references."""
    return float(scores[name].sum() / scores["reference_words"].sum())


def total_length_ratio(scores: "pd.DataFrame", name: str) -> float:
    """Return the words of all summaries to those of all references."""
    return per_reference_word(scores, "prediction_words")


class Measure(NamedTuple):
    """What is scored of a summary; its key in MEASURES is a column of data/scores.parquet."""

    of: Callable[[Summary], float]
    unit: Unit
    better: Better
    en: str  # its label in the languages of the page
    es: str
    shown_in: Shown = "scores"
    of_system: Callable[["pd.DataFrame", str], float] = mean
    metric: str = ""  # its name in the metrics, where that is not the column's; `_pct` asks for %

    def label(self, language: str) -> str:
        """Return its label in a language, "en" or "es", with the unit if that is %."""
        return f"{getattr(self, language)}{PERCENT[language] * (self.unit == 'share')}"


def rouge_measure(name: str, shown_in: Shown = "scores", ascii_only: bool = False) -> Measure:
    """Return ROUGE of a type, over Unicode words or over ASCII ones."""
    label = f"ROUGE-{name.removeprefix('rouge')}{', ASCII' * ascii_only}"
    if ascii_only:
        return Measure(lambda summary: summary.rouge_ascii[name], "points", "higher", label, label, shown_in)
    return Measure(lambda summary: summary.rouge[name], "points", "higher", label, label, shown_in)


def content_measure(name: str, label: str) -> Measure:
    """Return ROUGE of a type of CONTENT_TYPES."""
    en, es = f"{label}, content", f"{label}, contenido"
    return Measure(lambda summary: summary.rouge_content[name], "points", "higher", en, es, "tables")


MEASURES: dict[str, Measure] = {
    "rouge1": rouge_measure("rouge1", "tables"),
    "rouge2": rouge_measure("rouge2", "tables"),
    "rougeL": rouge_measure("rougeL", "tables"),
    "rougeLsum": rouge_measure("rougeLsum", "evaluation"),
    "rouge1_content": content_measure("rouge1_content", "ROUGE-1"),
    "rougeL_content": content_measure("rougeL_content", "ROUGE-L"),
    "rouge1_ascii": rouge_measure("rouge1", ascii_only=True),
    "rouge2_ascii": rouge_measure("rouge2", ascii_only=True),
    "rougeL_ascii": rouge_measure("rougeL", "evaluation", ascii_only=True),
    "rougeLsum_ascii": rouge_measure("rougeLsum", ascii_only=True),
    "chrf": Measure(chrf, "points", "higher", "chrF", "chrF", "page"),
    "lost_words": Measure(
        lost_words,
        "count",
        "lower",
        "lost words",
        "palabras perdidas",
        "tables",
        per_reference_word,
        "lost_words_pct",
    ),
    "novel_unigrams": Measure(partial(novel, size=1), "share", "neither", "new words", "palabras nuevas"),
    "novel_bigrams": Measure(
        partial(novel, size=2), "share", "neither", "new bigrams", "bigramas nuevos", "page"
    ),
    "novel_trigrams": Measure(partial(novel, size=3), "share", "neither", "new trigrams", "trigramas nuevos"),
    "repeated_trigrams": Measure(
        repeated_trigrams, "share", "lower", "repeated trigrams", "trigramas repetidos", "page"
    ),
    "empty": Measure(
        lambda summary: float(not summary.words), "share", "lower", "empty", "vacíos", "evaluation"
    ),
    "length_ratio": Measure(
        length_ratio, "ratio", "neither", "length ratio", "longitud relativa", "page", total_length_ratio
    ),
    "prediction_words": Measure(lambda summary: len(summary.words), "count", "neither", "words", "palabras"),
    "reference_words": Measure(
        lambda summary: len(summary.reference_words),
        "count",
        "neither",
        "reference words",
        "palabras de referencia",
    ),
    "coverage": Measure(coverage, "share", "neither", "copied words", "palabras copiadas"),
    "density": Measure(density, "ratio", "neither", "density", "densidad"),
    "compression": Measure(compression, "ratio", "neither", "compression", "compresión"),
    "invented_numbers": Measure(
        lambda summary: len(invented_numbers(summary.text, summary.article.facts)),
        "count",
        "lower",
        "invented numbers",
        "números inventados",
        "page",
    ),
    "invented_names": Measure(
        lambda summary: len(invented_names(summary.text, summary.article.facts, summary.language)),
        "count",
        "lower",
        "invented names",
        "nombres inventados",
        "page",
    ),
}


def measures_of(language: str) -> dict[str, Measure]:
    """Return the measures that texts in a language have: without content stems, all but CONTENT_TYPES."""
    without = () if has_content_stems(language) else CONTENT_TYPES
    return {name: measure for name, measure in MEASURES.items() if name not in without}


def measures_in(shown_in: Shown, language: str) -> dict[str, Measure]:
    """Return the measures of texts in a language that are shown there."""
    at_least = get_args(Shown)[get_args(Shown).index(shown_in) :]
    return {name: measure for name, measure in measures_of(language).items() if measure.shown_in in at_least}


def head_measures(language: str) -> dict[str, Measure]:
    """Return the measures of the page's table of systems, that of the differences first."""
    shown = measures_in("page", language)
    return {PRIMARY: shown[PRIMARY]} | {name: shown[name] for name in shown if name not in FAITHFULNESS}


def metric_of(name: str) -> str:
    """Return what a measure is called in the metrics.

    >>> metric_of("rougeL"), metric_of("novel_bigrams")
    ('rougeL', 'novel_bigrams_pct')
    """
    measure = MEASURES[name]
    return measure.metric or f"{name}{'_pct' * (measure.unit == 'share')}"


def system_label(name: str, language: str) -> str:
    """Return the head of a measure's column in a table of systems, with the unit if that is %.

    >>> system_label("lost_words", "en"), system_label("novel_bigrams", "es")
    ('lost words %', 'bigramas nuevos (%)')
    """
    return f"{getattr(MEASURES[name], language)}{PERCENT[language] * metric_of(name).endswith('_pct')}"


def system_value(scores: "pd.DataFrame", name: str) -> float:
    """Return a measure of a system, from the scores of its articles, as the metrics have it."""
    percent = 100 if metric_of(name).endswith("_pct") else 1
    return round(percent * MEASURES[name].of_system(scores, name), 2)
