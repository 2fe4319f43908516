"""What people would otherwise run, each as plain as its documentation shows it."""

import importlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
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

from benchmarks.harness.workload import SOURCE_TOKENS, TARGET_TOKENS, Row

BATCH_SIZES = {"cpu": 8, "cuda": 32}  # of fine-tuning: the profile course's, and mlsum's
COURSE_BATCH = 8
MAX_BATCH = {  # articles in a batch, of one and of four beams: the fastest of 8, 16, 32 and 64 on two cores
    "transformers": {1: 64, 4: 8},
    "int8": {1: 16, 4: 16},
    "float32": {1: 64, 4: 32},
    "int8, a translator a core": {1: 16, 4: 8},
}
LEARNING_RATE = 5e-5  # Trainer's


@dataclass
class Trained:
    """What a fine-tuning did: the articles and seconds of each step, its target tokens, the mean loss."""

    steps: list[tuple[int, float]]
    targets: int
    loss: float

    @property
    def total(self) -> float:
        """The seconds of all steps."""
        return sum(seconds for _, seconds in self.steps)

    def rate(self, warming: int) -> float:
        """Return the articles a second of the steps after the first `warming`."""
        steps = self.steps[warming:]
        return sum(count for count, _ in steps) / sum(seconds for _, seconds in steps)


class Rows(torch.utils.data.Dataset[Row]):
    """Rows as a dataset for Trainer."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]


class Counted:
    """A collator that counts: the articles of each batch, and the target tokens of all."""

    def __init__(self, collate: Callable[[list[Row]], dict[str, torch.Tensor]]) -> None:
        self.collate, self.targets = collate, 0
        self.articles: list[int] = []

    def __call__(self, batch: list[Row]) -> dict[str, torch.Tensor]:
        output = self.collate(batch)
        self.articles.append(len(batch))
        self.targets += int(output["labels"].ne(-100).sum())
        return output


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

    def mark(self) -> None:
        """End a step, and begin the next."""
        now = self.now()
        self.seconds.append(now - self.start)
        self.start = now


def padded(batch: list[Row]) -> dict[str, torch.Tensor]:
    """Return a batch as the course stores it: everything as long as the longest of all splits."""
    ids = torch.zeros(len(batch), SOURCE_TOKENS, dtype=torch.long)
    labels = torch.full((len(batch), TARGET_TOKENS), -100)
    for index, row in enumerate(batch):
        ids[index, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        labels[index, : len(row["labels"])] = torch.tensor(row["labels"])
    return {"input_ids": ids, "attention_mask": ids.ne(0).long(), "labels": labels}


def finetune_course(folder: Path, rows: list[Row], device: torch.device, batch_size: int) -> Trained:
    """Fine-tune as the course does: float32, eager attention, padded to the longest.

    AdamW as torch makes it by default, a loop over the parameters on a CPU.
    """
    model = T5ForConditionalGeneration.from_pretrained(folder, attn_implementation="eager")
    torch.nn.Module.to(model, device).train()  # transformers' own has other types
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    steps, collate, losses = Steps(device), Counted(padded), []
    for start in range(0, len(rows), batch_size):
        batch = collate(rows[start : start + batch_size])
        steps.on_step_begin()
        loss = model(**{name: tensor.to(device) for name, tensor in batch.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
        steps.on_step_end()
    mean = torch.stack(losses).mean().item()
    return Trained(list(zip(collate.articles, steps.seconds, strict=True)), collate.targets, mean)


def finetune_trainer(
    folder: Path, rows: list[Row], device: torch.device, batch_size: int, bf16: bool = False
) -> Trained:
    """Fine-tune by Seq2SeqTrainer with its defaults, as in transformers' example; `bf16` is its option."""
    model = T5ForConditionalGeneration.from_pretrained(folder)
    steps, collate = Steps(device), Counted(collator(folder, model))
    with tempfile.TemporaryDirectory() as scratch:
        arguments = Seq2SeqTrainingArguments(
            output_dir=scratch,
            num_train_epochs=1,
            learning_rate=LEARNING_RATE,
            per_device_train_batch_size=batch_size,
            bf16=bf16,
            use_cpu=device.type == "cpu",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = Seq2SeqTrainer(
            model=model, args=arguments, train_dataset=Rows(rows), data_collator=collate, callbacks=[steps]
        )
        trainer.remove_callback(PrinterCallback)
        loss = trainer.train().training_loss
    return Trained(list(zip(collate.articles, steps.seconds, strict=True)), collate.targets, loss)


def collator(folder: Path, model: T5ForConditionalGeneration | None = None) -> DataCollatorForSeq2Seq:
    return DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(folder), model)


class Transformers:
    """`generate`, batch by batch in the order of the file, each padded to its longest.

    As the course has it, `is_course`: eager attention, all padded to 512, eight at a time.
    """

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        is_course: bool = False,
    ) -> None:
        attention = "eager" if is_course else "sdpa"
        model = T5ForConditionalGeneration.from_pretrained(folder, dtype=dtype, attn_implementation=attention)
        torch.nn.Module.to(model, device).eval()
        self.model: Any = model
        self.device, self.is_course = device, is_course

    @torch.inference_mode()
    def __call__(self, rows: list[list[int]], num_beams: int, num_tokens: int) -> list[list[int]]:
        output: list[list[int]] = []
        size = COURSE_BATCH if self.is_course else MAX_BATCH["transformers"][num_beams]
        if self.device.type == "cuda" and not self.is_course:
            size = 64  # as ours
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            width = SOURCE_TOKENS if self.is_course else max(map(len, batch))
            ids = torch.tensor([row + [0] * (width - len(row)) for row in batch], device=self.device)
            options = {"num_beams": num_beams, "max_new_tokens": num_tokens, "do_sample": False}
            output += self.model.generate(ids, attention_mask=ids.ne(0), **options)[:, 1:].tolist()
        return output


class CTranslate2:
    """CTranslate2's translator, which sorts and batches by itself.

    As installed: one translator, whose operations share the threads. `apart`: one translator a core, each
    with batches of its own.
    """

    def __init__(self, folder: Path, scratch: Path, compute_type: str, apart: bool = False) -> None:
        ctranslate2 = importlib.import_module("ctranslate2")  # benchmarks/requirements.txt

        target = scratch / "ctranslate2"
        if not target.exists():
            ctranslate2.converters.TransformersConverter(str(folder)).convert(str(target))
        threads = torch.get_num_threads()
        self.max_batch = MAX_BATCH[f"{compute_type}, a translator a core" if apart else compute_type]
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
        output = self.translator.translate_batch(
            [[self.pieces[token] for token in row] for row in rows],
            beam_size=num_beams,
            max_decoding_length=num_tokens,
            max_input_length=0,
            max_batch_size=self.max_batch[num_beams],
        )
        return [[self.ids.get(piece, 2) for piece in result.hypotheses[0]] for result in output]
