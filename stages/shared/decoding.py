"""Prompts in, summaries out: batches of like length, greedy search and beam search."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from stages.shared.choices import Decoding
from stages.shared.files import digest_of
from stages.shared.progress import track
from stages.shared.ranks import gathered, num_ranks, rank, rank_zeros
from stages.shared.spelling import cut, decode, encode
from stages.shared.t5 import T5, Memory

Ids = list[int]
NEVER = -1e9  # the score of what must not be chosen, transformers' own
COMPACT_AT = 1 / 4  # of a batch's articles done, and they leave: what stays is copied
Generate = Callable[[list[Ids]], list[Ids]]  # a batch of prompts' ids -> as many outputs' ids


def greedy(max_new_tokens: int) -> Decoding:
    """Return the plainest decoding: the likeliest token, again and again."""
    return Decoding(max_new_tokens=max_new_tokens, num_beams=1, length_penalty=1.0, no_repeat_ngram_size=0)


def encode_prompts(
    tokenizer: Tokenizer, prompts: list[str], max_tokens: int | None
) -> tuple[list[Ids], list[int]]:
    """Return each prompt's ids, cut to `max_tokens`, and its length in tokens before the cut."""
    uncut = encode(tokenizer, prompts)
    return [cut(ids, max_tokens) if max_tokens else ids for ids in uncut], [len(ids) for ids in uncut]


