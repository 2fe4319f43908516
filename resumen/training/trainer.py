"""A training that can be stopped anywhere: its batches, its loss, its steps.

Trainer runs the steps. Batches are drawn by seed and epoch, dropout by Trainer's random state, so a training
that resumes from a checkpoint computes what it would have computed.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from transformers import Seq2SeqTrainer, T5ForConditionalGeneration, TrainerCallback, TrainerState

from resumen.model.decoding import plan_batches
from resumen.model.distributed import all_reduce, rank, shard_rows
from resumen.model.t5 import T5, Dropout
from resumen.runtime.progress import track
from resumen.schema.sections import FinetuneParams
from resumen.training.checkpoints import History
from resumen.training.pretrained import model_config

log = logging.getLogger("finetune")

LOGGED = ("epoch", "train_loss", "validation_loss", "rougeL")
LENGTH_MULTIPLE = 64  # tokens: within them, chance says who is with whom

TokenizedRow = dict[str, list[int]]  # ids, labels and perhaps a mask, by name


class TokenizedRows(torch.utils.data.Dataset[TokenizedRow]):
    """The rows of a tokenized split, kept as Arrow until asked for; `ids` are apart, no model takes them."""

    def __init__(self, table: pa.Table) -> None:
        self.ids: list[str] = table["id"].to_pylist()
        self.table = table.drop_columns("id")
        self.lengths: list[int] = pc.list_value_length(table["input_ids"]).to_pylist()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> TokenizedRow:
        return {name: self.table[name][index].as_py() for name in self.table.column_names}


class EpochSampler(torch.utils.data.Sampler[list[int]]):
    """The batches of an epoch, of like length under a token budget, in an order drawn by seed and epoch.

    A length counts as the multiple of 64 above it, or as the longest: so each epoch has as many batches.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int) -> None:
        longest = max(lengths, default=0)
        self.lengths = [
            min(math.ceil(length / LENGTH_MULTIPLE) * LENGTH_MULTIPLE, longest) for length in lengths
        ]
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.count = len(plan_batches(self.lengths, batch_size))

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        draw = Random(f"{self.seed} {self.epoch}")
        order = draw.sample(range(len(self.lengths)), len(self.lengths))
        planned = plan_batches([self.lengths[index] for index in order], self.batch_size)
        longest, *others = [[order[index] for index in indices] for indices in planned]
        draw.shuffle(others)
        yield from [longest, *others]  # memory that does not suffice fails at once


class Loader(torch.utils.data.DataLoader[TokenizedRow]):
    """A DataLoader that Trainer tells the epoch."""

    batch_sampler: EpochSampler

    def set_epoch(self, epoch: int) -> None:
        self.batch_sampler.set_epoch(epoch)


class Arithmetic:
    """The loss of a model's parameters as they are, in `dtype`; they and their gradients stay in float32."""

    def __init__(
        self, model: T5ForConditionalGeneration, dtype: torch.dtype, longest: tuple[int, int] | None = None
    ) -> None:
        """Compile the encoder for batches of `longest`, (rows, tokens), if given: padded ones and whole."""
        self.parameters, self.config, self.dtype = dict(model.named_parameters()), model_config(model), dtype
        self.longest = longest
        self.compiled = torch.compile(T5.encode, dynamic=False) if longest else None

    def now(self) -> T5:
        return T5(self.parameters.__getitem__, self.config, self.dtype)

    def loss(self, batch: Mapping[str, torch.Tensor], params: FinetuneParams) -> torch.Tensor:
        """Return the loss of this process's rows of a batch, summed over their target tokens.

        Where it has none it computes a row for nothing: so all processes draw the same random numbers.
        """
        count = len(batch["labels"])
        mine, weight = shard_rows(count), 1.0
        if mine.start == mine.stop:
            mine, weight = slice(0, 1), 0.0
        encode = self.compiled if tuple(batch["input_ids"].shape) == self.longest else None
        part = {name: tensor[mine] for name, tensor in batch.items()}  # (rows of this process, tokens)
        drop = Dropout(params.dropout, mine, count)
        return weight * self.now().loss(part, params.label_smoothing, drop, encode)


class SummaryTrainer(Seq2SeqTrainer):
    """Seq2SeqTrainer with our batches, our loss and our validation, alone or as one of several processes.

    The loss is the mean over the target tokens of a whole step, which Trainer counts: so 2 × 4 articles give
    the gradient of 1 × 8. T5's own ignores the count; with accumulation 4 it came out four times too large.
    Every process plans all batches, computes the loss of its rows, and adds up the gradients: Trainer
    believes it is alone.
    """

    train_dataset: TokenizedRows

    def __init__(
        self,
        arithmetic: Arithmetic,
        validation: Callable[[T5], dict[str, float]],
        params: FinetuneParams,
        history: History,
        save: Callable[[int], None],
        **kwargs: Any,
    ) -> None:
        """Call `save` with the number of each epoch that is the best so far, in rank 0."""
        super().__init__(**kwargs)
        self.arithmetic, self.validation, self.params = arithmetic, validation, params
        self.history, self.save = history, save
        self.step_loss: float | torch.Tensor = 0.0

    def get_train_dataloader(self) -> Loader:
        epochs = EpochSampler(self.train_dataset.lengths, self.params.batch_size, self.params.seed)
        return Loader(self.train_dataset, batch_sampler=epochs, collate_fn=self.data_collator)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], torch.Tensor | int | None]:
        """Return the batches of a step and the number of their target tokens, which stays on the CPU."""
        return super().get_batch_samples(epoch_iterator, num_batches, torch.device("cpu"))

    def _prepare_inputs(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return inputs  # `T5.loss` sends them

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        assert num_items_in_batch is not None  # of `get_batch_samples`
        return self.arithmetic.loss(inputs, self.params) / num_items_in_batch

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.step_loss = self.step_loss + loss
        if self.accelerator.sync_gradients:  # the last batch of a step
            all_reduce([self.step_loss])
            gradients: list[torch.Tensor] = []
            for parameter in model.parameters():
                assert parameter.grad is not None  # every rank has the same ones to add up
                gradients.append(parameter.grad)
            all_reduce(gradients, self.arithmetic.dtype)
            self.history.loss = self.history.loss + self.step_loss
            self.history.steps += 1
            self.step_loss = torch.zeros_like(self.step_loss)
        return loss

    @torch.inference_mode()
    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        epoch, scores = round(self.state.epoch), self.validation(self.arithmetic.now())
        row = self.history.close_epoch(epoch, self.state.global_step, scores)
        log.info("epoch %d: loss %s, on validation %s, ROUGE-L %s", *(row[key] for key in LOGGED))
        if self.history.best is row and rank() == 0:
            self.save(epoch)
        metrics = {f"eval_{name}": value for name, value in scores.items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class Progress(TrainerCallback):
    """A bar over the steps, or plain lines where there is no terminal, as in every other stage."""

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        todo = range(state.global_step, state.max_steps)
        self.steps = track(todo, "finetune training", len(todo), unit="step")
        next(self.steps, None)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        next(self.steps, None)
