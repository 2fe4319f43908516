"""What the benchmarks run on: checkpoints of true shape, rows and articles of MLSUM's lengths.

Random weights, since speed does not depend on their values: every summary is as long as it may be.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import T5Config, T5ForConditionalGeneration

from resumen.news.stories import stories
from resumen.text.sentences import sentences

NUM_PIECES, NUM_ROWS = 32_100, 32_128  # of T5's vocabulary, and of its embedding
SHAPES = {
    "flan-small": {"d_model": 512, "d_ff": 1024, "d_kv": 64, "num_heads": 6, "num_layers": 8},
    "flan-base": {"d_model": 768, "d_ff": 2048, "d_kv": 64, "num_heads": 12, "num_layers": 12},
    "flan-large": {"d_model": 1024, "d_ff": 2816, "d_kv": 64, "num_heads": 16, "num_layers": 24},
    "t5-small": {"d_model": 512, "d_ff": 2048, "d_kv": 64, "num_heads": 8, "num_layers": 6},
    "t5-base": {"d_model": 768, "d_ff": 3072, "d_kv": 64, "num_heads": 12, "num_layers": 12},
    "flan-tiny": {
        "d_model": 16,
        "d_ff": 32,
        "d_kv": 8,
        "num_heads": 2,
        "num_layers": 1,
    },  # to see that it runs
}
SOURCE_TOKENS, TARGET_TOKENS = 512, 128  # longer ones are cut
MEDIAN_SOURCE, SIGMA_SOURCE = 1_784, 0.71  # tokens of MLSUM's articles, log-normal: 96 % are longer than 512
MEDIAN_TARGET, SIGMA_TARGET = 51, 0.325  # of its summaries: 95 % are shorter than 87
MEDIAN_WORDS, SIGMA_WORDS = 714, 0.477  # of its articles: their mean is 800
COLUMNS = ("text", "summary", "topic", "url", "title", "date")  # MLSUM's

DEFAULT = "flan-small"  # the model whose shape is taken
NUM_TOKENS, NUM_BEAMS = 64, 4  # of each summary
EOS = 1

Row = dict[str, list[int]]


def made_up(name: str, folder: Path) -> Path:
    """Return a checkpoint's folder with random weights of the true shape of `name`, and some vocabulary.

    Made unless it is there.
    """
    if folder.exists():
        return folder
    flan = name.startswith("flan")
    torch.manual_seed(7)
    kind = "gated-gelu" if flan else "relu"
    given: dict[str, Any] = {**SHAPES[name], "feed_forward_proj": kind, "tie_word_embeddings": not flan}
    config = T5Config(**given, vocab_size=NUM_ROWS, decoder_start_token_id=0)  # type: ignore[call-arg]
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


def articles(count: int, seed: int, median_words: float = MEDIAN_WORDS) -> Iterator[dict[str, str]]:
    """Yield made-up rows of MLSUM's columns and lengths, stories of the embedded news in a row.

    No two have the same text.
    """
    draw = Random(seed)
    pool = [(story.text, story.summary, len(story.text.split())) for story in stories(2_000, seed)]
    for number in range(count):
        left, texts = int(draw.lognormvariate(math.log(median_words), SIGMA_WORDS)), []
        while left > 0:
            text, summary, words = pool[draw.randrange(len(pool))]
            texts.append(text)
            left -= words
        row = dict.fromkeys(COLUMNS, "sociedad")
        yield row | {"text": f"Noticia {number}. {' '.join(texts)}", "summary": f"{summary} ({number})"}


def summaries(rows: list[dict[str, str]], num_systems: int) -> list[list[str]]:
    """Return what made-up systems say of the articles in `rows`: sentences of theirs and of another."""
    draw, parts = Random(1), [sentences(row["text"]) for row in rows]
    return [
        [" ".join([*draw.sample(part, min(2, len(part))), draw.choice(parts[0])]) for part in parts]
        for _ in range(num_systems)
    ]
