"""Takes steps of the fine-tuning, in several processes or alone, and writes the gradients of the last.

python -m torch.distributed.run --standalone --nproc-per-node 2 -m tests.helpers.steps gradients.safetensors 0
"""

import sys
import tempfile
from pathlib import Path

from safetensors.torch import save_file
from transformers import TrainerCallback

from stages.finetune import PRETRAINED, TOKENIZED, train
from stages.shared.device import prepare_torch
from stages.shared.files import load_table
from stages.shared.models import load_model
from stages.shared.params import load_params
from stages.shared.ranks import rank
from stages.shared.recipe import FinetuneParams
from stages.shared.training import TokenizedRows


class Gradients(TrainerCallback):
    """Writes the gradients of one step, from 0, before the optimizer takes it, and ends the training."""

    def __init__(self, step):
        self.step = step

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        if state.global_step < self.step:
            return
        if rank() == 0:
            found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
            save_file(found, sys.argv[1])
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
    model = load_model(PRETRAINED / params.base)
    rows = TokenizedRows(load_table(TOKENIZED / "train.parquet"))
    step = int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        train(model, rows, NoValidation(rows), params, device, Path(folder), [Gradients(step)])


if __name__ == "__main__":
    main()
