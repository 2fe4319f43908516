"""T5's arithmetic: what transformers' T5 computes, in fewer passes over memory.

The model of Raffel et al. (https://arxiv.org/abs/1910.10683), v1.0 and v1.1, to be trained and to generate:

- queries, keys and values are one product, so are the two inputs of a gated layer, and the keys and values of
  the encoder's states for all layers of the decoder; the gain of a norm is folded into the product behind it
- generating, an article's keys and values are kept once, whatever the number of beams: its beams are as many
  queries of one attention; rows that are finished leave, some together
- training, only the real target positions meet the head, and dropout is T5's own: one mask for all positions
  of a sequence, as Mesh TensorFlow and T5X draw it (`noise_shape`, `broadcast_dims=(-2,)`); a number for each
  element costs as much as all else

Imports no transformers, which would cost every process three seconds.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from stages.shared.checkpoint import check_hashes, read_config, read_object, whole_number
from stages.shared.cli import InputError, shown
from stages.shared.files import regular

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu_new": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
}
DTYPES = ("F64", "F32", "F16", "BF16")  # of weights, as safetensors names them
MOST_LAYERS = 1_000  # T5-11b has 24
ATTENTION = ("q", "k", "v", "o")
Encode = Callable[["T5", Tensor, Tensor | None, "Dropout"], Tensor]
ENCODED_AT_ONCE = 2**12  # tokens, on a CPU: a layer's states stay in the cache
LOGITS_AT_ONCE = 2**19  # of a cross-entropy on a CPU
SCORES_AT_ONCE = 2**20  # of an attention on a CPU: 2 to 4 MB, what a core's cache holds
FUSED_ON = ("cuda",)  # devices where PyTorch's own attention is the faster one
POSITIONS_ALIKE, ROWS_ALIKE = 16, 64  # multiples that a loss pads positions and rows of logits to


@dataclass(frozen=True)
class Shape:
    """What config.json says of a T5."""

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
    head_apart: bool  # v1.1: an output head of its own
    scaled: bool  # v1.0: the decoder's states are scaled before the head
    start: int  # token ids
    pad: int
    eos: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Shape":
        """Return the shape behind a config.json, with the defaults of transformers' T5Config.

        Raises:
            KeyError: a size is missing.
            ValueError: a size or an id that cannot be, an activation that no T5 has.
        """
        kind = str(config.get("feed_forward_proj", "relu"))
        activation = "gelu_new" if kind == "gated-gelu" else kind.removeprefix("gated-")
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"feed_forward_proj: expected one of {', '.join(ACTIVATIONS)}, got {shown(kind)}"
            )
        apart = config.get("tie_word_embeddings") is False
        eos = config.get("eos_token_id")
        if isinstance(eos, list) and eos:  # each of them ends a text; T5's own end is the first
            config = {**config, "eos_token_id": eos[0]}
        rows = whole_number(config, "vocab_size", 32_128)
        num_layers = whole_number(config, "num_layers", most=MOST_LAYERS)
        num_buckets = whole_number(config, "relative_attention_num_buckets", 32, least=4)
        epsilon = config.get("layer_norm_epsilon", 1e-6)
        if not isinstance(epsilon, float) or not 0 < epsilon < 1:
            raise ValueError(f"layer_norm_epsilon: expected a small number over 0, got {shown(epsilon)}")
        return cls(
            d_model=whole_number(config, "d_model"),
            d_ff=whole_number(config, "d_ff"),
            d_kv=whole_number(config, "d_kv"),
            num_heads=whole_number(config, "num_heads"),
            num_layers=num_layers,
            num_decoder_layers=whole_number(config, "num_decoder_layers", num_layers, most=MOST_LAYERS),
            num_buckets=num_buckets,
            max_distance=whole_number(
                config, "relative_attention_max_distance", 128, least=num_buckets // 2 + 1
            ),
            epsilon=epsilon,
            activation=activation,
            gated=kind.startswith("gated-"),
            head_apart=apart,
            scaled=bool(config.get("scale_decoder_outputs", not apart)),
            start=whole_number(config, "decoder_start_token_id", 0, least=0, most=rows - 1),
            pad=whole_number(config, "pad_token_id", 0, least=0, most=rows - 1),
            eos=whole_number(config, "eos_token_id", 1, least=0, most=rows - 1),
        )

    @property
    def width(self) -> int:
        """Of all heads together."""
        return self.num_heads * self.d_kv

    def tensors(self, rows: int) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every tensor of a checkpoint but a head; `rows` of the embedding."""
        model, wide = self.d_model, self.width
        found: dict[str, tuple[int, ...]] = {"shared.weight": (rows, model)}
        for stack, layers in (("encoder", self.num_layers), ("decoder", self.num_decoder_layers)):
            found[f"{stack}.final_layer_norm.weight"] = (model,)
            first = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
            found[first] = (self.num_buckets, self.num_heads)
            for number in range(layers):
                block = f"{stack}.block.{number}.layer"
                kinds = ["SelfAttention", *(["EncDecAttention"] if stack == "decoder" else [])]
                for place, kind in enumerate(kinds):
                    found[f"{block}.{place}.layer_norm.weight"] = (model,)
                    for name in ATTENTION:
                        size = (model, wide) if name == "o" else (wide, model)
                        found[f"{block}.{place}.{kind}.{name}.weight"] = size
                last = f"{block}.{len(kinds)}"
                found[f"{last}.layer_norm.weight"] = (model,)
                for name in ("wi_0", "wi_1") if self.gated else ("wi",):
                    found[f"{last}.DenseReluDense.{name}.weight"] = (self.d_ff, model)
                found[f"{last}.DenseReluDense.wo.weight"] = (model, self.d_ff)
        return found


