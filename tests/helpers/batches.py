"""Batches of the tokenized training rows, as transformers collates them."""

from pathlib import Path

from transformers import AutoTokenizer, DataCollatorForSeq2Seq

TRAIN = Path("data/tokenized/flan-small/train.parquet")
TOKENIZER = Path("data/tokenized/flan-small/tokenizer")


def collator(model):
    """Return the collator of transformers for the tokenized rows."""
    return DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(TOKENIZER), model)
