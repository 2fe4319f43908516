"""Tiny models with random weights, in the layouts of the repositories of the field.

    make("bart", folder, texts)

Tokenizers are trained on `texts`; classes, files and what configurations say are those of the real
repositories, the sizes are not.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import Tokenizer, decoders, models, trainers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartTokenizer,
    BertConfig,
    BertTokenizer,
    ByT5Tokenizer,
    EncoderDecoderConfig,
    Gemma3TextConfig,
    GemmaTokenizer,
    GenerationConfig,
    GPT2Config,
    LEDConfig,
    LlamaConfig,
    LongT5Config,
    MarianConfig,
    MarianTokenizer,
    MBart50Tokenizer,
    MBartConfig,
    MBartTokenizer,
    PegasusConfig,
    PegasusTokenizer,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2MoeConfig,
    Qwen2Tokenizer,
    T5Config,
    T5GemmaConfig,
    T5Tokenizer,
)
from transformers.models.t5gemma.configuration_t5gemma import T5GemmaModuleConfig

CHAT_ML = (  # Qwen's kind
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
DATED = (  # Llama 3.2's kind: it asks for today
    "{% if strftime_now is defined %}{% set today = strftime_now('%d %b %Y') %}{% else %}"
    "{% set today = '26 Jul 2024' %}{% endif %}{{ '<|begin_of_text|>Today: ' + today + '\\n' }}"
    "{% for message in messages %}{{ "
    "'<|start|>' + message['role'] + '\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant\\n' }}{% endif %}"
)
PAIR = {  # of encoder and decoder
    **{"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32},
    **{"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 128},
}
STACK = {  # of one stack
    **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    **{"max_position_embeddings": 256},
}
T5_SIZES = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}

Made = tuple[
    PreTrainedConfig, Any, dict[str, Any]
]  # configuration, tokenizer, what generation_config.json says


def byte_pairs(
    texts: list[str], special: list[str], by_bytes: bool = True
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return pieces and merges of a BPE over bytes, or over letters, `special` first."""
    tokenizer = Tokenizer(models.BPE())
    if by_bytes:
        tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=special,
            initial_alphabet=ByteLevel.alphabet() if by_bytes else [],
            show_progress=False,
        ),
    )
    content = json.loads(tokenizer.to_str())["model"]
    return content["vocab"], [tuple(pair) for pair in content["merges"]]


def sentencepiece(texts: list[str], path: Path, **options: Any) -> list[tuple[str, float]]:
    """Train a sentencepiece model into `path`; return its pieces and their scores."""
    with path.open("wb") as out:
        SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=out,
            vocab_size=200,
            hard_vocab_limit=False,
            character_coverage=1.0,
            minloglevel=2,
            **options,
        )
    read = SentencePieceProcessor(model_file=str(path))
    return [(read.id_to_piece(index), read.get_score(index)) for index in range(len(read))]


