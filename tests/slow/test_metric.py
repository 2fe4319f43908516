"""The metric in the place of `evaluate.load("rouge")`, as transformers' run_summarization.py calls it."""

import evaluate
import numpy as np
import pytest
from datasets import Dataset
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
)

from resumen.rouge.metric import SpanishRouge
from tests.helpers.paths import ROOT
from tests.helpers.project import NEWS

pytest.importorskip(
    "accelerate"
)  # transformers' Trainer does not start without it; `make test-slow` installs it


def test_a_trainer_that_multiplies_by_100_reports_points(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # by its path from any folder
    metric = evaluate.load(str(ROOT / "resumen/rouge/metric.py"), "fractions", cache_dir=str(tmp_path))
    tokenizer = AutoTokenizer.from_pretrained(tiny["untied"])
    seen = []

    def compute_metrics(given):
        """As the script does: padding back in, decoded, a sentence a line, `use_stemmer`, times 100."""
        texts = []
        for ids in given:
            decoded = tokenizer.batch_decode(
                np.where(ids != -100, ids, tokenizer.pad_token_id), skip_special_tokens=True
            )
            texts.append([text.strip().replace(". ", ".\n") for text in decoded])
        seen.extend(texts)
        scores = metric.compute(predictions=texts[0], references=texts[1], use_stemmer=True)
        return {name: round(value * 100, 4) for name, value in scores.items()}

    rows = tokenizer([text for text, _ in NEWS], truncation=True, max_length=40)
    rows["labels"] = tokenizer([summary for _, summary in NEWS], truncation=True, max_length=20)["input_ids"]
    trainer = Seq2SeqTrainer(
        model=AutoModelForSeq2SeqLM.from_pretrained(tiny["untied"]),
        args=Seq2SeqTrainingArguments(
            output_dir=str(tmp_path), predict_with_generate=True, generation_max_length=20, use_cpu=True
        ),
        eval_dataset=Dataset.from_dict(dict(rows)),
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        processing_class=tokenizer,
        compute_metrics=compute_metrics,
    )
    result = trainer.evaluate()
    points = SpanishRouge(keep_in_memory=True).compute(
        predictions=seen[0], references=seen[1], use_stemmer=True
    )
    assert len(seen[0]) == len(NEWS)
    for name, value in points.items():
        assert result[f"eval_{name}"] == pytest.approx(value, abs=1e-4)
