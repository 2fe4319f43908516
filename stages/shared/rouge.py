"""ROUGE for Spanish, as an `evaluate.Metric`: the formulas of rouge_score, the words of Unicode.

rouge_score's own splitter takes everything outside [a-z0-9] for a border: "artículo" becomes "art" and
"culo". Here a word is a lower-cased run of letters and digits, accents and ñ included.

    from stages.shared.rouge import SpanishRouge        # or evaluate.load("stages/shared/rouge.py")
    SpanishRouge().compute(predictions=["el año"], references=["el ano"])

Paper: Lin 2004, https://aclanthology.org/W04-1013
"""

import datasets
import evaluate
from rouge_score import rouge_scorer, tokenizers

from stages.shared.sentences import sentences
from stages.shared.words import words

ROUGE_TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")


class UnicodeWords(tokenizers.Tokenizer):
    """`words`, in the shape that rouge_score wants."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


class SpanishRouge(evaluate.Metric):
    """F1 of ROUGE-1, -2, -L and -Lsum over Unicode words, in points 0-100."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="ROUGE F1 in points (0-100) over Unicode words, so that Spanish words stay whole.",
            citation="Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries.",
            inputs_description="predictions, references: one text each; use_aggregator: mean or list.",
            features=datasets.Features({"predictions": text, "references": text}),
            reference_urls=["https://aclanthology.org/W04-1013"],
        )

    def _compute(
        self, predictions: list[str], references: list[str], use_aggregator: bool = True
    ) -> dict[str, float | list[float]]:
        """Return each score's mean, or (use_aggregator=False) one value an article, in their order."""
        scorer = rouge_scorer.RougeScorer(ROUGE_TYPES, tokenizer=UnicodeWords())
        scores: dict[str, list[float]] = {name: [] for name in ROUGE_TYPES}
        for prediction, reference in zip(predictions, references, strict=True):
            split = ("\n".join(sentences(text)) for text in (reference, prediction))
            for name, score in scorer.score(*split).items():
                scores[name].append(100.0 * score.fmeasure)
        if not use_aggregator:
            return scores
        return {name: sum(values) / len(values) for name, values in scores.items()}
