"""Finetune: train the base on the tokenized news; keep the epoch that summarizes validation best.

Reads   data/tokenized/ without its test split, models/pretrained/<base>/, data/raw/validation.parquet
        (the references)
Writes  models/finetuned/              what AutoModelForSeq2SeqLM and AutoTokenizer load; provenance.json
        metrics/finetune.json          steps, losses, validation ROUGE, best epoch, precision
        metrics/plots/training.json    the curve, a row an epoch; epoch 0 is the base
Params  finetune

Killed at any moment and started again, it goes on from its last checkpoint (every RESUMEN_CHECKPOINT_SECONDS,
300 if not set, and at the end of each epoch) and ends with the bytes of a run that was not interrupted.

    python -m stages.finetune
    RESUMEN_LAUNCH="--nproc-per-node 2" python -m stages.finetune
"""

import logging
import shutil
import sys
from collections import ChainMap
from collections.abc import Iterable
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Seq2SeqTrainingArguments,
    T5ForConditionalGeneration,
    TrainerCallback,
)

from stages.shared.checkpoint import write_provenance
from stages.shared.cli import InputError, parser, run
from stages.shared.decoding import batches, begun, greedy, search
from stages.shared.device import choose_dtype, prepare_torch
from stages.shared.files import load_table, num_rows, read_table, require_space, size_of, whole, write_json
from stages.shared.models import load_model, save_model, start_letters
from stages.shared.params import load_params
from stages.shared.progress import track
from stages.shared.ranks import dealt, gathered, rank, received, relaunched
from stages.shared.recipe import FinetuneParams
from stages.shared.resume import fingerprint, finish, locked_folder
from stages.shared.rouge import SpanishRouge
from stages.shared.scores import ROUGE_TYPES
from stages.shared.spelling import PAD, decode, load_tokenizer
from stages.shared.t5 import T5, check_vocabulary
from stages.shared.training import (
    SEAL,
    Arithmetic,
    Checkpoints,
    History,
    Progress,
    Stopped,
    SummaryTrainer,
    TokenizedRows,
    curve_row,
    epoch_folder,
    last_checkpoint,
    sealed_history,
    seconds_between,
)

log = logging.getLogger("finetune")

TOKENIZED = Path("data/tokenized")
TRAIN, VALIDATION = TOKENIZED / "train.parquet", TOKENIZED / "validation.parquet"
TOKENIZER = TOKENIZED / "tokenizer"
PRETRAINED = Path("models/pretrained")
RAW_VALIDATION = Path("data/raw/validation.parquet")
FINETUNED = Path("models/finetuned")
METRICS = Path("metrics/finetune.json")
CURVE = Path("metrics/plots/training.json")


class Validation:
    """What is measured after each epoch: the loss, and ROUGE against the raw references.

    Decoded labels would not do for references: they are cut, and have lost the letters that the
    vocabulary lacks, as the predictions have.
    """

    def __init__(
        self,
        rows: TokenizedRows,
        references: dict[str, str],
        tokenizer: Tokenizer,
        params: FinetuneParams,
    ) -> None:
        if missing := [name for name in rows.ids if name not in references]:
            raise InputError(f"{RAW_VALIDATION}: lacks id {missing[0]!r} of {TOKENIZED}; run `dvc repro`")
        places = list(range(len(rows)))
        if params.validation_rows != "all" and params.validation_rows < len(rows):
            places = sorted(Random(params.seed).sample(places, params.validation_rows))
        self.rows = torch.utils.data.Subset(rows, places)
        pad = tokenizer.token_to_id(PAD)
        chosen = [rows[place] for place in places]
        self.sources = [[token for token in row["input_ids"] if token != pad] for row in chosen]
        self.labels = [[token for token in row["labels"] if token >= 0] for row in chosen]
        self.references = [references[rows.ids[place]] for place in places]
        self.tokenizer, self.params = tokenizer, params

    @torch.inference_mode()
    def __call__(self, t5: T5) -> dict[str, float]:
        """Return `loss`, the mean over all target tokens, not smoothed, and each ROUGE type, in points.

        An article is read once, for its summary and for the loss of its labels.
        """
        decoding, batch_size = greedy(self.params.max_new_tokens), 8 * self.params.batch_size  # no gradients
        own = dealt(batches(list(map(len, self.sources)), batch_size))
        outputs: dict[int, list[int]] = {}
        loss = 0.0
        for places in track(own, "finetune validation", len(own), unit="batch"):
            memory = begun(t5, [self.sources[place] for place in places], decoding)
            labels = [torch.tensor(self.labels[place]) for place in places]
            padded = pad_sequence(labels, batch_first=True, padding_value=-1)
            loss += float(t5.written_loss(memory, padded))
            outputs |= dict(zip(places, search(t5, memory, decoding), strict=True))
        every, losses = zip(*gathered((outputs, loss)), strict=True)
        every_output = ChainMap(*every)
        texts = decode(self.tokenizer, [every_output[place] for place in range(len(self.rows))])
        scores = SpanishRouge(keep_in_memory=True).compute(predictions=texts, references=self.references)
        return {"loss": sum(losses) / sum(map(len, self.labels)), **scores}


def training_arguments(
    params: FinetuneParams, folder: Path, device: torch.device
) -> Seq2SeqTrainingArguments:
    """Return Trainer's arguments; `folder` is where it writes its checkpoints."""
    return Seq2SeqTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=params.epochs,
        learning_rate=params.learning_rate,
        per_device_train_batch_size=params.batch_size,
        gradient_accumulation_steps=params.gradient_accumulation,
        lr_scheduler_type="constant_with_warmup" if params.schedule == "constant" else params.schedule,
        warmup_steps=params.warmup_ratio,
        weight_decay=params.weight_decay,
        max_grad_norm=params.max_grad_norm,
        use_cpu=device.type == "cpu",
        seed=params.seed,
        data_seed=params.seed,
        logging_strategy="no",
        logging_nan_inf_filter=False,  # would wait for the device at every step
        eval_strategy="epoch",
        save_strategy="no",  # `Checkpoints` says when
        report_to="none",
        disable_tqdm=True,
    )


