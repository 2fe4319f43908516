"""T5's arithmetic: what transformers' T5 computes, in fewer passes over memory.

The model of Raffel et al. (https://arxiv.org/abs/1910.10683), v1.0 and v1.1, and its relatives mT5 and UMT5,
to be trained and to generate:

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
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from resumen.checkpoint.config import ModelConfig, relative_bias
from resumen.model.device import kind_of, states_dtype
from resumen.model.int8 import Int8Weight, int8_linear
from resumen.model.pages import Pages
from resumen.model.private import Linear, onednn_linear

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu_new": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
}
Weight = Tensor | Int8Weight
Encode = Callable[["T5", Tensor, Tensor | None, "Dropout"], Tensor]
ENCODER_CHUNK = 2**12  # tokens, on a CPU: a layer's states stay in the cache
LOGITS_CHUNK = 2**19  # of a cross-entropy on a CPU
SCORES_CHUNK = 2**20  # of an attention on a CPU: 2 to 4 MB, what a core's cache holds
PAD_MULTIPLE, LOGITS_MULTIPLE = 16, 64  # multiples that a loss pads positions and rows of logits to


@dataclass
class Layer:
    """A layer's products, their norms' gains inside; `cross_` only in the decoder.

    `bias` is that of relative positions, (buckets, heads); a layer without one has that of the layer before.
    """

    qkv: Weight
    out: Weight
    wi: Weight
    wo: Weight
    bias: Tensor | None = None
    cross_q: Weight | None = None
    cross_out: Weight | None = None


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
        # (rows, 1, …) or (rows, …, keys, 1), of all processes; of this one at the return
        kept = torch.empty((rows, *shape[1:]), device=like.device).bernoulli_(1 - self.share)
        return kept[self.rows].div(1 - self.share).to(like.dtype)


NO_DROPOUT = Dropout(0.0)


class RMSNorm(torch.autograd.Function):
    """Root mean square norm without its gain; in float32, whatever comes out."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        scale = torch.rsqrt(states.square().mean(-1, keepdim=True) + epsilon)  # (…, 1)
        ctx.save_for_backward(states, scale)
        return (states * scale).to(dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        states, scale = ctx.saved_tensors
        along = (gradient * states).mean(-1, keepdim=True) * scale**3
        return (gradient * scale).addcmul_(states, along, value=-1), None, None


class OneDNNLinear(torch.autograd.Function):
    """The product of states, (…, features), and a weight, (outputs, features), by `linear`."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, linear: Linear) -> Tensor:
        ctx.save_for_backward(states, weight)
        ctx.linear = linear
        return linear(states, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        states, weight = ctx.saved_tensors
        to_states, to_weight, _ = ctx.needs_input_grad
        gradient = gradient.contiguous()
        rows = (tensor.flatten(0, -2).T for tensor in (gradient, states))  # (features, rows)
        return (
            ctx.linear(gradient, weight.T) if to_states else None,
            ctx.linear(*rows) if to_weight else None,
            None,
        )


def project(states: Tensor, weight: Weight) -> Tensor:
    """Return `functional.linear` of both, in float32 on a CPU by oneDNN."""
    if isinstance(weight, Int8Weight):
        return int8_linear(states, weight)
    is_plain = states.is_cpu and states.dtype == torch.float32 and not torch.compiler.is_compiling()
    if is_plain and states.numel() and (linear := onednn_linear()):  # inductor wants constant weights
        output: Tensor = OneDNNLinear.apply(states, weight, linear)  # type: ignore[no-untyped-call]  # torch's own
        return output
    return functional.linear(states, weight)


class CrossEntropy(torch.autograd.Function):
    """Cross-entropy with label smoothing, summed; in float32, whatever comes in and whatever goes back.

    Rows of logits behind those of the labels count for nothing. The gradient is made beside the loss, a few
    rows at a time: the logits of a batch, 57 MB in float32, would pass through memory a dozen times.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        wanted, vocabulary = ctx.needs_input_grad[0], logits.shape[-1]  # logits: (rows, vocabulary)
        gradient = torch.empty_like(logits) if wanted else logits
        total = torch.zeros((), device=logits.device)
        count = len(labels)
        chunk_size = max(1, LOGITS_CHUNK // vocabulary if kind_of(logits.device).chunked else count)
        parts = (tensor.split(chunk_size) for tensor in (logits[:count], labels[:, None], gradient[:count]))
        for part, label, output in zip(*parts, strict=True):
            shares = part.log_softmax(-1, dtype=torch.float32)  # (rows of a chunk, vocabulary)
            total -= (1 - smoothing) * shares.gather(-1, label).sum()
            if smoothing:
                total -= smoothing / vocabulary * shares.sum()
            if wanted:
                shares.exp_().sub_(smoothing / vocabulary)
                shares.scatter_add_(-1, label, shares.new_full(label.shape, smoothing - 1))
                output.copy_(shares)
        if wanted:
            gradient[count:] = 0
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor, None, None]:
        return ctx.saved_tensors[0] * factor, None, None  # on a CPU the factor stays in float32


def attention(
    queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, attention_mask: Tensor | None
) -> Tensor:
    """Return the attention's output: (rows, heads, queries, d_kv). T5 does not scale its scores.

    `queries` are (rows, heads, queries, d_kv), `keys` and `values` (rows, heads, keys, d_kv). Added to the
    scores are `bias`, (1, heads, queries, keys), and `attention_mask`, (rows, 1, 1 or queries, keys). On a
    CPU the plain way is the fast one, a few rows at a time so that their scores stay in the cache: with a
    bias that learns, PyTorch's own attention takes its slowest path there.
    """
    if kind_of(queries.device).fused_attention:
        both = bias if attention_mask is None else attention_mask if bias is None else bias + attention_mask
        return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=both, scale=1.0)
    chunk_size = max(1, SCORES_CHUNK // (queries.shape[1] * queries.shape[2] * keys.shape[2]))  # rows
    parts = [tensor.split(chunk_size) for tensor in (queries, keys, values)]
    parts.append([None] * len(parts[0]) if attention_mask is None else attention_mask.split(chunk_size))
    outputs = []
    for query, key, value, mask in zip(*parts, strict=True):
        scores = query @ key.transpose(-1, -2)  # (rows, heads, queries, keys)
        for addend in (bias, mask):
            if addend is not None:
                scores += addend
        outputs.append(scores.softmax(-1) @ value)  # (rows, heads, queries, d_kv)
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def relative_position_bucket(distance: Tensor, config: ModelConfig, bidirectional: bool) -> Tensor:
    """Return the bucket of each distance, in tokens, from a query to a key: negative to one behind."""
    count, ahead = config.num_buckets, torch.zeros_like(distance)
    if bidirectional:
        count //= 2
        ahead = (distance > 0) * count
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = count // 2  # the near ones have a bucket each
    share = torch.log(distance.float() / exact) / math.log(config.max_distance / exact)
    far = (exact + (share * (count - exact)).long()).clamp(max=count - 1)
    return ahead + torch.where(distance < exact, distance, far)


def pad_to_multiple(rows: Tensor, value: float) -> Tensor:
    """Return `rows`, (rows, tokens), padded with `value` to a multiple of PAD_MULTIPLE tokens."""
    return functional.pad(rows, (0, -rows.shape[1] % PAD_MULTIPLE), value=value)


class T5:
    """A T5 that computes in `dtype`; what passes from layer to layer stays in float32."""

    def __init__(self, tensor: Callable[[str], Tensor], config: ModelConfig, dtype: torch.dtype) -> None:
        """Fuse what `tensor` gives by its name in a checkpoint; differentiable, but for weights in int8."""
        self.config, self.weight_dtype, self.dtype = config, dtype, states_dtype(dtype)
        self.embedding = tensor("shared.weight")  # (vocabulary, d_model)
        self.head = self.weight(tensor("lm_head.weight") if config.untied_head else self.embedding)
        self.gains = {stack: tensor(f"{stack}.final_layer_norm.weight") for stack in ("encoder", "decoder")}
        self.encoder = [self.layer(tensor, "encoder", number) for number in range(config.num_layers)]
        self.decoder = [self.layer(tensor, "decoder", number) for number in range(config.num_decoder_layers)]
        cross = "decoder.block.{}.layer.1.EncDecAttention.{}.weight"
        pairs = [(number, name) for number in range(config.num_decoder_layers) for name in "kv"]
        # (decoder layers × keys and values × heads × d_kv, d_model)
        self.cross = self.weight(torch.cat([tensor(cross.format(*pair)) for pair in pairs]))

    @property
    def num_rows(self) -> int:
        """Of the embedding; a vocabulary may be smaller."""
        return len(self.embedding)

    def weight(self, tensor: Tensor) -> Weight:
        """Return a product's weight, (outputs, features), as it is kept."""
        return Int8Weight.of(tensor) if self.weight_dtype == torch.int8 else tensor.to(self.dtype)

    def layer(self, tensor: Callable[[str], Tensor], stack: str, number: int) -> Layer:
        block = f"{stack}.block.{number}.layer"

        def fused(index: int, *names: str) -> Weight:
            parts = [tensor(f"{block}.{index}.{name}.weight") for name in names]
            weight = torch.cat(parts) if len(parts) > 1 else parts[0]  # (outputs of all, d_model)
            return self.weight(weight * tensor(f"{block}.{index}.layer_norm.weight"))

        own = "SelfAttention"
        layer: dict[str, Any] = {
            "qkv": fused(0, f"{own}.q", f"{own}.k", f"{own}.v"),
            "out": self.weight(tensor(f"{block}.0.{own}.o.weight")),
        }
        if number in self.config.biased_layers[stack == "decoder"]:
            layer["bias"] = tensor(relative_bias(stack, number))
        last = 1
        if stack == "decoder":
            layer["cross_q"] = fused(1, "EncDecAttention.q")
            layer["cross_out"] = self.weight(tensor(f"{block}.1.EncDecAttention.o.weight"))
            last = 2
        inputs = (
            ("DenseReluDense.wi_0", "DenseReluDense.wi_1") if self.config.gated else ("DenseReluDense.wi",)
        )
        layer["wi"] = fused(last, *inputs)
        layer["wo"] = self.weight(tensor(f"{block}.{last}.DenseReluDense.wo.weight"))
        return Layer(**layer)

    def to_device(self, tensor: Tensor) -> Tensor:
        """Return `tensor` where the model is, without waiting for that device if the copy is safe so."""
        pinned = kind_of(self.embedding.device).pin_memory and tensor.is_cpu
        if pinned:
            tensor = tensor.pin_memory()
        return tensor.to(self.embedding.device, non_blocking=pinned)

    def additive_mask(self, mask: Tensor) -> Tensor | None:
        """Return the attention mask of `mask`, (rows, keys), True where a token is, to be added to scores.

        It is (rows, 1, 1, keys), the lowest number where padding is; None where there is no padding.
        """
        if mask.all():
            return None
        zeros = torch.zeros(mask.shape, dtype=self.dtype, device=mask.device)
        return self.to_device(zeros.masked_fill_(~mask, torch.finfo(self.dtype).min)[:, None, None, :])

    def normalized(self, states: Tensor) -> Tensor:
        output: Tensor = RMSNorm.apply(  # type: ignore[no-untyped-call]  # torch's own
            states, self.config.epsilon, self.dtype
        )
        return output

    def final(self, states: Tensor, stack: str, drop: Dropout) -> Tensor:
        """Return the states after the last norm of a stack, its gain included."""
        return drop(self.normalized(states) * self.gains[stack].to(self.dtype))

    def heads(self, states: Tensor) -> Tensor:
        """Return (rows, positions, heads × d_kv) as (rows, heads, positions, d_kv)."""
        output: Tensor = states.unflatten(-1, (-1, self.config.d_kv)).transpose(1, 2)
        return output

    def self_attention(
        self, layer: Layer, states: Tensor, bias: Tensor, attention_mask: Tensor | None, drop: Dropout
    ) -> Tensor:
        qkv = project(self.normalized(states), layer.qkv)  # (rows, positions, 3 × heads × d_kv)
        queries, keys, values = map(self.heads, qkv.chunk(3, dim=-1))  # (rows, heads, positions, d_kv)
        attended = attention(queries, keys, drop.keys(values), bias, attention_mask)
        # (rows, positions, heads × d_kv) → (rows, positions, d_model)
        return states + drop(project(attended.transpose(1, 2).flatten(2), layer.out))

    def cross_attention(
        self,
        layer: Layer,
        states: Tensor,
        cross: Sequence[Tensor],
        attention_mask: Tensor | None,
        drop: Dropout,
    ) -> Tensor:
        assert layer.cross_q is not None
        assert layer.cross_out is not None
        keys, values = cross  # (rows, heads, source tokens, d_kv)
        # (rows, heads, positions, d_kv)
        queries = self.heads(project(self.normalized(states), layer.cross_q))
        attended = attention(queries, keys, drop.keys(values), None, attention_mask)
        return states + drop(project(attended.transpose(1, 2).flatten(2), layer.cross_out))

    def feed_forward(self, layer: Layer, states: Tensor, drop: Dropout) -> Tensor:
        inner = project(self.normalized(states), layer.wi)  # (rows, positions, d_ff, twice if gated)
        activation = ACTIVATIONS[self.config.activation]
        if self.config.gated:
            gate, linear = inner.chunk(2, dim=-1)  # (rows, positions, d_ff) each
            inner = activation(gate) * linear
        else:
            inner = activation(inner)
        return states + drop(project(drop(inner), layer.wo))  # (rows, positions, d_model)

    def biases(self, stack: str, length: int) -> list[Tensor]:
        """Return what each layer adds to the scores of `length` tokens: (1, heads, queries, keys).

        In the decoder no query sees the keys ahead of it. Layers without a bias of their own share one.
        """
        result: list[Tensor] = []
        for layer in self.encoder if stack == "encoder" else self.decoder:
            if layer.bias is None:
                result.append(result[-1])
                continue
            bias = self.bias(layer.bias, length, bidirectional=stack == "encoder")
            if stack == "decoder":
                positions = torch.arange(length, device=bias.device)
                ahead = positions[None, :] > positions[:, None]  # (queries, keys)
                bias = bias.masked_fill(ahead, torch.finfo(self.dtype).min)
            result.append(bias)
        return result

    def bias(self, weight: Tensor, length: int, bidirectional: bool) -> Tensor:
        """Return a layer's `bias` of `length` tokens: (1, heads, queries, keys).

        It is a function of the distance alone: a row for each distance is slid along the queries.
        """
        distance = torch.arange(1 - length, length, device=weight.device)
        buckets = relative_position_bucket(distance, self.config, bidirectional)
        rows = functional.embedding(buckets, weight).to(self.dtype).T.contiguous()
        return rows.unfold(1, length, 1).flip(1)[None]  # of (heads, 2 × length − 1)

    def encode(self, embedded: Tensor, attention_mask: Tensor | None, drop: Dropout = NO_DROPOUT) -> Tensor:
        """Return the encoder's states of embedded tokens: (rows, tokens, d_model).

        `attention_mask` is that of `additive_mask`.
        """
        biases = self.biases("encoder", embedded.shape[1])
        states = drop(embedded)
        for layer, bias in zip(self.encoder, biases, strict=True):
            states = self.self_attention(layer, states, bias, attention_mask, drop)
            states = self.feed_forward(layer, states, drop)
        return self.final(states, "encoder", drop)

    def cross_keys(self, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each decoder layer's keys and values of the article: (rows, heads, tokens, d_kv)."""
        # (rows, tokens, heads × d_kv) each
        parts = project(encoded, self.cross).chunk(2 * self.config.num_decoder_layers, dim=-1)
        heads = [self.heads(part) for part in parts]
        return list(zip(heads[::2], heads[1::2], strict=True))

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

        Tokens are padded to a multiple: for each shape that it meets oneDNN keeps some thirty kernels, 40 MB
        at true size.
        """
        mask = pad_to_multiple(batch["attention_mask"].bool(), False)
        ids = self.to_device(pad_to_multiple(batch["input_ids"], self.config.pad))  # (rows, source tokens)
        attention_mask = self.additive_mask(mask)
        decoder_input_ids, positions, labels = self.decoder_inputs(batch["labels"])
        both = functional.embedding(torch.cat([ids, decoder_input_ids], dim=1), self.embedding)
        # (rows, source tokens, d_model) and (rows, target tokens, d_model); the embedding has one gradient
        source, states = both.split([ids.shape[1], decoder_input_ids.shape[1]], dim=1)
        encoded = (encode or T5.encode)(self, source.contiguous(), attention_mask, drop)
        states = self.decode(states, self.cross_keys(encoded), attention_mask, drop)
        return self.loss_at(states, positions, labels, smoothing)

    def cached_loss(self, cache: "KVCache", labels: Tensor) -> Tensor:
        """Return `loss` of labels, (articles, target tokens), of the articles in `cache`."""
        decoder_input_ids, positions, labels = self.decoder_inputs(labels)
        states = functional.embedding(decoder_input_ids, self.embedding)  # (articles, positions, d_model)
        return self.loss_at(self.decode(states, cache.cross, cache.attention_mask), positions, labels)

    def decoder_inputs(self, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the decoder reads to write `labels`, where the real ones lie, and which they are.

        decoder_input_ids, (rows, target tokens); positions, (targets,), counted over all rows; labels,
        (targets,).
        """
        labels = pad_to_multiple(labels, -1)
        decoder_input_ids = functional.pad(labels[:, :-1], (1, 0), value=self.config.decoder_start)
        decoder_input_ids = decoder_input_ids.masked_fill(decoder_input_ids < 0, self.config.pad)
        labels = labels.flatten()
        positions = (labels >= 0).nonzero()[:, 0]
        return self.to_device(decoder_input_ids), self.to_device(positions), self.to_device(labels[positions])

    def decode(
        self,
        states: Tensor,
        cross: Iterable[Sequence[Tensor]],
        attention_mask: Tensor | None,
        drop: Dropout = NO_DROPOUT,
    ) -> Tensor:
        """Return the decoder's states of embedded tokens, (rows, positions, d_model).

        `cross` has each layer's keys and values of the articles, `attention_mask` hides their padding.
        """
        biases = self.biases("decoder", states.shape[1])
        states = drop(states)
        for layer, bias, keys_values in zip(self.decoder, biases, cross, strict=True):
            states = self.self_attention(layer, states, bias, None, drop)
            states = self.cross_attention(layer, states, keys_values, attention_mask, drop)
            states = self.feed_forward(layer, states, drop)
        return self.final(states, "decoder", drop)

    def loss_at(self, states: Tensor, positions: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the loss of `labels`, at `positions` of the decoder's states: only they meet the head."""
        states = states.flatten(0, 1)[positions]  # (targets, d_model)
        logits = self.logits(functional.pad(states, (0, 0, 0, -len(states) % LOGITS_MULTIPLE)))
        loss: Tensor = CrossEntropy.apply(  # type: ignore[no-untyped-call]  # torch's own
            logits, labels, smoothing
        )
        return loss

    def logits(self, states: Tensor) -> Tensor:
        """Return the logits, (…, vocabulary), of the decoder's states after its last norm, (…, d_model)."""
        if self.config.scale_output:
            states = states * self.config.d_model**-0.5
        return project(states, self.head)

    def prefill(
        self, ids: Tensor, mask: Tensor, num_beams: int, max_tokens: int, pages: Pages | None = None
    ) -> "KVCache":
        """Return the cache of a generation of at most `max_tokens` from `ids`, (articles, tokens).

        `mask`, (articles, tokens), is True where a token is. As in `loss`, both should lie on the CPU. The
        `pages` of a batch before may serve again, once its cache is gone.
        """
        ids, attention_mask = self.to_device(ids), self.additive_mask(mask)
        chunked = kind_of(ids.device).chunked
        chunk_size = max(1, ENCODER_CHUNK // ids.shape[1]) if chunked else len(ids)  # articles
        layers, slots = self.config.num_decoder_layers, max_tokens * num_beams
        size = (layers, 2, len(ids), self.config.num_heads)
        token = math.prod(size) * self.config.d_kv  # numbers of a token of each article
        is_copied = chunked and self.dtype != torch.float32
        counts = [token * ids.shape[1], token * slots, token // layers * slots * is_copied]
        numbers = (pages or Pages()).empty(sum(counts), self.dtype, ids.device)
        *parts, copied = numbers.split(counts)
        cross, past = (part.view(*size, -1, self.config.d_kv) for part in parts)
        weights: Sequence[Weight] = self.cross.chunk(layers)  # all at once is much
        for first in range(0, len(ids), chunk_size):
            part = slice(first, first + chunk_size)
            embedded = functional.embedding(ids[part], self.embedding)  # (articles, tokens, d_model)
            encoded = self.encode(embedded, None if attention_mask is None else attention_mask[part])
            for layer, weight in zip(cross, weights, strict=True):
                layer[0, part], layer[1, part] = map(self.heads, project(encoded, weight).chunk(2, dim=-1))
        shape, far = (len(ids), 1, num_beams, slots), torch.finfo(self.dtype).min
        return KVCache(
            cross=cross,
            attention_mask=attention_mask,
            biases=self.biases("decoder", max_tokens),
            past=past,
            copied=copied if is_copied else None,
            beam_mask=None if num_beams == 1 else ids.new_full(shape, far, dtype=self.dtype),
            num_beams=num_beams,
        )

    def step(self, cache: "KVCache", tokens: Tensor) -> Tensor:
        """Return the logits, (articles, beams, vocabulary), after the next token of each beam.

        `tokens` are (articles, beams): an article's beams are its positions.
        """
        new = slice(cache.length, cache.length + cache.num_beams)
        cache.length = new.stop
        newest = cache.next_biases()
        states = functional.embedding(tokens, self.embedding)  # (articles, beams, d_model)
        for layer, added, cross, past in zip(self.decoder, newest, cache.cross, cache.past, strict=True):
            qkv = project(self.normalized(states), layer.qkv)  # (articles, beams, 3 × heads × d_kv)
            queries, past[0][:, :, new], past[1][:, :, new] = map(self.heads, qkv.chunk(3, dim=-1))
            keys, values = cache.so_far(past)
            attended = attention(queries, keys, values, *added)
            states = states + project(attended.transpose(1, 2).flatten(2), layer.out)
            states = self.cross_attention(layer, states, cross, cache.attention_mask, NO_DROPOUT)
            states = self.feed_forward(layer, states, NO_DROPOUT)
        return self.logits(self.final(states, "decoder", NO_DROPOUT))


@dataclass
class KVCache:
    """The keys and values of a generation: those of the articles, and those of the tokens written so far.

    A slot is a token of a beam: of `num_beams` tokens a step. Beams that part share what they had in common,
    so keys and values stay where they are; `beam_mask` hides from a beam the slots that are not its own past.
    """

    cross: Tensor  # (layers, keys and values, articles, heads, source tokens, d_kv)
    attention_mask: Tensor | None  # (articles, 1, 1, source tokens); None: no padding
    biases: list[Tensor]  # (1, heads, max tokens, max tokens), of each layer
    past: Tensor  # (layers, keys and values, articles, heads, slots, d_kv)
    copied: Tensor | None  # room for a layer's past, see `so_far`; None: it is not copied
    beam_mask: Tensor | None  # (articles, 1, beams, slots); None of one beam
    num_beams: int
    length: int = 0  # slots so far

    def so_far(self, past: Tensor) -> Tensor:
        """Return a layer's `past` so far: (keys and values, articles, heads, slots so far, d_kv).

        On a CPU, in bf16, it is copied without the slots to come. PyTorch would do so, for oneDNN, but with
        the keys transposed, which makes the attention half as slow again, and into new memory, a little more
        at each step: between the kernels that oneDNN makes and keeps, none of it fits the next one.
        """
        part = past[:, :, :, : self.length]
        return part if self.copied is None else self.copied[: part.numel()].view(part.shape).copy_(part)

    def next_biases(self) -> Iterator[tuple[Tensor | None, Tensor | None]]:
        """Yield what the newest tokens' attention adds in each layer: its `bias` and its `attention_mask`.

        (1, heads, 1, tokens so far) and None of one beam; None and (articles, heads, beams, slots) of more.
        """
        index, beams = self.length // self.num_beams - 1, self.num_beams
        if self.beam_mask is not None:
            self.beam_mask[..., self.length - beams : self.length].diagonal(dim1=-2, dim2=-1).zero_()
        shared, added = None, None
        for whole in self.biases:
            if whole is not shared:
                shared, bias = whole, whole[:, :, index : index + 1, : index + 1]
                if self.beam_mask is not None:
                    added = bias.repeat_interleave(beams, -1) + self.beam_mask[..., : self.length]
            yield (bias, None) if self.beam_mask is None else (None, added)

    def select(self, articles: Tensor) -> None:
        """Keep `articles`, indices in rising order, and forget all others."""
        count = len(articles)
        for cross, past in zip(self.cross, self.past, strict=True):  # in place: a copy would double them
            cross[:, :count] = cross[:, articles]
            past[:, :count, :, : self.length] = past[:, articles, :, : self.length]
        self.cross, self.past = self.cross[:, :, :count], self.past[:, :, :count]
        if self.attention_mask is not None:
            self.attention_mask = self.attention_mask[articles]
        if self.beam_mask is not None:
            self.beam_mask = self.beam_mask[articles]

    def reorder(self, beams: Tensor) -> None:
        """Let beam j of article i go on from its beam `beams[i, j]`; `beams` is (articles, beams)."""
        if self.beam_mask is not None:
            self.beam_mask = self.beam_mask.gather(2, beams[:, None, :, None].expand(self.beam_mask.shape))
