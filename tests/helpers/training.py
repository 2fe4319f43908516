"""A training of seconds, and what it writes."""

import shutil
from pathlib import Path

# of `finetune`
QUICK = {"epochs": 2, "batch_size": 8, "max_new_tokens": 6, "dropout": 0.1, "precision": "fp32"}
TRAINING = {
    "finetune.epochs": 3,
    "finetune.batch_size": 2,
    "finetune.gradient_accumulation": 2,
    "finetune.learning_rate": 1e-2,
    "finetune.dropout": 0.1,
    "finetune.max_new_tokens": 6,
    "finetune.precision": "fp32",
    "generate.batch_size": 1,
    "generate.max_new_tokens": 24,
    "generate.precision": "fp32",
    "systems": {"flan-small": {"from": "models/pretrained/flan-small", "num_beams": 2}},
}


def outputs() -> dict[str, bytes]:
    """Return the bytes of all that the stages wrote."""
    result = [
        path
        for folder in ("models/finetuned", "metrics", "data/predictions")
        for path in Path(folder).rglob("*")
    ]
    # what another run is about to write is no output yet
    whole = [path for path in result if not any(part.endswith(".partial") for part in path.parts)]
    return {str(path): path.read_bytes() for path in whole if path.is_file()}


def forget() -> None:
    for folder in ("models/finetuned", "metrics/curves", "data/predictions", ".resumen"):
        shutil.rmtree(folder, ignore_errors=True)
