"""What the config.json of a T5, mT5 or UMT5 says: its sizes, and so the name and shape of every tensor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resumen.runtime.errors import shown

ACTIVATION_NAMES = ("relu", "gelu", "gelu_new", "silu")
MAX_CONFIG_NUMBER = 2**20  # of anything that config.json counts: T5-11b has layers 65,536 wide
MAX_LAYERS = 1_000  # T5-11b has 24
ATTENTION = ("q", "k", "v", "o")
MODEL_TYPES = ("t5", "mt5", "umt5")  # that we compute: T5 of all versions, and its multilingual relatives
SIZE_ALIASES = {  # transformers' other names of a size: where both stand, it takes these
    "head_dim": "d_kv",
    "hidden_size": "d_model",
    "num_attention_heads": "num_heads",
    "num_hidden_layers": "num_layers",
}


def require_int(
    config: Mapping[str, Any],
    name: str,
    default: int | None = None,
    minimum: int = 1,
    maximum: int = MAX_CONFIG_NUMBER,
) -> int:
    """Return a size or a token's id of config.json; `default` where it has none or null.

    Raises:
        KeyError: it has none, and there is no default.
        ValueError: it is no whole number from `minimum` to `maximum`.
    """
    value = config.get(name)
    value = default if value is None else value
    if value is None:
        raise KeyError(name)
    if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
        raise ValueError(f"{name}: expected a whole number from {minimum} to {maximum:,}, got {shown(value)}")
    return value


def relative_bias(stack: str, layer: int) -> str:
    """Return the name of a layer's relative position bias."""
    return f"{stack}.block.{layer}.layer.0.SelfAttention.relative_attention_bias.weight"


@dataclass(frozen=True)
class ModelConfig:
    """What config.json says of a T5.

    An mT5 (Xue et al. 2021, https://arxiv.org/abs/2010.11934) is a T5 v1.1 with more pieces. A UMT5 (Chung et
    al. 2023, https://arxiv.org/abs/2304.09151) has relative positions of its own in every layer.
    """

    model_type: str  # of MODEL_TYPES
    d_model: int
    d_ff: int
    d_kv: int
    num_heads: int
    num_layers: int  # of the encoder
    num_decoder_layers: int
    num_buckets: int  # of relative positions
    max_distance: int  # tokens; all that is farther shares a bucket
    epsilon: float  # of the norms
    activation: str
    gated: bool
    untied_head: bool  # v1.1: an output head of its own
    scale_output: bool  # v1.0: the decoder's states are scaled before the head
    decoder_start: int  # token ids
    pad: int
    eos: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ModelConfig":
        """Return what a config.json says, with the defaults of transformers' configs of its kind.

        Raises:
            KeyError: a size is missing.
            ValueError: a size or an id that cannot be, a size of two values, an activation that no T5 has.
        """
        model_type = str(config.get("model_type", "t5"))
        kind = str(config.get("feed_forward_proj", "relu" if model_type == "t5" else "gated-gelu"))
        activation = "gelu_new" if kind == "gated-gelu" else kind.removeprefix("gated-")
        if activation not in ACTIVATION_NAMES:
            raise ValueError(
                f"feed_forward_proj: expected one of {', '.join(ACTIVATION_NAMES)}, got {shown(kind)}"
            )
        for alias, name in SIZE_ALIASES.items():
            if alias in config and config[alias] != config.get(name):
                raise ValueError(f"{alias}: expected what {name} says, got {shown(config[alias])}")
        untied = config.get("tie_word_embeddings") is False
        eos = config.get("eos_token_id")
        if isinstance(eos, list) and eos:  # each of them ends a text; T5's own end is the first
            config = {**config, "eos_token_id": eos[0]}
        rows = require_int(config, "vocab_size", 32_128)
        num_layers = require_int(config, "num_layers", maximum=MAX_LAYERS)
        num_buckets = require_int(config, "relative_attention_num_buckets", 32, minimum=4)
        epsilon = config.get("layer_norm_epsilon", 1e-6)
        if not isinstance(epsilon, float) or not 0 < epsilon < 1:
            raise ValueError(f"layer_norm_epsilon: expected a small number over 0, got {shown(epsilon)}")
        return cls(
            model_type=model_type,
            d_model=require_int(config, "d_model"),
            d_ff=require_int(config, "d_ff"),
            d_kv=require_int(config, "d_kv"),
            num_heads=require_int(config, "num_heads"),
            num_layers=num_layers,
            num_decoder_layers=require_int(config, "num_decoder_layers", num_layers, maximum=MAX_LAYERS),
            num_buckets=num_buckets,
            max_distance=require_int(
                config, "relative_attention_max_distance", 128, minimum=num_buckets // 2 + 1
            ),
            epsilon=epsilon,
            activation=activation,
            gated=kind.startswith("gated-"),
            untied_head=untied,
            # transformers 5 writes of no mT5 that its head is untied, and scales none
            scale_output=bool(config.get("scale_decoder_outputs", not untied and model_type != "mt5")),
            decoder_start=require_int(config, "decoder_start_token_id", 0, minimum=0, maximum=rows - 1),
            pad=require_int(config, "pad_token_id", 0, minimum=0, maximum=rows - 1),
            eos=require_int(config, "eos_token_id", 1, minimum=0, maximum=rows - 1),
        )

    @property
    def width(self) -> int:
        """Of all heads together."""
        return self.num_heads * self.d_kv

    @property
    def biased_layers(self) -> tuple[range, range]:
        """The layers of the encoder, and of the decoder, that have a relative position bias of their own."""
        every = self.model_type == "umt5"
        return (
            range(self.num_layers if every else 1),
            range(self.num_decoder_layers if every else 1),
        )

    def tensors(self, rows: int) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every tensor of a checkpoint but a head; `rows` of the embedding.

        In the order of transformers' modules, so that what is summed over them is summed in its order.
        """
        model, wide = self.d_model, self.width
        result: dict[str, tuple[int, ...]] = {"shared.weight": (rows, model)}
        sizes = (("encoder", self.num_layers), ("decoder", self.num_decoder_layers))
        for (stack, layers), biased in zip(sizes, self.biased_layers, strict=True):
            for number in range(layers):
                block = f"{stack}.block.{number}.layer"
                kinds = ["SelfAttention", *(["EncDecAttention"] if stack == "decoder" else [])]
                for index, kind in enumerate(kinds):
                    for name in ATTENTION:
                        size = (model, wide) if name == "o" else (wide, model)
                        result[f"{block}.{index}.{kind}.{name}.weight"] = size
                    if index == 0 and number in biased:
                        result[relative_bias(stack, number)] = (self.num_buckets, self.num_heads)
                    result[f"{block}.{index}.layer_norm.weight"] = (model,)
                last = f"{block}.{len(kinds)}"
                for name in ("wi_0", "wi_1") if self.gated else ("wi",):
                    result[f"{last}.DenseReluDense.{name}.weight"] = (self.d_ff, model)
                result[f"{last}.DenseReluDense.wo.weight"] = (model, self.d_ff)
                result[f"{last}.layer_norm.weight"] = (model,)
            result[f"{stack}.final_layer_norm.weight"] = (model,)
        return result
