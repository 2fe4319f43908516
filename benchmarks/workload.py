"""What the speed benchmarks run on: checkpoints of true shape with random weights, rows of MLSUM's lengths.

Random weights, since speed does not depend on their values: every summary is as long as it may be.
"""

import json
import math
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import T5Config, T5ForConditionalGeneration

NUM_PIECES, NUM_ROWS = 32_100, 32_128  # of T5's vocabulary, and of its embedding
SHAPES = {
    "flan-small": {"d_model": 512, "d_ff": 1024, "d_kv": 64, "num_heads": 6, "num_layers": 8},
    "flan-base": {"d_model": 768, "d_ff": 2048, "d_kv": 64, "num_heads": 12, "num_layers": 12},
    "flan-large": {"d_model": 1024, "d_ff": 2816, "d_kv": 64, "num_heads": 16, "num_layers": 24},
    "t5-small": {"d_model": 512, "d_ff": 2048, "d_kv": 64, "num_heads": 8, "num_layers": 6},
    "t5-base": {"d_model": 768, "d_ff": 3072, "d_kv": 64, "num_heads": 12, "num_layers": 12},
}
SOURCE_TOKENS, TARGET_TOKENS = 512, 128  # longer ones are cut
MEDIAN_SOURCE, SIGMA_SOURCE = 1_784, 0.71  # tokens of MLSUM's articles, log-normal: 96 % are longer than 512
MEDIAN_TARGET, SIGMA_TARGET = 51, 0.325  # of its summaries: 95 % are shorter than 87

EOS = 1

Row = dict[str, list[int]]


def made_up(name: str, folder: Path) -> Path:
    """Return a checkpoint's folder with random weights of the true shape of `name`, and some vocabulary."""
    flan = name.startswith("flan")
    torch.manual_seed(7)
    config = T5Config(
        **SHAPES[name],
        vocab_size=NUM_ROWS,
        feed_forward_proj="gated-gelu" if flan else "relu",
        tie_word_embeddings=not flan,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config)
    if flan:
        model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.shared.weight) * 0.05)
    model.save_pretrained(folder)
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    saved["tie_word_embeddings"] = not flan  # as in the genuine file
    (folder / "config.json").write_text(json.dumps(saved), encoding="utf-8")
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(f"▁w{number}", -10.0) for number in range(len(pieces), NUM_PIECES)]
    core = Tokenizer(models.Unigram(pieces, unk_id=2))
    core.pre_tokenizer, core.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    core.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    core.save(str(folder / "tokenizer.json"))
    named = {"tokenizer_class": "T5Tokenizer", "extra_ids": 0}
    named |= {
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "additional_special_tokens": [],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(named), encoding="utf-8")
    return folder


def operations(source: int, target: int, name: str = "flan-small") -> int:
    """Return the operations of the matrix products of one forward pass over so many tokens, without padding.

    A multiplication and an addition are two.
    """
    shape = SHAPES[name]
    width, inner, layers = shape["d_model"], shape["num_heads"] * shape["d_kv"], shape["num_layers"]
    attention, feed_forward = 4 * width * inner, (3 if name.startswith("flan") else 2) * width * shape["d_ff"]
    weights = source * layers * (attention + feed_forward)  # the encoder's
    weights += source * layers * attention // 2  # keys and values of the cross-attention
    weights += target * (layers * (attention * 3 // 2 + feed_forward) + width * NUM_ROWS)
    scores = layers * inner * 2 * (source**2 + target**2 + source * target)
    return 2 * (weights + scores)


def rows(count: int, seed: int) -> list[Row]:
    """Return `count` rows of input_ids and labels, of random tokens and MLSUM's lengths."""
    draw = Random(seed)

    def ids(median: float, sigma: float, maximum: int) -> list[int]:
        length = min(maximum, max(8, round(draw.lognormvariate(math.log(median), sigma))))
        return [*(draw.randrange(3, NUM_PIECES) for _ in range(length - 1)), EOS]

    return [
        {
            "input_ids": ids(MEDIAN_SOURCE, SIGMA_SOURCE, SOURCE_TOKENS),
            "labels": ids(MEDIAN_TARGET, SIGMA_TARGET, TARGET_TOKENS),
        }
        for _ in range(count)
    ]
