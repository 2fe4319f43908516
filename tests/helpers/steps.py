"""Takes steps of the fine-tuning, in several processes or alone, and writes the gradients of the last.

python -m torch.distributed.run --standalone --nproc-per-node 2 -m tests.helpers.steps gradients.safetensors 0
"""

import sys
import tempfile
from pathlib import Path

from safetensors.torch import save_file
from transformers import TrainerCallback

from resumen.model.distributed import rank
from resumen.model.prepare import prepare_torch
from resumen.runtime.paths import PRETRAINED_DIR, TOKENIZED_DIR
from resumen.schema.params import load_params
from resumen.schema.rows import load_table
from resumen.schema.sections import FinetuneParams
from resumen.training.pretrained import load_model
from resumen.training.trainer import TokenizedRows
from stages.finetune import train


class Gradients(TrainerCallback):
    """Writes the gradients of one step, from 0, before the optimizer takes it, and ends the training."""

    def __init__(self, step):
        self.step = step

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        if state.global_step < self.step:
            return
        if rank() == 0:
            result = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
            save_file(result, sys.argv[1])
        control.should_training_stop = True


class NoValidation:
    """Scores nothing."""

    def __init__(self, rows):
        self.rows = rows

    def __call__(self, t5):
        return {"loss": 0.0, **dict.fromkeys(("rouge1", "rouge2", "rougeL", "rougeLsum"), 0.0)}


def main():
    params = load_params(FinetuneParams, "finetune")
    device = prepare_torch(params.seed)
    model = load_model(PRETRAINED_DIR / params.base)
    rows = TokenizedRows(load_table(TOKENIZED_DIR / "train.parquet"))
    step = int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        train(model, rows, NoValidation(rows), params, device, Path(folder), [Gradients(step)])


if __name__ == "__main__":
    main()
