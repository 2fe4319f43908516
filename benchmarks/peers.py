"""What people would otherwise run, each as plain as its documentation shows it."""

import importlib
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    T5ForConditionalGeneration,
    TrainerCallback,
)

from benchmarks.workload import SOURCE_TOKENS, TARGET_TOKENS, Row

BATCH_SIZE = 8  # the course's

Step = tuple[int, float]  # its articles, its seconds


class Rows(torch.utils.data.Dataset):
    """Rows as a dataset for Trainer."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Row:
        return self.rows[place]


class Steps(TrainerCallback):
    """Times each step, from its begin to its end."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: list[float] = []
        self.device = device

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self.start = self.now()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.seconds.append(self.now() - self.start)


def padded(batch: list[Row]) -> dict[str, torch.Tensor]:
    """Return a batch as the course stores it: everything as long as the longest of all splits."""
    ids = torch.zeros(len(batch), SOURCE_TOKENS, dtype=torch.long)
    labels = torch.full((len(batch), TARGET_TOKENS), -100)
    for place, row in enumerate(batch):
        ids[place, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        labels[place, : len(row["labels"])] = torch.tensor(row["labels"])
    return {"input_ids": ids, "attention_mask": ids.ne(0).long(), "labels": labels}


def load(folder: Path, attention: str, device: torch.device) -> T5ForConditionalGeneration:
    model = T5ForConditionalGeneration.from_pretrained(folder, attn_implementation=attention)
    return model.to(device)


def finetune_course(folder: Path, rows: list[Row], device: torch.device) -> list[Step]:
    """Return the steps of the course: float32, eager attention, padded to the longest.

    AdamW as torch makes it by default, a loop over the parameters on a CPU.
    """
    model = load(folder, "eager", device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5)
    steps = Steps(device)
    for start in range(0, len(rows), BATCH_SIZE):
        batch = {name: tensor.to(device) for name, tensor in padded(rows[start : start + BATCH_SIZE]).items()}
        steps.on_step_begin()
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        steps.on_step_end()
    return [(BATCH_SIZE, seconds) for seconds in steps.seconds]


def finetune_trainer(folder: Path, rows: list[Row], device: torch.device) -> list[Step]:
    """Return the steps of Seq2SeqTrainer with its defaults, as in transformers' example."""
    model = T5ForConditionalGeneration.from_pretrained(folder)
    steps = Steps(device)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = Seq2SeqTrainingArguments(
            output_dir=scratch,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH_SIZE,
            use_cpu=device.type == "cpu",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = Seq2SeqTrainer(
            model=model,
            args=arguments,
            train_dataset=Rows(rows),
            data_collator=DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(folder), model),
            callbacks=[steps],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return [(BATCH_SIZE, seconds) for seconds in steps.seconds]


class Transformers:
    """`generate`, batch by batch in the order of the file; "course": eager attention, all padded to 512."""

    def __init__(self, folder: Path, device: torch.device, attention: str = "sdpa") -> None:
        self.model = load(folder, attention, device).eval()
        self.device, self.longest = device, attention == "eager"

    @torch.inference_mode()
    def __call__(self, rows: list[list[int]], num_beams: int, num_tokens: int) -> list[list[int]]:
        made = []
        for start in range(0, len(rows), BATCH_SIZE):
            batch = rows[start : start + BATCH_SIZE]
            width = SOURCE_TOKENS if self.longest else max(map(len, batch))
            ids = torch.tensor([row + [0] * (width - len(row)) for row in batch], device=self.device)
            options = {"num_beams": num_beams, "max_new_tokens": num_tokens, "do_sample": False}
            made += self.model.generate(ids, attention_mask=ids.ne(0), **options)[:, 1:].tolist()
        return made


class CTranslate2:
    """CTranslate2's translator, which sorts and batches by itself.

    As installed: one translator, whose operations share the threads, and the batch size that was the fastest
    of 8, 16, 32 and 64 for int8. `apart`: one translator a core, each with batches of its own.
    """

    def __init__(self, folder: Path, scratch: Path, compute_type: str, apart: bool = False) -> None:
        ctranslate2 = importlib.import_module("ctranslate2")  # benchmarks/requirements.txt

        target = scratch / "ctranslate2"
        if not target.exists():
            ctranslate2.converters.TransformersConverter(str(folder)).convert(str(target))
        threads, self.apart = torch.get_num_threads(), apart
        self.translator = ctranslate2.Translator(
            str(target),
            device="cpu",
            compute_type=compute_type,
            inter_threads=threads if apart else 1,
            intra_threads=1 if apart else threads,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder)
        self.pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        self.ids = {piece: number for number, piece in enumerate(self.pieces)}

    def __call__(self, rows: list[list[int]], num_beams: int, num_tokens: int) -> list[list[int]]:
        made = self.translator.translate_batch(
            [[self.pieces[token] for token in row] for row in rows],
            beam_size=num_beams,
            max_decoding_length=num_tokens,
            max_input_length=0,
            max_batch_size=8 if self.apart and num_beams > 1 else 16,
        )
        return [[self.ids.get(piece, 2) for piece in found.hypotheses[0]] for found in made]