def bart(texts: list[str], folder: Path) -> Made:
    vocab, merges = byte_pairs(texts, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    config = BartConfig(vocab_size=len(vocab), **PAIR, **ids, forced_eos_token_id=2)
    said = {"forced_bos_token_id": 0, "forced_eos_token_id": 2, "num_beams": 4, "min_length": 56, **ids}
    return (
        config,
        BartTokenizer(vocab=vocab, merges=merges),
        said | {"max_length": 142, "length_penalty": 2.0},
    )


def mbart_vocabulary(texts: list[str], folder: Path) -> list[tuple[str, float]]:
    pieces = sentencepiece(texts, folder / "sentencepiece.bpe.model")
    return [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces[3:]]


def mbart(texts: list[str], folder: Path) -> Made:
    vocab = mbart_vocabulary(texts, folder)
    tokenizer = MBartTokenizer(vocab=vocab, src_lang="es_XX", tgt_lang="es_XX")
    spanish = tokenizer.convert_tokens_to_ids("es_XX")
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": spanish}
    return MBartConfig(vocab_size=len(tokenizer), **PAIR, **ids), tokenizer, {**ids, "num_beams": 5}


def mbart50(texts: list[str], folder: Path) -> Made:
    """As facebook/mbart-large-50: the code of a language stands in front of a text, and no tokenizer.json."""
    config, _, said = mbart(texts, folder)
    tokenizer = MBart50Tokenizer(vocab=mbart_vocabulary(texts, folder), src_lang="es_XX", tgt_lang="es_XX")
    config.vocab_size = len(tokenizer)
    spanish = tokenizer.convert_tokens_to_ids("es_XX")
    return config, tokenizer, {**said, "decoder_start_token_id": 2, "forced_bos_token_id": spanish}


def led(texts: list[str], folder: Path) -> Made:
    """A BART whose encoder attends within windows; its ways depend on what it reads."""
    _, tokenizer, said = bart(texts, folder)
    sizes = {name: size for name, size in PAIR.items() if name != "max_position_embeddings"}
    positions = {"max_encoder_position_embeddings": 128, "max_decoder_position_embeddings": 128}
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    config = LEDConfig(vocab_size=len(tokenizer), attention_window=16, **sizes, **positions, **ids)
    return config, tokenizer, said


def bert2bert(texts: list[str], folder: Path) -> Made:
    letters = sorted({letter for text in texts for letter in text if not letter.isspace()})
    words = sorted({word for text in texts for word in text.split()})[:100]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    vocab = {piece: row for row, piece in enumerate(dict.fromkeys([*pieces, *words]))}
    tokenizer = BertTokenizer(vocab=vocab, do_lower_case=False)
    sizes = {**STACK, "vocab_size": len(tokenizer)}
    config = EncoderDecoderConfig.from_encoder_decoder_configs(
        BertConfig(**sizes), BertConfig(**sizes, is_decoder=True, add_cross_attention=True)
    )
    ids = {"pad_token_id": 0, "decoder_start_token_id": 2, "eos_token_id": 3}
    for name, value in ids.items():
        setattr(config, name, value)
    return config, tokenizer, ids


def marian(texts: list[str], folder: Path) -> Made:
    for side in ("source", "target"):
        pieces = sentencepiece(texts, folder / f"{side}.spm")
    vocab = {piece: index for index, (piece, _) in enumerate(pieces)} | {"<pad>": len(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    paths = (str(folder / name) for name in ("source.spm", "target.spm", "vocab.json"))
    tokenizer = MarianTokenizer(**dict(zip(("source_spm", "target_spm", "vocab"), paths, strict=True)))
    pad, end = vocab["<pad>"], vocab["</s>"]
    ids = {
        "pad_token_id": pad,
        "eos_token_id": end,
        "decoder_start_token_id": pad,
        "forced_eos_token_id": end,
    }
    config = MarianConfig(vocab_size=len(vocab), **PAIR, **ids)
    return config, tokenizer, {**ids, "bad_words_ids": [[pad]], "num_beams": 4, "max_length": 512}


def pegasus(texts: list[str], folder: Path) -> Made:
    pieces = sentencepiece(texts, folder / "spiece.model", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    tokenizer = PegasusTokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), *pieces[2:]])
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0, "forced_eos_token_id": 1}
    config = PegasusConfig(vocab_size=len(tokenizer), **PAIR, **ids)
    return config, tokenizer, {**ids, "num_beams": 8, "length_penalty": 0.6, "max_length": 64}


def longt5(texts: list[str], folder: Path) -> Made:
    pieces = sentencepiece(texts, folder / "spiece.model", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    tokenizer = T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), *pieces[2:]])
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    sizes = {**T5_SIZES, "local_radius": 7, "encoder_attention_type": "transient-global"}
    return LongT5Config(vocab_size=len(tokenizer), **sizes, **ids), tokenizer, ids


def byt5(texts: list[str], folder: Path) -> Made:
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    config = T5Config(vocab_size=384, feed_forward_proj="gated-gelu", **T5_SIZES, **ids)
    config.tokenizer_class = "ByT5Tokenizer"
    return config, ByT5Tokenizer(), ids


def gemma_tokenizer(texts: list[str]) -> GemmaTokenizer:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    vocab, merges = byte_pairs([text.replace(" ", "▁") for text in texts], special, by_bytes=False)
    return GemmaTokenizer(vocab=vocab, merges=merges)


def t5gemma(texts: list[str], folder: Path) -> Made:
    tokenizer = gemma_tokenizer(texts)
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    sizes = {**STACK, "head_dim": 8, "num_key_value_heads": 1, "query_pre_attn_scalar": 8}
    side = T5GemmaModuleConfig(vocab_size=len(tokenizer), **sizes, **ids)
    return T5GemmaConfig(encoder=side, decoder=side, vocab_size=len(tokenizer), **ids), tokenizer, ids