def batches(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Return the places of rows of `lengths` tokens in batches of like length, the longest first.

    A batch holds as many tokens, padding included, as `batch_size` of the longest rows: of shorter ones
    there are more. The longest come first, so that memory fails at once if it fails.

    >>> batches([9, 3, 8, 3, 3, 3, 2], batch_size=1)
    [[0], [2], [1, 3, 4], [5, 6]]
    """
    by_length = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    found: list[list[int]] = []
    budget = batch_size * max(lengths, default=0)
    for place in by_length:
        if found and (len(found[-1]) + 1) * max(lengths[found[-1][0]], 1) <= budget:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def in_batches(
    rows: Sequence[Ids], generate: Generate, batch_size: int, what: str, journal: Path | None = None
) -> list[Ids]:
    """Return one output a row, in the order of `rows`; `batch_size` counts rows of the longest length.

    Batches are planned for all rows and dealt whole, so that neither the number of processes nor an
    interruption changes who is with whom. Those in the `journal` are not made again; the others are added.
    """
    outputs = rank_zeros(journalled(journal, rows))
    planned = batches([len(row) for row in rows], batch_size)
    todo = [places for places in planned if not all(place in outputs for place in places)]
    rounds = [todo[start : start + num_ranks()] for start in range(0, len(todo), num_ranks())]
    for dealt in track(rounds, what, len(rounds), unit="batch" if num_ranks() == 1 else "round"):
        own = dealt[rank()] if rank() < len(dealt) else []
        made = dict(zip(own, generate([rows[place] for place in own]), strict=True)) if own else {}
        for found in gathered(made):
            outputs |= found
            if journal and found and rank() == 0:
                batch = list(found.items())
                line = json.dumps([digest_of(batch), batch])
                with journal.open("a", encoding="utf-8") as out:
                    out.write(f"\n{line}\n")  # the line before may be a half
    return [outputs[place] for place in range(len(rows))]


def journalled(journal: Path | None, rows: Sequence[Ids]) -> dict[int, Ids]:
    """Return the outputs that an earlier run has noted, by the place of their row.

    A line is a batch and its digest; one that was cut off, or is damaged, counts for nothing.
    """
    outputs: dict[int, Ids] = {}
    if journal and journal.exists():
        for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                seal, batch = json.loads(line)
                if seal == digest_of(batch):
                    outputs |= {place: ids for place, ids in batch if 0 <= place < len(rows)}
            except (ValueError, TypeError):
                continue
    return outputs


def generator(model: T5, decoding: Decoding) -> Generate:
    """Return a function from a batch of ids to what `model` writes, special tokens included."""

    @torch.inference_mode()
    def generate(batch: list[Ids]) -> list[Ids]:
        return search(model, begun(model, batch, decoding), decoding)

    return generate


def begun(model: T5, batch: list[Ids], decoding: Decoding) -> Memory:
    """Return the memory of `model` after it has read a batch of ids."""
    width = max(map(len, batch))
    pad = model.shape.pad
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in batch])
    mask = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in batch])
    return model.start(ids, mask, decoding.num_beams, decoding.max_new_tokens)


def search(model: T5, memory: Memory, decoding: Decoding) -> list[Ids]:
    """Return what `model` writes for each article in `memory`, special tokens included."""
    find = greedy_search if decoding.num_beams == 1 else beam_search
    return find(model, memory, decoding)


def forbid_repeats(scores: Tensor, written: Tensor, size: int) -> None:
    """Set to −∞, in place, what would repeat an n-gram of `size` that a row has `written`."""
    if not 0 < size <= written.shape[1]:
        return
    windows = written.unfold(1, size, 1)
    last = written[:, written.shape[1] + 1 - size :]
    rows, places = (windows[..., :-1] == last[:, None]).all(-1).nonzero(as_tuple=True)
    scores[rows, windows[rows, places, -1]] = -math.inf


def greedy_search(model: T5, memory: Memory, decoding: Decoding) -> list[Ids]:
    """Return the likeliest token after the likeliest token, a row an article, until </s>."""
    shape = model.shape
    device = memory.bias.device
    articles = torch.arange(memory.cache.shape[2], device=device)
    written = torch.full((len(articles), 1 + decoding.max_new_tokens), shape.pad, device=device)
    written[:, 0] = shape.start
    is_done = torch.zeros_like(articles, dtype=torch.bool)
    for place in range(decoding.max_new_tokens):
        scores = model.step(memory, written[articles, place, None])[:, 0].float()
        forbid_repeats(scores, written[articles, : place + 1], decoding.no_repeat_ngram_size)
        tokens = scores.argmax(-1).masked_fill_(is_done, shape.pad)
        written[articles, place + 1] = tokens
        is_done |= tokens == shape.eos
        going = (~is_done).nonzero().flatten()
        if not len(going):
            break
        if should_compact(len(articles) - len(going), len(articles)):
            memory.keep(going)
            articles, is_done = articles[going], is_done[going]
    return written.tolist()


def beam_search(model: T5, memory: Memory, decoding: Decoding) -> list[Ids]:
    """Return the best of `num_beams` hypotheses an article, as transformers' `generate` finds it.

    An article is done once no running beam can beat its worst finished one at the present length
    (transformers' `early_stopping=False`), and leaves with others; every step keeps the best `num_beams` that
    end and the best that go on, out of the best 2 × `num_beams` continuations.
    """
    shape, beams, longest = model.shape, decoding.num_beams, decoding.max_new_tokens
    device = memory.bias.device
    count = memory.cache.shape[2]
    articles = torch.arange(count, device=device)  # which are in the batch
    result = torch.full((count, 1 + longest), shape.pad, device=device)
    running = torch.full((count, beams, 1 + longest), shape.pad, device=device)
    running[..., 0] = shape.start
    scores = torch.full((count, beams), NEVER, device=device)
    scores[:, 0] = 0.0  # all beams are equal still
    ended, ended_scores = running.clone(), torch.full((count, beams), NEVER, device=device)
    is_ended = torch.zeros((count, beams), dtype=torch.bool, device=device)
    is_done = torch.zeros_like(articles, dtype=torch.bool)
    for place in range(longest):
        logits = model.step(memory, running[..., place]).flatten(0, 1).float()
        likely = logits.log_softmax(-1)
        forbid_repeats(likely, running[..., : place + 1].flatten(0, 1), decoding.no_repeat_ngram_size)
        best, tokens = likely.topk(2 * beams, dim=-1)
        best = best.unflatten(0, (-1, beams)) + scores[..., None]
        best, chosen = best.flatten(1).topk(2 * beams, dim=-1)
        beam, token = chosen // (2 * beams), tokens.view(len(articles), -1).gather(1, chosen)
        grown = taken(running, beam)
        grown[:, :, place + 1] = token

        ends = (token == shape.eos) if place + 1 < longest else torch.ones_like(token, dtype=torch.bool)
        scores, chosen = (best + ends * NEVER).topk(beams, dim=-1)
        running, beam = taken(grown, chosen), beam.gather(1, chosen)

        ends[:, beams:] = False  # what is not among the best goes on or is forgotten
        final = best / (place + 1) ** decoding.length_penalty + ~ends * NEVER
        ended_scores, chosen = torch.cat([ended_scores, final], dim=1).topk(beams, dim=-1)
        ended = taken(torch.cat([ended, grown], dim=1), chosen)
        is_ended = torch.cat([is_ended, ends], dim=1).gather(1, chosen)

        worst = torch.where(is_ended, ended_scores.amin(1, keepdim=True), NEVER)
        can_win = (scores[:, :1] / (place + 1) ** decoding.length_penalty > worst).any(1)
        ends_now = ~is_done if place + 1 == longest else ~(is_done | can_win)
        result[articles[ends_now]] = ended[ends_now, 0]
        is_done |= ends_now
        going = (~is_done).nonzero().flatten()
        if not len(going):
            break
        memory.follow(beam)
        if should_compact(len(articles) - len(going), len(articles)):
            memory.keep(going)
            articles, running, scores = articles[going], running[going], scores[going]
            ended, ended_scores, is_ended = ended[going], ended_scores[going], is_ended[going]
            is_done = is_done[going]
    return result.tolist()


def should_compact(done: int, articles: int) -> bool:
    """Return whether so many of a batch's articles are `done` that the others go on without them."""
    return done >= COMPACT_AT * articles


def taken(rows: Tensor, places: Tensor) -> Tensor:
    """Return of each article the rows at `places`: (articles, rows, tokens) by (articles, places)."""
    return rows.gather(1, places[..., None].expand(-1, -1, rows.shape[-1]))


def write_texts(
    tokenizer: Tokenizer,
    rows: Sequence[Ids],
    generate: Generate,
    batch_size: int,
    what: str,
    journal: Path | None = None,
) -> list[str]:
    """Return the text that the model writes for each row of ids, in order."""
    return decode(tokenizer, in_batches(rows, generate, batch_size, what, journal))