@dataclass
class Layer:
    """A layer's products, their norms' gains inside; `cross_` only in the decoder."""

    qkv: Tensor
    out: Tensor
    wi: Tensor
    wo: Tensor
    cross_q: Tensor | None = None
    cross_out: Tensor | None = None


class Dropout:
    """T5's dropout: a mask for each row and feature, the same at all its positions.

    Where a batch is shared out, masks are drawn for all of its `num_rows` and those of `rows` taken: every
    process draws the same numbers.
    """

    def __init__(self, share: float, rows: slice = slice(None), num_rows: int | None = None) -> None:
        self.share, self.rows, self.num_rows = share, rows, num_rows

    def __call__(self, states: Tensor) -> Tensor:
        """Return `states`, (rows, …, positions, features), with a share of the features zeroed."""
        return states * self.mask((*states.shape[:-2], 1, states.shape[-1]), states) if self.share else states

    def keys(self, values: Tensor) -> Tensor:
        """Return `values`, (rows, heads, keys, d_kv), with a share of the keys zeroed.

        The attention's weights drop out so, one mask for all queries: a weight that is zero and a value
        that is zero come to the same.
        """
        return values * self.mask((*values.shape[:-1], 1), values) if self.share else values

    def mask(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        rows = shape[0] if self.num_rows is None else self.num_rows
        kept = torch.empty((rows, *shape[1:]), device=like.device).bernoulli_(1 - self.share)
        return kept[self.rows].div(1 - self.share).to(like.dtype)


NO_DROPOUT = Dropout(0.0)


class Normalize(torch.autograd.Function):
    """Root mean square norm without its gain; in float32, whatever comes out."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        scale = torch.rsqrt(states.square().mean(-1, keepdim=True) + epsilon)
        ctx.save_for_backward(states, scale)
        return (states * scale).to(dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        states, scale = ctx.saved_tensors
        along = (gradient * states).mean(-1, keepdim=True) * scale**3
        return (gradient * scale).addcmul_(states, along, value=-1), None, None


class Projection(torch.autograd.Function):
    """The product of states, (…, features), and a weight, (outputs, features), by oneDNN.

    In float32 PyTorch calls MKL, which gives an AMD processor no more than AVX2. On a Zen 5 oneDNN takes less
    than half the time, held to AVX2 nine tenths (LOG.md, 2026-11-28).
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(states, weight)
        return by_onednn(states, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        states, weight = ctx.saved_tensors
        to_states, to_weight = ctx.needs_input_grad
        gradient = gradient.contiguous()
        rows = (tensor.flatten(0, -2).T for tensor in (gradient, states))
        return by_onednn(gradient, weight.T) if to_states else None, by_onednn(*rows) if to_weight else None


def by_onednn(states: Tensor, weight: Tensor) -> Tensor:
    made: Tensor = torch.ops.mkldnn._linear_pointwise(states, weight, None, "none", [], "")
    return made


def project(states: Tensor, weight: Tensor) -> Tensor:
    """Return `functional.linear` of both."""
    is_plain = states.is_cpu and states.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    if is_plain and states.numel() and not torch.compiler.is_compiling():  # inductor wants constant weights
        made: Tensor = Projection.apply(states, weight)  # type: ignore[no-untyped-call]  # torch's own
        return made
    return functional.linear(states, weight)


class CrossEntropy(torch.autograd.Function):
    """Cross-entropy with label smoothing, summed; in float32, whatever comes in and whatever goes back.

    Rows of logits behind those of the labels count for nothing. The gradient is made beside the loss, a few
    rows at a time: the logits of a batch, 57 MB in float32, would pass through memory a dozen times.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        wanted, vocabulary = ctx.needs_input_grad[0], logits.shape[-1]
        gradient = torch.empty_like(logits) if wanted else logits
        total = torch.zeros((), device=logits.device)
        count = len(labels)
        at_once = max(1, count if logits.is_cuda else LOGITS_AT_ONCE // vocabulary)
        parts = (tensor.split(at_once) for tensor in (logits[:count], labels[:, None], gradient[:count]))
        for part, label, made in zip(*parts, strict=True):
            shares = part.log_softmax(-1, dtype=torch.float32)
            total -= (1 - smoothing) * shares.gather(-1, label).sum()
            if smoothing:
                total -= smoothing / vocabulary * shares.sum()
            if wanted:
                shares.exp_().sub_(smoothing / vocabulary)
                shares.scatter_add_(-1, label, shares.new_full(label.shape, smoothing - 1))
                made.copy_(shares)
        if wanted:
            gradient[count:] = 0
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor, None, None]:
        return ctx.saved_tensors[0] * factor, None, None  # on a CPU the factor stays in float32


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, hidden: Tensor | None
) -> Tensor:
    """Return the attention's output: (rows, heads, queries, d_kv). T5 does not scale its scores.

    Added to them are `bias`, (1, heads, queries, keys), and `hidden`, (rows, 1, 1, keys). On a CPU the plain
    way is the fast one, a few rows at a time so that their scores stay in the cache: with a bias that learns,
    PyTorch's own attention takes its slowest path there.
    """
    if queries.device.type in FUSED_ON:
        both = bias if hidden is None else hidden if bias is None else bias + hidden
        return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=both, scale=1.0)
    at_once = max(1, SCORES_AT_ONCE // (queries.shape[1] * queries.shape[2] * keys.shape[2]))
    parts = [tensor.split(at_once) for tensor in (queries, keys, values)]
    parts.append([None] * len(parts[0]) if hidden is None else hidden.split(at_once))
    found = []
    for query, key, value, unseen in zip(*parts, strict=True):
        scores = query @ key.transpose(-1, -2)
        for addend in (bias, unseen):
            if addend is not None:
                scores += addend
        found.append(scores.softmax(-1) @ value)
    return found[0] if len(found) == 1 else torch.cat(found)


def buckets(distance: Tensor, shape: Shape, both_ways: bool) -> Tensor:
    """Return the bucket of each distance, in tokens, from a query to a key: negative to one behind."""
    count, ahead = shape.num_buckets, torch.zeros_like(distance)
    if both_ways:
        count //= 2
        ahead = (distance > 0) * count
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = count // 2  # the near ones have a bucket each
    share = torch.log(distance.float() / exact) / math.log(shape.max_distance / exact)
    far = (exact + (share * (count - exact)).long()).clamp(max=count - 1)
    return ahead + torch.where(distance < exact, distance, far)


def alike(rows: Tensor, value: float) -> Tensor:
    """Return `rows`, (rows, tokens), padded with `value` to a multiple of POSITIONS_ALIKE tokens."""
    return functional.pad(rows, (0, -rows.shape[1] % POSITIONS_ALIKE), value=value)


class T5:
    """A T5 that computes in `dtype`; what passes from layer to layer stays in float32."""

    def __init__(self, tensor: Callable[[str], Tensor], shape: Shape, dtype: torch.dtype) -> None:
        """Fuse what `tensor` gives by its name in a checkpoint; differentiable."""
        self.shape, self.dtype = shape, dtype
        self.embedding = tensor("shared.weight")
        self.head = (tensor("lm_head.weight") if shape.head_apart else self.embedding).to(dtype)
        self.gains = {stack: tensor(f"{stack}.final_layer_norm.weight") for stack in ("encoder", "decoder")}
        first = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        self.biases = {stack: tensor(f"{stack}.{first}") for stack in ("encoder", "decoder")}
        self.encoder = [self.layer(tensor, f"encoder.block.{n}.layer") for n in range(shape.num_layers)]
        self.decoder = [
            self.layer(tensor, f"decoder.block.{n}.layer") for n in range(shape.num_decoder_layers)
        ]
        cross = "decoder.block.{}.layer.1.EncDecAttention.{}.weight"
        pairs = [(number, name) for number in range(shape.num_decoder_layers) for name in "kv"]
        self.cross = torch.cat([tensor(cross.format(*pair)) for pair in pairs]).to(dtype)

    @property
    def num_rows(self) -> int:
        """Of the embedding; a vocabulary may be smaller."""
        return len(self.embedding)

    def layer(self, tensor: Callable[[str], Tensor], block: str) -> Layer:
        def fused(place: int, *names: str) -> Tensor:
            parts = [tensor(f"{block}.{place}.{name}.weight") for name in names]
            whole = torch.cat(parts) if len(parts) > 1 else parts[0]
            return (whole * tensor(f"{block}.{place}.layer_norm.weight")).to(self.dtype)

        own = "SelfAttention"
        layer = {
            "qkv": fused(0, f"{own}.q", f"{own}.k", f"{own}.v"),
            "out": tensor(f"{block}.0.{own}.o.weight").to(self.dtype),
        }
        last = 1
        if block.startswith("decoder"):
            layer["cross_q"] = fused(1, "EncDecAttention.q")
            layer["cross_out"] = tensor(f"{block}.1.EncDecAttention.o.weight").to(self.dtype)
            last = 2
        inputs = (
            ("DenseReluDense.wi_0", "DenseReluDense.wi_1") if self.shape.gated else ("DenseReluDense.wi",)
        )
        layer["wi"] = fused(last, *inputs)
        layer["wo"] = tensor(f"{block}.{last}.DenseReluDense.wo.weight").to(self.dtype)
        return Layer(**layer)

    def sent(self, tensor: Tensor) -> Tensor:
        """Return `tensor` where the model is, without waiting for that device."""
        if self.embedding.is_cuda and tensor.is_cpu:
            tensor = tensor.pin_memory()
        return tensor.to(self.embedding.device, non_blocking=True)

    def hiding(self, mask: Tensor) -> Tensor | None:
        """Return what hides the padding of `mask`, (rows, keys), from every query; None if there is none."""
        if mask.all():
            return None
        hidden = torch.zeros(mask.shape, dtype=self.dtype, device=mask.device)
        return self.sent(hidden.masked_fill_(~mask, torch.finfo(self.dtype).min)[:, None, None, :])

    def normalized(self, states: Tensor) -> Tensor:
        made: Tensor = Normalize.apply(  # type: ignore[no-untyped-call]  # torch's own
            states, self.shape.epsilon, self.dtype
        )
        return made

    def final(self, states: Tensor, stack: str, drop: Dropout) -> Tensor:
        """Return the states after the last norm of a stack, its gain included."""
        return drop(self.normalized(states) * self.gains[stack].to(self.dtype))

    def heads(self, states: Tensor) -> Tensor:
        """Return (rows, positions, heads × d_kv) as (rows, heads, positions, d_kv)."""
        made: Tensor = states.unflatten(-1, (-1, self.shape.d_kv)).transpose(1, 2)
        return made

    def self_attention(
        self, layer: Layer, states: Tensor, bias: Tensor, hidden: Tensor | None, drop: Dropout
    ) -> Tensor:
        qkv = project(self.normalized(states), layer.qkv)
        queries, keys, values = map(self.heads, qkv.chunk(3, dim=-1))
        attended = attend(queries, keys, drop.keys(values), bias, hidden)
        return states + drop(project(attended.transpose(1, 2).flatten(2), layer.out))

    def feed_forward(self, layer: Layer, states: Tensor, drop: Dropout) -> Tensor:
        inner = project(self.normalized(states), layer.wi)
        activation = ACTIVATIONS[self.shape.activation]
        if self.shape.gated:
            gate, linear = inner.chunk(2, dim=-1)
            inner = activation(gate) * linear
        else:
            inner = activation(inner)
        return states + drop(project(drop(inner), layer.wo))

    def bias(self, stack: str, length: int) -> Tensor:
        """Return what a stack adds to the scores of `length` tokens: (1, heads, queries, keys).

        It is a function of the distance alone: a row for each distance is slid along the queries.
        """
        distance = torch.arange(1 - length, length, device=self.embedding.device)
        found = buckets(distance, self.shape, both_ways=stack == "encoder")
        rows = functional.embedding(found, self.biases[stack]).to(self.dtype).T.contiguous()
        return rows.unfold(1, length, 1).flip(1)[None]

    def encode(self, embedded: Tensor, hidden: Tensor | None, drop: Dropout = NO_DROPOUT) -> Tensor:
        """Return the encoder's states of embedded tokens, (rows, tokens, d_model); `hidden`: of `hiding`."""
        bias = self.bias("encoder", embedded.shape[1])
        states = drop(embedded)
        for layer in self.encoder:
            states = self.self_attention(layer, states, bias, hidden, drop)
            states = self.feed_forward(layer, states, drop)
        return self.final(states, "encoder", drop)

    def cross_keys(self, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each decoder layer's keys and values of the article: (rows, heads, tokens, d_kv)."""
        parts = project(encoded, self.cross).chunk(2 * self.shape.num_decoder_layers, dim=-1)
        made = [self.heads(part) for part in parts]
        return list(zip(made[::2], made[1::2], strict=True))

    def loss(
        self,
        batch: Mapping[str, Tensor],
        smoothing: float = 0.0,
        drop: Dropout = NO_DROPOUT,
        encode: Encode | None = None,
    ) -> Tensor:
        """Return the cross-entropy of the labels of a padded batch, summed over the target tokens.

        `batch` has input_ids and attention_mask, (rows, source tokens), and labels, (rows, target tokens),
        which are negative where padded. It may lie on the CPU, and should: what is asked of its values there
        does not wait for a GPU. `encode` may be `T5.encode`, compiled.

        Shapes are made alike: for each that it meets oneDNN keeps some thirty kernels, 40 MB at true shape.
        """
        mask = alike(batch["attention_mask"].bool(), False)
        ids, hidden = self.sent(alike(batch["input_ids"], self.shape.pad)), self.hiding(mask)
        before, places, labels = self.targets(batch["labels"])
        both = functional.embedding(torch.cat([ids, before], dim=1), self.embedding)
        source, states = both.split([ids.shape[1], before.shape[1]], dim=1)  # one gradient, not two
        encoded = (encode or T5.encode)(self, source.contiguous(), hidden, drop)
        states = self.decode(states, self.cross_keys(encoded), hidden, drop)
        return self.loss_of(states, places, labels, smoothing)

    def written_loss(self, memory: "Memory", labels: Tensor) -> Tensor:
        """Return `loss` of labels, (articles, target tokens), of the articles in `memory`."""
        before, places, labels = self.targets(labels)
        states = functional.embedding(before, self.embedding)
        return self.loss_of(self.decode(states, memory.cross, memory.hidden), places, labels)

    def targets(self, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the decoder reads to write `labels`, where the real ones lie, and which they are.

        (rows, target tokens), (targets,) counted over all rows, (targets,).
        """
        labels = alike(labels, -1)
        before = functional.pad(labels[:, :-1], (1, 0), value=self.shape.start)
        before = before.masked_fill(before < 0, self.shape.pad)
        labels = labels.flatten()
        places = (labels >= 0).nonzero()[:, 0]
        return self.sent(before), self.sent(places), self.sent(labels[places])

    def decode(
        self,
        states: Tensor,
        cross: Iterable[Sequence[Tensor]],
        hidden: Tensor | None,
        drop: Dropout = NO_DROPOUT,
    ) -> Tensor:
        """Return the decoder's states of embedded tokens, given the articles' keys and values."""
        positions = torch.arange(states.shape[1], device=states.device)
        ahead = positions[None, :] > positions[:, None]
        bias = self.bias("decoder", len(positions)).masked_fill(ahead, torch.finfo(self.dtype).min)
        states = drop(states)
        for layer, (keys, values) in zip(self.decoder, cross, strict=True):
            states = self.self_attention(layer, states, bias, None, drop)
            assert layer.cross_q is not None
            assert layer.cross_out is not None
            queries = self.heads(project(self.normalized(states), layer.cross_q))
            attended = attend(queries, keys, drop.keys(values), None, hidden).transpose(1, 2).flatten(2)
            states = states + drop(project(attended, layer.cross_out))
            states = self.feed_forward(layer, states, drop)
        return self.final(states, "decoder", drop)

    def loss_of(self, states: Tensor, places: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the loss of `labels`, at `places` of the decoder's states: only they meet the head."""
        states = states.flatten(0, 1)[places]
        logits = self.logits(functional.pad(states, (0, 0, 0, -len(states) % ROWS_ALIKE)))
        loss: Tensor = CrossEntropy.apply(  # type: ignore[no-untyped-call]  # torch's own
            logits, labels, smoothing
        )
        return loss

    def logits(self, states: Tensor) -> Tensor:
        """Return the logits, (…, vocabulary), of the decoder's states after its last norm."""
        if self.shape.scaled:
            states = states * self.shape.d_model**-0.5
        return project(states, self.head)

    def start(self, ids: Tensor, mask: Tensor, num_beams: int, max_tokens: int) -> "Memory":
        """Return the memory of a generation of at most `max_tokens` from `ids`, (articles, tokens).

        As in `loss`, ids and mask should lie on the CPU.
        """
        ids, hidden = self.sent(ids), self.hiding(mask)
        at_once = len(ids) if ids.is_cuda else max(1, ENCODED_AT_ONCE // ids.shape[1])
        size = (self.shape.num_decoder_layers, 2, len(ids), self.shape.num_heads)
        made: dict[str, Any] = {"dtype": self.dtype, "device": ids.device}
        cross = torch.empty(*size, ids.shape[1], self.shape.d_kv, **made)
        for first in range(0, len(ids), at_once):
            part = slice(first, first + at_once)
            embedded = functional.embedding(ids[part], self.embedding)
            encoded = self.encode(embedded, None if hidden is None else hidden[part])
            for layer, pair in zip(cross, self.cross_keys(encoded), strict=True):
                layer[0, part], layer[1, part] = pair
        slots = max_tokens * num_beams
        far = torch.finfo(self.dtype).min
        return Memory(
            cross=cross,
            hidden=hidden,
            bias=self.bias("decoder", max_tokens),
            cache=torch.empty(*size, slots, self.shape.d_kv, **made),
            unseen=None if num_beams == 1 else torch.full((len(ids), 1, num_beams, slots), far, **made),
            num_beams=num_beams,
        )

    def step(self, memory: "Memory", tokens: Tensor) -> Tensor:
        """Return the logits, (articles, beams, vocabulary), after the next token of each beam."""
        seen = memory.length + memory.num_beams
        new = slice(memory.length, seen)
        memory.length = seen
        bias, unseen = memory.next_bias()
        states = functional.embedding(tokens, self.embedding)  # an article's beams are its positions
        for layer, cross, own in zip(self.decoder, memory.cross, memory.cache, strict=True):
            qkv = project(self.normalized(states), layer.qkv)
            queries, own[0][:, :, new], own[1][:, :, new] = map(self.heads, qkv.chunk(3, dim=-1))
            attended = attend(queries, own[0][:, :, :seen], own[1][:, :, :seen], bias, unseen)
            states = states + project(attended.transpose(1, 2).flatten(2), layer.out)
            assert layer.cross_q is not None
            assert layer.cross_out is not None
            queries = self.heads(project(self.normalized(states), layer.cross_q))
            keys, values = cross
            attended = attend(queries, keys, values, None, memory.hidden).transpose(1, 2).flatten(2)
            states = states + project(attended, layer.cross_out)
            states = self.feed_forward(layer, states, NO_DROPOUT)
        return self.logits(self.final(states, "decoder", NO_DROPOUT))


@dataclass
class Memory:
    """What a generation knows: the articles' keys and values, and those of the tokens written so far.

    A slot is a token of a beam: of `num_beams` tokens a step. Beams that part share what they had in common,
    so keys and values stay where they are; `unseen` hides from a beam the slots that are not its own past.
    """

    cross: Tensor  # (layers, keys and values, articles, heads, source tokens, d_kv)
    hidden: Tensor | None  # what hides the articles' padding
    bias: Tensor  # (1, heads, max tokens, max tokens)
    cache: Tensor  # (layers, keys and values, articles, heads, slots, d_kv)
    unseen: Tensor | None  # (articles, 1, beams, slots); None of one beam
    num_beams: int
    length: int = 0  # slots so far

    def next_bias(self) -> tuple[Tensor | None, Tensor | None]:
        """Return what the newest tokens' attention adds: `bias` and `hidden` of `attend`."""
        place, beams = self.length // self.num_beams - 1, self.num_beams
        bias = self.bias[:, :, place : place + 1, : place + 1]
        if self.unseen is None:
            return bias, None
        self.unseen[..., self.length - beams : self.length].diagonal(dim1=-2, dim2=-1).zero_()
        return None, bias.repeat_interleave(beams, -1) + self.unseen[..., : self.length]

    def keep(self, articles: Tensor) -> None:
        """Forget all but `articles`, places in rising order."""
        self.cross = self.cross[:, :, articles]
        if self.hidden is not None:
            self.hidden = self.hidden[articles]
        if self.unseen is not None:
            self.unseen = self.unseen[articles]
        cache = self.cache.new_empty(*self.cache.shape[:2], len(articles), *self.cache.shape[3:])
        cache[..., : self.length, :] = self.cache[:, :, articles, :, : self.length]
        self.cache = cache

    def follow(self, beams: Tensor) -> None:
        """Let beam j of article i go on from its beam `beams[i, j]`."""
        if self.unseen is not None:
            self.unseen = self.unseen.gather(2, beams[:, None, :, None].expand(self.unseen.shape))


@contextmanager
def opened_checkpoint(folder: Path) -> Iterator[tuple[Shape, dict[str, Any]]]:
    """Yield the shape of a checkpoint's T5 and its open files by a tensor's name; all is there and fits.

    Raises:
        InputError: the folder holds no T5 in safetensors, an incomplete one, or a damaged one.
    """
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise InputError(f"{folder}: no model*.safetensors; expected what save_pretrained writes")
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no config.json; expected what save_pretrained writes")
    check_hashes(folder)
    config = read_config(folder / "config.json", str(folder))
    try:
        shape = Shape.of(config)
    except KeyError as error:
        raise InputError(f"{folder}: config.json: {error.args[0]}: missing") from error
    except ValueError as error:
        raise InputError(f"{folder}: config.json: {error}") from error
    check_index(folder, [file.name for file in files])
    where: dict[str, Any] = {}
    with ExitStack() as stack:
        for file in files:
            try:
                opened = stack.enter_context(safe_open(regular(file), framework="pt"))
            except SafetensorError as error:
                raise InputError(f"{folder}: not readable as safetensors: {error}") from error
            if twice := sorted(where.keys() & set(opened.keys())):
                raise InputError(f"{file}: {twice[0]}: stands in another file too; take one of them out")
            where |= dict.fromkeys(opened.keys(), opened)
        if (shape.head_apart and "lm_head.weight" not in where) or "shared.weight" not in where:
            lacking = "lm_head.weight or shared.weight is missing, which config.json has apart"
            raise InputError(f"{folder}: {lacking}")
        shape = replace(shape, head_apart="lm_head.weight" in where)  # transformers 5 says tied of every T5
        check_tensors(folder, where, shape, rows=config["vocab_size"])
        yield shape, where


def check_index(folder: Path, files: list[str]) -> None:
    """Raise InputError if the index of a checkpoint in parts names a file that is not among its `files`."""
    path = folder / "model.safetensors.index.json"
    if not path.is_file():
        return
    parts = read_object(path, str(path)).get("weight_map")
    named = parts.values() if isinstance(parts, dict) else [parts]
    if strangers := [part for part in named if part not in files]:
        raise InputError(
            f"{path}: weight_map: expected names of {', '.join(files)}, got {shown(strangers[0])}; fetch or "
            "save the checkpoint anew"
        )


def load_t5(folder: Path, dtype: torch.dtype, device: torch.device) -> T5:
    """Return the T5 of a checkpoint's folder, ready to generate.

    Raises:
        InputError: the folder holds no T5 in safetensors, an incomplete one, or one with NaN in it.
    """
    with opened_checkpoint(folder) as (shape, where):

        def tensor(name: str) -> Tensor:
            found: Tensor = where[name].get_tensor(name).to(device, torch.float32)
            if not found.sum().isfinite():
                raise InputError(f"{folder}: {name}: holds NaN or infinity; fetch it, or train it anew")
            return found

        with torch.inference_mode():
            return T5(tensor, shape, dtype)


def check_vocabulary(rows: int, tokenizer: Tokenizer, folder: Path) -> None:
    """Raise InputError if `tokenizer` knows more pieces than an embedding of `rows` has rows."""
    if (pieces := tokenizer.get_vocab_size()) > rows:
        raise InputError(f"{folder}: its tokenizer has {pieces} pieces, and its embedding only {rows} rows")


def check_tensors(folder: Path, where: Mapping[str, Any], shape: Shape, rows: int) -> None:
    """Raise InputError unless `where`, open files by the name of a tensor, hold all of a T5 of `shape`."""
    expected = shape.tensors(rows)
    if shape.head_apart:
        expected["lm_head.weight"] = expected["shared.weight"]
    if missing := sorted(expected.keys() - where.keys()):
        raise InputError(f"{folder}: missing keys {missing[:3]}")
    for name, size in expected.items():
        found = where[name].get_slice(name)
        if tuple(found.get_shape()) != size:
            raise InputError(f"{folder}: {name}: expected shape {size}, got {tuple(found.get_shape())}")
        if found.get_dtype() not in DTYPES:
            raise InputError(
                f"{folder}: {name}: expected one of {', '.join(DTYPES)}, got {found.get_dtype()}; save the "
                "weights as float32"
            )
