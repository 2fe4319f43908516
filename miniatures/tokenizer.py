"""Tokenizer: its two files, laid out as T5's own."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from miniatures.vocabulary import EOS, NUM_SENTINELS, PAD, UNK

FLAGS = ("single_word", "lstrip", "rstrip", "normalized")  # of a special token: all off


def special_token(id_: int, content: str) -> dict[str, Any]:
    return {"id": id_, "content": content, **dict.fromkeys(FLAGS, False), "special": True}


def tokenizer_files(pieces: Sequence[tuple[str, float]], charsmap: bytes) -> dict[str, str]:
    """Return the text of `tokenizer.json` and `tokenizer_config.json`."""
    sentinels = [f"<extra_id_{number}>" for number in reversed(range(NUM_SENTINELS))]
    vocabulary = [*pieces, *((token, 0.0) for token in sentinels)]
    special = [(id_, pieces[id_][0]) for id_ in (PAD, EOS, UNK)]
    special += [(len(pieces) + index, token) for index, token in enumerate(sentinels)]
    tokenizer = tokenizer_json(vocabulary, special, charsmap)
    config = tokenizer_config(sentinels, special)
    return {
        "tokenizer.json": json.dumps(tokenizer, ensure_ascii=False, indent=1) + "\n",
        "tokenizer_config.json": json.dumps(config, ensure_ascii=False, indent=2) + "\n",
    }


def tokenizer_json(
    vocabulary: Sequence[tuple[str, float]], special: Sequence[tuple[int, str]], charsmap: bytes
) -> dict[str, Any]:
    """Return the tokenizer as the tokenizers library reads it; `special` are ids and tokens."""
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special_token(id_, content) for id_, content in special],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {
                    "type": "Precompiled",
                    "precompiled_charsmap": base64.b64encode(charsmap).decode(),
                },
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": metaspace,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, end],
            "pair": [first, end, second, end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [EOS], "tokens": ["</s>"]}},
        },
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": UNK, "vocab": vocabulary, "byte_fallback": False},
    }


def tokenizer_config(sentinels: Sequence[str], special: Sequence[tuple[int, str]]) -> dict[str, Any]:
    """Return what transformers reads beside the tokenizer: its class and its special tokens."""
    flags = dict.fromkeys(sorted(FLAGS), False)
    return {
        "add_prefix_space": None,
        "added_tokens_decoder": {
            str(id_): {"content": content, **flags, "special": True} for id_, content in special
        },
        "additional_special_tokens": sentinels[::-1],
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "extra_ids": NUM_SENTINELS,
        "extra_special_tokens": {},
        "model_max_length": 512,
        "pad_token": "<pad>",
        "sp_model_kwargs": {},
        "tokenizer_class": "T5Tokenizer",
        "unk_token": "<unk>",
    }
