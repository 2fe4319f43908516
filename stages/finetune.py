"""Finetune: train a base on the tokenized news; keep the epoch that summarizes validation best.

Reads   data/tokenized/F/ without its test split, models/pretrained/<base>/, data/raw/validation.parquet
        (the references)
Writes  models/finetuned/F/          what AutoModelForSeq2SeqLM and AutoTokenizer load; provenance.json
        metrics/finetune/F.json      steps, losses, validation ROUGE, best epoch, precision, and what the
                                     profile or `finetune` supplied: rows, learning rate, epochs, batch size
        metrics/curves/F.json        the curve, a row an epoch; epoch 0 is the base
Params  finetunings.F, finetune

Killed at any moment and started again, it resumes from its last checkpoint (every RESUMEN_CHECKPOINT_SECONDS,
300 if not set, and at the end of each epoch) and ends with the bytes of a run that was not interrupted.

    python -m stages.finetune flan-small
    RESUMEN_LAUNCH="--nproc-per-node 2" python -m stages.finetune flan-small
"""

import logging

from resumen.checkpoint.folder import reason_left_out
from resumen.runtime.cli import parser, run
from resumen.runtime.cpu import share_cores
from resumen.runtime.errors import InputError
from resumen.runtime.files import atomic_write
from resumen.runtime.jsonfiles import write_json
from resumen.runtime.paths import (
    CURVES_DIR,
    FINETUNE_METRICS,
    FINETUNED_DIR,
    PRETRAINED_DIR,
    TOKENIZED_DIR,
)
from resumen.runtime.provenance import write_provenance
from resumen.schema.checkpoints import LEFT_OUT
from resumen.schema.finetunings import FinetuningParams, finetuning_params, recipe_key, recipe_of
from resumen.schema.params import checked_params
from resumen.schema.rows import num_rows
from resumen.schema.sections import FinetuneParams

log = logging.getLogger("finetune")


def check_rows(name: str, entry: FinetuningParams, params: FinetuneParams, count: int) -> None:
    """Raise InputError unless a training split of `count` rows has the articles that are asked for."""
    if entry.rows and entry.rows > count:
        raise InputError(
            f"params.yaml: finetunings.{name}.rows: the training split has {count} articles, "
            f"got {entry.rows}; lower it, or leave it empty for all"
        )
    step = params.batch_size * params.gradient_accumulation
    if count < step:
        key = recipe_key(name, entry, "batch_size")
        raise InputError(
            f"params.yaml: {key}: a step takes {step} articles (batch_size × gradient_accumulation), and the "
            f"training split has {count}; lower it"
        )


def leave_out(name: str, reason: str) -> None:
    """Write a folder without a model, and why: the base of fine-tuning `name` has no weights here."""
    with atomic_write(FINETUNED_DIR / name) as partial:
        partial.mkdir()
        write_provenance(partial, **{"source": "none", LEFT_OUT: reason})
    write_json(FINETUNE_METRICS / f"{name}.json", {LEFT_OUT: reason})
    write_json(CURVES_DIR / f"{name}.json", [])
    log.warning("%s: left out: %s", name, reason)


def main() -> None:
    arguments = parser(__doc__, "python -m stages.finetune flan-small")
    arguments.add_argument("finetuning", help="a key of `finetunings` in params.yaml")
    name = arguments.parse_args().finetuning
    all_params = checked_params()
    entry, params = finetuning_params(all_params, name), recipe_of(all_params, name)
    if reason := reason_left_out(PRETRAINED_DIR / entry.base):
        leave_out(name, reason)
        return
    check_rows(name, entry, params, num_rows(TOKENIZED_DIR / name / "train.parquet"))
    share_cores(log)
    from resumen.model.distributed import run_under_torchrun  # PyTorch takes seconds to import
    from resumen.training.checkpoints import checkpoint_interval
    from resumen.training.finetuning import finetune

    checkpoint_interval()  # a wrong one is refused before any work
    if not run_under_torchrun("stages.finetune"):
        finetune(name, entry, params)


if __name__ == "__main__":
    run(main)
