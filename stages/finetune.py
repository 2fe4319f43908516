"""Finetune: train the base on the tokenized news; keep the epoch that summarizes validation best.

Reads   data/tokenized/ without its test split, models/pretrained/<base>/, data/raw/validation.parquet
        (the references)
Writes  models/finetuned/              what AutoModelForSeq2SeqLM and AutoTokenizer load; provenance.json
        metrics/finetune.json          steps, losses, validation ROUGE, best epoch, precision, and
                                       the learning rate, epochs and batch size that the profile supplied
        metrics/plots/training.json    the curve, a row an epoch; epoch 0 is the base
Params  finetune

Killed at any moment and started again, it resumes from its last checkpoint (every RESUMEN_CHECKPOINT_SECONDS,
300 if not set, and at the end of each epoch) and ends with the bytes of a run that was not interrupted.

    python -m stages.finetune
    RESUMEN_LAUNCH="--nproc-per-node 2" python -m stages.finetune
"""

import logging

from resumen.runtime.cli import parser, run
from resumen.runtime.cpu import share_cores
from resumen.runtime.errors import InputError
from resumen.runtime.paths import TOKENIZED_TRAIN
from resumen.schema.params import checked_params, parse_section
from resumen.schema.rows import num_rows
from resumen.schema.sections import FinetuneParams

log = logging.getLogger("finetune")


def main() -> None:
    parser(__doc__, "python -m stages.finetune").parse_args()
    params = parse_section(FinetuneParams, checked_params(), "finetune")
    step, count = params.batch_size * params.gradient_accumulation, num_rows(TOKENIZED_TRAIN)
    if count < step:
        raise InputError(
            f"params.yaml: finetune.batch_size: a step takes {step} articles (batch_size × "
            f"gradient_accumulation), and the training split has {count}; lower it"
        )
    share_cores(log)
    from resumen.model.distributed import run_under_torchrun  # PyTorch takes seconds to import
    from resumen.training.checkpoints import checkpoint_interval
    from resumen.training.finetuning import finetune

    checkpoint_interval()  # a wrong one is refused before any work
    if not run_under_torchrun("stages.finetune"):
        finetune(params)


if __name__ == "__main__":
    run(main)
