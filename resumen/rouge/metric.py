"""ROUGE for Spanish, as an `evaluate.Metric`: the formulas of rouge_score, the words of Unicode, faster.

rouge_score's own splitter takes everything outside [a-z0-9] for a border: "artículo" becomes "art" and
"culo". Here a word is a lower-cased run of letters and digits, accents and ñ included.

    from resumen.rouge.metric import SpanishRouge        # or evaluate.load("resumen/rouge/metric.py")
    SpanishRouge().compute(predictions=["el año"], references=["el ano"])
    SpanishRouge().compute(predictions=["el año"], references=[["el ano", "el año"]])   # the best counts

Paper: Lin 2004, https://aclanthology.org/W04-1013
"""

import datasets
import evaluate

from resumen.rouge.score import ROUGE_TYPES, rouge_multi
from resumen.text.characters import normalize


class SpanishRouge(evaluate.Metric):
    """F1 of ROUGE-1, -2, -L and -Lsum over Unicode words, in points 0-100."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="ROUGE F1 in points (0-100) over Unicode words, so that Spanish words stay whole.",
            citation="Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries.",
            inputs_description="predictions: a text each; references: one, or a list of them, of which the "
            "best counts; use_aggregator: mean or list.",
            features=[
                datasets.Features({"predictions": text, "references": text}),
                datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
            ],
            reference_urls=["https://aclanthology.org/W04-1013"],
        )

    def _compute(
        self, predictions: list[str], references: list[str] | list[list[str]], use_aggregator: bool = True
    ) -> dict[str, float] | dict[str, list[float]]:
        """Return each score's mean, or (use_aggregator=False) one value an article, in their order."""
        lists = [[given] if isinstance(given, str) else given for given in references]
        rows = [
            rouge_multi(normalize(prediction), list(map(normalize, several)))
            for prediction, several in zip(predictions, lists, strict=True)
        ]
        scores = dict(zip(ROUGE_TYPES, map(list, zip(*rows, strict=True)), strict=True))
        if not use_aggregator:
            return scores
        return {name: sum(values) / len(values) for name, values in scores.items()}
