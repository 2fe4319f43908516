"""transformers' T5 of a folder, which ours is held against."""

from dataclasses import replace

import torch
from transformers import (
    MT5Config,
    MT5ForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
    UMT5Config,
    UMT5ForConditionalGeneration,
)

from resumen.checkpoint.config import ModelConfig
from resumen.model.loading import open_checkpoint

CLASSES = {  # by model_type
    "t5": (T5Config, T5ForConditionalGeneration),
    "mt5": (MT5Config, MT5ForConditionalGeneration),
    "umt5": (UMT5Config, UMT5ForConditionalGeneration),
}


def transformers_model(folder):
    """Return the model of `folder` in float32; 5.23 scales the head of every UMT5, here as its file says."""
    ours = open_checkpoint(folder).config
    config_class, model_class = CLASSES[ours.model_type]
    config = config_class.from_pretrained(folder)
    config.scale_decoder_outputs = ours.scale_output
    return model_class.from_pretrained(folder, config=config, dtype=torch.float32).eval()


def head_is_tied(model):
    return model.lm_head.weight.data_ptr() == model.shared.weight.data_ptr()


def config_of(model):
    """Return what `model` is like; transformers 5 calls every head tied, so look at the head itself."""
    return replace(ModelConfig.of(model.config.to_dict()), untied_head=not head_is_tied(model))
