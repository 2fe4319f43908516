"""Model: a T5 of a recipe's size, before its first step."""

import json
from collections.abc import Sequence

import torch
from transformers import T5Config, T5ForConditionalGeneration

from miniatures.recipes import Recipe
from miniatures.vocabulary import EOS, PAD


def model_config(recipe: Recipe, num_rows: int) -> T5Config:
    """Return the config as its `config.json` would hold it; num_rows: of the embedding."""
    return T5Config(  # type: ignore[call-arg]  # it passes on what all configs take
        architectures=["T5ForConditionalGeneration"],
        vocab_size=num_rows,
        d_model=recipe.d_model,
        d_kv=recipe.d_kv,
        d_ff=recipe.d_ff,
        num_heads=recipe.num_heads,
        num_layers=recipe.num_layers,
        num_decoder_layers=recipe.num_decoder_layers,
        feed_forward_proj="relu" if recipe.version == "v1.0" else "gated-gelu",
        tie_word_embeddings=recipe.version == "v1.0",  # sets scale_decoder_outputs alone, see below
        decoder_start_token_id=PAD,
        pad_token_id=PAD,
        eos_token_id=EOS,
        dtype="float32",
    )


def config_json(recipe: Recipe, config: T5Config) -> str:
    """Return `config` as compact JSON, its head said to be tied or not as it is.

    T5Config (transformers 5) forces `tie_word_embeddings` to true, whatever the head.
    """
    known = json.loads(config.to_json_string())
    known.pop("transformers_version", None)
    known["tie_word_embeddings"] = recipe.version == "v1.0"
    return json.dumps(known, sort_keys=True, separators=(",", ":"))


def new_model(recipe: Recipe, num_rows: int) -> T5ForConditionalGeneration:
    """Return the model before its first step; v1.1 with a head of its own."""
    torch.manual_seed(recipe.seed)
    model = T5ForConditionalGeneration(model_config(recipe, num_rows))
    if recipe.version == "v1.1":  # a config alone builds a tied model
        # It starts from the embedding, so that to copy a token need not be learned token by token.
        head = model.shared.weight.detach() * recipe.d_model**-0.5
        model.lm_head.weight = torch.nn.Parameter(head.clone())
    model.set_attn_implementation("eager")  # a tenth faster than sdpa, whose mask learns here and is no mask
    model.eval()  # no dropout, as T5 v1.1 was pre-trained
    return model


def pad(rows: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    """Return (rows, longest) ids, short rows filled up at their end."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])