def longest_batch(rows: TokenizedRows, params: FinetuneParams) -> tuple[int, int] | None:
    """Return the shape of a full batch of the longest rows, (rows, tokens), if it is to be compiled.

    Raises:
        InputError: there is no C++ compiler.
    """
    if not params.compile:
        return None
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise InputError(
            "params.yaml: finetune.compile: no C++ compiler here; install g++ or clang++, or set it to false"
        ) from error
    return params.batch_size, max(rows.lengths)


def train(
    model: T5ForConditionalGeneration,
    rows: TokenizedRows,
    validation: Validation,
    params: FinetuneParams,
    device: torch.device,
    folder: Path,
    callbacks: Iterable[TrainerCallback] = (),
) -> tuple[History, int]:
    """Train `model`, from the last checkpoint in `folder` if it has one; return the history and the steps.

    The model of the best epoch is left in its `epoch_folder` of `folder`, by rank 0. Asked to stop by a
    signal, it ends the process, its work kept.
    """
    dtype = choose_dtype(params.precision, device)
    model.to(device)  # type: ignore[arg-type]  # its decorator drops self
    arithmetic = Arithmetic(model, dtype, longest_batch(rows, params))
    checkpoint = received(last_checkpoint(folder), folder)
    if checkpoint:
        history = sealed_history(checkpoint)
        log.info("going on from step %s", checkpoint.name.rpartition("-")[2])
    else:
        with torch.inference_mode():
            history = History([curve_row(0, 0, None, validation(arithmetic.now()))])

    def save(epoch: int) -> None:
        require_space(folder, 4 * model.num_parameters())
        save_model(model, TOKENIZER, epoch_folder(folder, epoch))

    checkpoints = Checkpoints(folder, history, model.num_parameters())
    trainer = SummaryTrainer(
        arithmetic,
        validation,
        params,
        history,
        save,
        model=model,
        args=training_arguments(params, folder, device),
        train_dataset=rows,
        eval_dataset=validation.rows,
        data_collator=DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(TOKENIZER)),
        callbacks=[Progress(), checkpoints, *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    try:
        with checkpoints.heeding_signals():
            done = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except Stopped as wish:
        is_kept = any(folder.glob(f"checkpoint-*/{SEAL}"))
        then = f"goes on from the last checkpoint, in {folder}" if is_kept else "starts afresh"
        log.info("stopped; the same command %s", then)
        sys.exit(128 + wish.args[0])
    return history, done.global_step


def write(
    history: History,
    steps: int,
    model: T5ForConditionalGeneration,
    params: FinetuneParams,
    precision: str,
    folder: Path,
) -> None:
    """Write the model of the best epoch, the metrics and the curve."""
    best = history.best
    with whole(FINETUNED) as partial:
        made = epoch_folder(folder, best["epoch"])
        require_space(FINETUNED.parent, size_of(made))
        shutil.copytree(made, partial)
        write_provenance(partial, source="finetune", base=params.base)
    metrics = {
        "base": params.base,
        "precision": precision,
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "steps": steps,
        "best_epoch": best["epoch"],
        "train_loss": best["train_loss"],
        "validation_loss": best["validation_loss"],
        **{f"validation_{name}": best[name] for name in ROUGE_TYPES},
    }
    write_json(CURVE, history.curve)
    write_json(METRICS, metrics)
    log.info(
        "wrote %s: %d steps; best epoch %d: validation loss %.3f, ROUGE-L %.2f (%.2f before)",
        FINETUNED,
        steps,
        best["epoch"],
        best["validation_loss"],
        best["rougeL"],
        history.curve[0]["rougeL"],
    )


def main() -> None:
    parser(__doc__, "python -m stages.finetune").parse_args()
    params = load_params(FinetuneParams, "finetune")
    step, count = params.batch_size * params.gradient_accumulation, num_rows(TRAIN)
    if count < step:
        raise InputError(
            f"params.yaml: finetune.batch_size: a step takes {step} articles (batch_size × "
            f"gradient_accumulation), and the training split has {count}; lower it"
        )
    seconds_between()  # a wrong one is refused before any work
    if relaunched("stages.finetune"):
        return
    device = prepare_torch(params.seed)
    rows = TokenizedRows(load_table(TRAIN))
    base = PRETRAINED / params.base
    model = load_model(base)
    tokenizer = load_tokenizer(TOKENIZER)
    check_vocabulary(model.shared.num_embeddings, tokenizer, base)
    start_letters(model, load_tokenizer(base), tokenizer)
    references = {row["id"]: row["summary"] for row in read_table(RAW_VALIDATION, ["id", "summary"])}
    validation = Validation(TokenizedRows(load_table(VALIDATION)), references, tokenizer, params)
    precision = str(choose_dtype(params.precision, device)).removeprefix("torch.")
    inputs = [TRAIN, VALIDATION, TOKENIZER, base, RAW_VALIDATION]
    parts = fingerprint([params], inputs, precision=f"{precision} on {device.type}")
    with locked_folder("finetune", parts, log) as folder:
        history, steps = train(model, rows, validation, params, device, folder)
        if rank() == 0:
            write(history, steps, model, params, precision, folder)
            finish(folder)


if __name__ == "__main__":
    run(main)