def qwen(texts: list[str], folder: Path) -> Made:
    vocab, merges = byte_pairs(texts, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer = Qwen2Tokenizer(
        vocab=vocab, merges=merges, eos_token="<|im_end|>", additional_special_tokens=["<|im_start|>"]
    )
    tokenizer.chat_template = CHAT_ML
    config = Qwen2Config(
        vocab_size=len(vocab) + 8, num_key_value_heads=1, **STACK, bos_token_id=0, eos_token_id=2
    )
    said = {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.1}
    return config, tokenizer, {**said, "eos_token_id": [2, 0], "pad_token_id": 0, "bos_token_id": 0}


def qwen_moe(texts: list[str], folder: Path) -> Made:
    """A mixture of experts: which of them compute depends on what it reads."""
    _, tokenizer, said = qwen(texts, folder)
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    config = Qwen2MoeConfig(
        vocab_size=len(tokenizer) + 8,
        num_key_value_heads=1,
        shared_expert_intermediate_size=16,
        **STACK,
        **experts,
        bos_token_id=0,
        eos_token_id=2,
    )
    return config, tokenizer, said


def llama(texts: list[str], folder: Path) -> Made:
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start|>"]
    vocab, merges = byte_pairs(texts, special)
    inner = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    inner.pre_tokenizer, inner.decoder = ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        additional_special_tokens=["<|end_of_text|>", "<|start|>"],
    )
    tokenizer.chat_template = DATED
    config = LlamaConfig(
        vocab_size=len(vocab), num_key_value_heads=1, **STACK, bos_token_id=0, eos_token_id=[1, 2]
    )
    return (
        config,
        tokenizer,
        {"bos_token_id": 0, "eos_token_id": [1, 2], "do_sample": True, "temperature": 0.6},
    )


def gemma(texts: list[str], folder: Path) -> Made:
    sizes = {**STACK, "head_dim": 8, "num_key_value_heads": 1, "query_pre_attn_scalar": 8}
    tokenizer = gemma_tokenizer(texts)
    tokenizer.chat_template = (
        CHAT_ML.replace("im_start|>", "start_of_turn>").replace("<|", "<").replace("im_end|", "end_of_turn")
    )
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    config = Gemma3TextConfig(vocab_size=len(tokenizer), **sizes, **ids)
    return (
        config,
        tokenizer,
        {**ids, "eos_token_id": [1, 5], "cache_implementation": "hybrid", "do_sample": True},
    )


def gpt2(texts: list[str], folder: Path) -> Made:
    """A causal model without a chat template."""
    vocab, merges = byte_pairs(texts, ["<|endoftext|>"])
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=merges)
    config = GPT2Config(vocab_size=len(vocab), n_embd=16, n_layer=2, n_head=2, n_positions=256)
    config.bos_token_id = config.eos_token_id = 0
    return config, tokenizer, {"eos_token_id": 0, "bos_token_id": 0}


KINDS: dict[str, Callable[[list[str], Path], Made]] = {
    **{
        "bart": bart,
        "mbart": mbart,
        "mbart50": mbart50,
        "led": led,
        "bert2bert": bert2bert,
        "marian": marian,
        "pegasus": pegasus,
    },
    **{"longt5": longt5, "byt5": byt5, "t5gemma": t5gemma},
    **{"qwen": qwen, "qwen_moe": qwen_moe, "llama": llama, "gemma": gemma, "gpt2": gpt2},
}
CAUSAL = ("qwen", "qwen_moe", "llama", "gemma", "gpt2")


def make(kind: str, folder: Path, texts: list[str]) -> Path:
    """Write a model of a kind into `folder`, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(13)
    config, tokenizer, said = KINDS[kind](texts, folder)
    model = (AutoModelForCausalLM if kind in CAUSAL else AutoModelForSeq2SeqLM).from_config(config)
    std = 0.3 if "gemma" in kind else 0.5  # as it is made, a model of this size says one token for ever
    for parameter in model.parameters():
        noise = torch.randn_like(parameter)
        parameter.data = std * noise if parameter.dim() > 1 else parameter.data + 0.3 * noise
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    GenerationConfig(**said).save_pretrained(folder)
    return folder
