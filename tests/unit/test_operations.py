"""Operations: what is counted by shapes is what PyTorch counts of the products that transformers computes."""

from math import prod
from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import T5Config, T5ForConditionalGeneration

from resumen.checkpoint.config import ModelConfig
from resumen.model.operations import num_parameters, summary_operations, training_operations
from resumen.training.finetuning import training_cost
from resumen.training.loop import TokenizedRows
from tests.helpers.reference import config_of

SHAPES = {"d_model": 24, "d_kv": 4, "num_heads": 5, "d_ff": 40, "num_layers": 2, "num_decoder_layers": 2}
ROWS = 64
KINDS = [("relu", True), ("gated-gelu", False)]  # T5 v1.0 and Flan


def model_of(kind: str, tied: bool) -> T5ForConditionalGeneration:
    config = T5Config(
        **SHAPES,
        vocab_size=ROWS,
        feed_forward_proj=kind,
        tie_word_embeddings=tied,
        decoder_start_token_id=0,
        dropout_rate=0.0,
        attn_implementation="eager",  # PyTorch does not count what its fused attention computes on a CPU
    )
    model = T5ForConditionalGeneration(config).eval()
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
    return model


def counted(compute) -> int:
    with FlopCounterMode(display=False) as counter:
        compute()
    return counter.get_total_flops()


EPOCHS = 20_000  # of a model so small, that its operations are more than a rounding
PLAIN = {"input_ids": [[5, 6, 7, 1], [8, 1]], "labels": [[9, 1], [5, 6, 1]]}
PADDED = {
    "input_ids": [[5, 6, 7, 1], [8, 1, 0, 0]],
    "attention_mask": [[1, 1, 1, 1], [1, 1, 0, 0]],
    "labels": [[9, 1, -100], [5, 6, 1]],
}


@pytest.mark.parametrize("columns", [PLAIN, PADDED], ids=["dynamic", "longest"])
def test_a_training_costs_each_article_as_often_as_it_is_read_and_no_padding(columns):
    model = model_of(*KINDS[0])
    rows = TokenizedRows(pa.table({"id": ["a", "b"], **columns}))
    params = SimpleNamespace(epochs=EPOCHS, batch_size=1, seed=1)
    config = config_of(model)
    both = [training_operations(config, ROWS, 4, 2), training_operations(config, ROWS, 2, 3)]
    assert EPOCHS * training_operations(config, ROWS, 2, 1) > 1e9
    assert training_cost(SimpleNamespace(config=config, num_rows=ROWS), rows, params, chosen=[0, 1]) == {
        "articles_read": 2 * EPOCHS,
        "training_tflops": round(EPOCHS * sum(both) / 1e12, 4),
    }


@pytest.mark.parametrize(("kind", "tied"), KINDS)
def test_a_step_of_training_is_what_pytorch_counts(kind, tied):
    model, source, target = model_of(kind, tied), 17, 9
    ids, labels = torch.randint(3, ROWS, (1, source)), torch.randint(3, ROWS, (1, target))
    found = counted(lambda: model(input_ids=ids, labels=labels).loss.backward())
    config = config_of(model)
    assert found == training_operations(config, ROWS, source, target)


@pytest.mark.parametrize(("kind", "tied"), KINDS)
def test_a_summary_token_by_token_is_what_pytorch_counts(kind, tied):
    model, source, target = model_of(kind, tied), 17, 9
    ids = torch.randint(3, ROWS, (1, source))
    options = {"do_sample": False, "num_beams": 1, "min_new_tokens": target, "max_new_tokens": target}
    with torch.no_grad():
        found = counted(lambda: model.generate(ids, **options))
    assert found == summary_operations(config_of(model), ROWS, source, target)


@pytest.mark.parametrize(("kind", "tied"), KINDS)
def test_parameters_are_those_of_the_model(kind, tied):
    model = model_of(kind, tied)
    assert num_parameters(config_of(model), ROWS) == sum(prod(one.shape) for one in model.parameters())


def test_beams_read_once_and_write_each():
    config: ModelConfig = config_of(model_of("relu", tied=True))
    one, four = (summary_operations(config, ROWS, 30, 10, num_beams) for num_beams in (1, 4))
    read = summary_operations(config, ROWS, 30, 0)
    assert four - read == 4 * (one - read)
