"""Takes steps of the fine-tuning, in several processes or alone, and writes the gradients of the last.

python -m torch.distributed.run --standalone --nproc-per-node 2 -m tests.helpers.steps gradients.safetensors 0
"""

import contextlib
import sys
import tempfile
from pathlib import Path

from safetensors.torch import save_file

from resumen.model.distributed import rank
from resumen.model.prepare import prepare_torch
from resumen.runtime.paths import PRETRAINED_DIR, TOKENIZED_DIR
from resumen.schema.params import load_params
from resumen.schema.rows import load_table
from resumen.schema.sections import FinetuneParams
from resumen.training.finetuning import fine_tune
from resumen.training.loop import TokenizedRows
from resumen.training.pretrained import load_model


class Enough(Exception):  # noqa: N818  no error
    """The step has been taken whose gradients are wanted."""


class NoValidation:
    """Scores nothing."""

    def __init__(self, rows):
        self.rows = rows

    def __call__(self, t5):
        return {"loss": 0.0, **dict.fromkeys(("rouge1", "rouge2", "rougeL", "rougeLsum"), 0.0)}


def main():
    params = load_params(FinetuneParams, "finetune")
    device = prepare_torch(params.seed)
    model = load_model(PRETRAINED_DIR / "flan-small")
    tokenizer = TOKENIZED_DIR / "flan-small" / "tokenizer"
    rows = TokenizedRows(load_table(tokenizer.with_name("train.parquet")))

    def write(step):
        """Write the gradients of the wanted step, from 0, and end the training."""
        if step == int(sys.argv[2]):
            if rank() == 0:
                save_file({name: parameter.grad for name, parameter in model.named_parameters()}, sys.argv[1])
            raise Enough

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Enough):
        fine_tune(model, rows, NoValidation(rows), params, device, tokenizer, Path(folder), write)


if __name__ == "__main__":
    main()
