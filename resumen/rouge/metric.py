"""ROUGE for Spanish, as an `evaluate.Metric`: the formulas of rouge_score, the words of Unicode, faster.

rouge_score's own splitter takes everything outside [a-z0-9] for a border: "artículo" becomes "art" and
"culo". Here a word is a lower-cased run of letters and digits, accents and ñ included.

    from resumen.rouge.metric import SpanishRouge        # or evaluate.load("<path>/resumen/rouge/metric.py")
    SpanishRouge().compute(predictions=["el año"], references=["el ano"])
    SpanishRouge().compute(predictions=["el año"], references=[["el ano", "el año"]])   # the best counts

In place of `evaluate.load("rouge")`, whose scores are 0 to 1, for a script that multiplies by 100 itself:

    evaluate.load("<path>/resumen/rouge/metric.py", "fractions")

Paper: Lin 2004, https://aclanthology.org/W04-1013
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import datasets
import evaluate

from resumen.rouge.score import CONTENT_TYPES, ROUGE_TYPES, Splitter, rouge_content, rouge_multi
from resumen.text.characters import normalize
from resumen.text.language import LANGUAGES, language_named
from resumen.text.stems import has_content_stems, has_stemmer, stems
from resumen.text.words import words

CONFIGS = {"default": 1.0, "points": 1.0, "fractions": 0.01}  # by config_name: what points are multiplied by


class SpanishRouge(evaluate.Metric):
    """F1 of ROUGE-1, -2, -L and -Lsum over Unicode words, and of ROUGE-1 and -L over content stems.

    In points, 0 to 100, or as fractions (see CONFIGS).
    """

    def _info(self) -> evaluate.MetricInfo:
        if self.config_name not in CONFIGS:
            raise ValueError(f"config_name: expected one of {', '.join(CONFIGS)}, got {self.config_name!r}")
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="ROUGE F1 in points (0-100) over Unicode words, so that Spanish words stay whole.",
            citation="Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries.",
            inputs_description="predictions: a text each; references: one, or a list of them, of which the "
            "best counts; rouge_types: those that are wanted (all); use_aggregator: mean or list; "
            "use_stemmer: Snowball's, of the language; language: an ISO 639-1 code (es).",
            features=[
                datasets.Features({"predictions": text, "references": text}),
                datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
            ],
            reference_urls=["https://aclanthology.org/W04-1013"],
        )

    def compute(self, **given: Any) -> Any:
        """Return what `_compute` does.

        Raises:
            ValueError: see `_compute`; or predictions or references are no lists of texts. `evaluate` would
                fail at them with an error of its own, or score a text letter by letter.
        """
        if "predictions" in given or "references" in given:
            check_texts(given.get("predictions"), given.get("references"))
        return super().compute(**given)

    def _compute(
        self,
        predictions: list[str],
        references: list[str] | list[list[str]],
        rouge_types: Sequence[str] | None = None,
        use_aggregator: bool = True,
        use_stemmer: bool = False,
        language: str = "es",
    ) -> dict[str, float] | dict[str, list[float]]:
        """Return each score's mean, or (use_aggregator=False) one value an article, in their order.

        The types are ROUGE_TYPES and CONTENT_TYPES; by default all that the language has.

        Raises:
            ValueError: no prediction, or one without a reference; an unknown type; no stemmer or stop list.
        """
        if language not in LANGUAGES:
            code = language_named(str(language))
            raise ValueError(
                f"language: expected an ISO 639-1 code, such as {code or 'es'}, got {language!r}"
            )
        wanted = types_of(rouge_types, language)
        if use_stemmer and not has_stemmer(language):
            raise ValueError(f"use_stemmer: Snowball has no stemmer of language {language!r}")
        pairs = [
            (
                normalize(prediction),
                [normalize(one) for one in ([given] if isinstance(given, str) else given)],
            )
            for prediction, given in zip(predictions, references, strict=True)
        ]
        split: Splitter = partial(stems, language=language) if use_stemmer else words
        factor = CONFIGS[self.config_name]
        columns: dict[str, list[float]] = {}
        if set(wanted) & set(ROUGE_TYPES):
            rows = [rouge_multi(*pair, split) for pair in pairs]
            columns |= dict(zip(ROUGE_TYPES, map(list, zip(*rows, strict=True)), strict=True))
        if set(wanted) & set(CONTENT_TYPES):
            contents = [rouge_content(*pair, language) for pair in pairs]
            columns |= dict(zip(CONTENT_TYPES, map(list, zip(*contents, strict=True)), strict=True))
        scores = {name: [factor * value for value in columns[name]] for name in wanted}
        if not use_aggregator:
            return scores
        return {name: sum(values) / len(values) for name, values in scores.items()}


def check_texts(predictions: Any, references: Any) -> None:
    """Raise ValueError unless predictions are texts, at least one, and references a text or texts of each."""
    for what, given in (("predictions", predictions), ("references", references)):
        if isinstance(given, str) or not hasattr(given, "__len__"):
            raise ValueError(f"{what}: expected a list of texts, got {given!r}")
        if len(given) == 0:
            raise ValueError(f"{what}: expected at least one text, got none")
    if len(predictions) != len(references):
        raise ValueError(
            f"references: expected {len(predictions)}, one of each prediction, got {len(references)}"
        )
    for place, (prediction, given) in enumerate(zip(predictions, references, strict=True)):
        several = [given] if isinstance(given, str) else given
        if not isinstance(prediction, str):
            raise ValueError(f"predictions: expected a text at {place}, got {prediction!r}")
        if (
            not isinstance(several, Sequence)
            or not several
            or not all(isinstance(one, str) for one in several)
        ):
            raise ValueError(f"references: expected a text or several at {place}, got {given!r}")


def types_of(asked: Sequence[str] | None, language: str) -> list[str]:
    """Return the types of ROUGE that are `asked` for, or all that a language has.

    Raises:
        ValueError: one is none of ours, or the language lacks what it needs.
    """
    has_content = has_content_stems(language)
    known = [*ROUGE_TYPES, *(CONTENT_TYPES if has_content else ())]
    if not asked:
        return known
    for name in asked:
        if name in CONTENT_TYPES and not has_content:
            raise ValueError(f"rouge_types: {name}: language {language!r} has no stemmer or no stop words")
        if name not in known:
            raise ValueError(f"rouge_types: expected some of {', '.join(known)}, got {name!r}")
    return list(asked)
