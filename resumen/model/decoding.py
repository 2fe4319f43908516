"""Prompts in, summaries out: batches of like length, greedy search and beam search."""

import json
import logging
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from resumen.model.distributed import all_gather, broadcast, rank, world_size
from resumen.model.memory import GIB, Need, budget_of, check_free, generation_need, gib, split
from resumen.model.pages import Pages
from resumen.model.t5 import T5, KVCache
from resumen.runtime.budget import users_budget
from resumen.runtime.errors import InputError
from resumen.runtime.files import sha256_of_json
from resumen.runtime.parent import dvc_process, is_orphaned
from resumen.runtime.progress import track
from resumen.schema.sections import Decoding
from resumen.vocabulary.tokenizer import Ids, encode, truncate

log = logging.getLogger("generate")

MIN_SCORE = -1e9  # the score of what must not be chosen, transformers' own
COMPACT_SHARE = 1 / 4  # of a batch's articles done, and they leave: what stays is copied
Generate = Callable[[list[Ids]], list[Ids]]  # a batch of prompts' ids -> as many outputs' ids


def greedy(max_new_tokens: int) -> Decoding:
    """Return the plainest decoding: the likeliest token, again and again."""
    return Decoding(max_new_tokens=max_new_tokens, num_beams=1, length_penalty=1.0, no_repeat_ngram_size=0)


def encode_prompts(
    tokenizer: Tokenizer, prompts: list[str], max_tokens: int | None
) -> tuple[list[Ids], list[int]]:
    """Return each prompt's ids, cut to `max_tokens`, and its length in tokens before the cut."""
    uncut = encode(tokenizer, prompts)
    return [truncate(ids, max_tokens) if max_tokens else ids for ids in uncut], [len(ids) for ids in uncut]


def plan_batches(lengths: Sequence[int], batch_size: int, longest: int = 0) -> list[list[int]]:
    """Return the indices of rows of `lengths` tokens in batches of like length, the longest first.

    A batch has a token budget, padding included: `batch_size` × the longest row, or `longest` if that is
    more. The longest come first, so that memory fails at once if it fails.

    >>> plan_batches([9, 3, 8, 3, 3, 3, 2], batch_size=1)
    [[0], [2], [1, 3, 4], [5, 6]]
    """
    by_length = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    result: list[list[int]] = []
    budget = batch_size * max(longest, max(lengths, default=0))
    for index in by_length:
        if result and (len(result[-1]) + 1) * max(lengths[result[-1][0]], 1) <= budget:
            result[-1].append(index)
        else:
            result.append([index])
    return result


def generate_in_batches(
    rows: Sequence[Ids], generate: Generate, batch_size: int, what: str, journal: Path | None = None
) -> list[Ids]:
    """Return one output a row, in the order of `rows`; `batch_size` sets the token budget.

    Batches are planned for all rows and sharded whole, so that neither the number of processes nor an
    interruption changes who is with whom. Those in the `journal` are not made again; the others are added.

    Raises:
        InputError: DVC started this process, and is gone; what is in the journal stays.
    """
    dvc_process()  # while it is there
    outputs = broadcast(read_journal(journal, rows))
    if outputs and rank() == 0:
        log.info("%s: %d of %d are there from an earlier run", what, len(outputs), len(rows))
    planned = plan_batches([len(row) for row in rows], batch_size)
    todo = [indices for indices in planned if not all(index in outputs for index in indices)]
    rounds = [todo[start : start + world_size()] for start in range(0, len(todo), world_size())]
    for batches in track(rounds, what, len(rounds), unit="batch" if world_size() == 1 else "round"):
        own = batches[rank()] if rank() < len(batches) else []
        own_outputs = dict(zip(own, generate([rows[index] for index in own]), strict=True)) if own else {}
        for gathered in all_gather(own_outputs):
            outputs |= gathered
            if journal and gathered and rank() == 0:
                batch = list(gathered.items())
                line = json.dumps([sha256_of_json(batch), batch])
                with journal.open("a", encoding="utf-8") as out:
                    out.write(f"\n{line}\n")  # the line before may be a half
        if journal and rank() == 0 and is_orphaned():
            raise InputError("DVC, which started this stage, is gone; the same command resumes")
    return [outputs[index] for index in range(len(rows))]


def read_journal(journal: Path | None, rows: Sequence[Ids]) -> dict[int, Ids]:
    """Return the outputs that an earlier run has noted, by the index of their row.

    A line is a batch and its checksum; one that was cut off, or is damaged, counts for nothing.
    """
    outputs: dict[int, Ids] = {}
    if journal and journal.exists():
        for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                checksum, batch = json.loads(line)
                if checksum == sha256_of_json(batch):
                    outputs |= {index: ids for index, ids in batch if 0 <= index < len(rows)}
            except (ValueError, TypeError):
                continue
    return outputs


def make_generate(model: T5, decoding: Decoding) -> Generate:
    """Return a function from a batch of ids to the tokens that `model` writes, </s> included.

    A batch that takes more memory than its device's budget is split.
    """
    device = model.embedding.device
    budget, pages = budget_of(device), Pages()

    @torch.inference_mode()
    def generate(batch: list[Ids]) -> list[Ids]:
        longest = max(map(len, batch))
        need = generation_need(model.config, model.num_rows, model.weight_dtype, device, longest, decoding)
        parts = split(batch, need.articles(budget))
        rows = [
            row for part in parts for row in search(model, prefill(model, part, decoding, pages), decoding)
        ]
        return [written_in(row, model.config.eos) for row in rows]

    return generate


def written_in(row: Ids, eos: int) -> Ids:
    """Return the tokens that a model wrote, of a row: not the one it starts from, nothing after `eos`.

    >>> written_in([0, 7, 8, 1, 0, 0], eos=1)
    [7, 8, 1]
    """
    tokens = row[1:]
    return tokens[: tokens.index(eos) + 1] if eos in tokens else tokens


def smaller_than(dtype: torch.dtype) -> str:
    """Return what to do where a model takes too much in `dtype`."""
    return "take a smaller model" + (", or generate.precision bf16" if dtype == torch.float32 else "")


def check_generation(
    what: str,
    need_of: Callable[[int], Need],
    lengths: Sequence[int],
    batch_size: int,
    device: torch.device,
    smaller: str = "take a smaller model",
    beside: int = 0,
) -> None:
    """Raise InputError unless the memory is free to generate from prompts of `lengths` tokens, in batches.

    `need_of` says what a batch takes by its longest prompt, `beside` is what is held beside that. The message
    starts with `what`; `smaller` is what to do where not even an article at a time fits.
    """
    planned = [(len(batch), need_of(lengths[batch[0]])) for batch in plan_batches(lengths, batch_size)]

    def most(budget: int) -> int:
        return max((need.of(min(count, need.articles(budget))) for count, need in planned), default=0)

    def remedy(free: int) -> str:
        if most(0) + beside > free:  # an article at a time
            return smaller
        fitting = math.floor(10 * min(free, 2 * (free - beside)) / GIB) / 10  # see `left_beside`
        then = "splits each batch so that it fits; work that is kept under .resumen starts over"
        return f"RESUMEN_MEMORY_GB={fitting:g} {then}"

    budget = budget_of(device, beside)
    check_free(what, most(budget) + beside, device, remedy)
    if users_budget() is not None and most(0) > budget:
        warn_of_budget(gib(budget), gib(most(0)), smaller)


@cache
def warn_of_budget(budget: str, need: str, smaller: str) -> None:
    """Say, once, that an article at a time takes more than RESUMEN_MEMORY_GB leaves."""
    log.warning("RESUMEN_MEMORY_GB leaves %s, and an article at a time takes %s; %s", budget, need, smaller)


def prefill(model: T5, batch: Sequence[Ids], decoding: Decoding, pages: Pages | None = None) -> KVCache:
    """Return the cache of `model` after it has read a batch of ids; see `T5.prefill` for `pages`."""
    width = max(map(len, batch))
    pad = model.config.pad
    # (articles, tokens) both
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in batch])
    mask = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in batch])
    return model.prefill(ids, mask, decoding.num_beams, decoding.max_new_tokens, pages)


def search(model: T5, cache: KVCache, decoding: Decoding) -> list[Ids]:
    """Return what `model` writes for each article in `cache`, special tokens included."""
    find = greedy_search if decoding.num_beams == 1 else beam_search
    return find(model, cache, decoding)


def forbid_repeats(scores: Tensor, written: Tensor, size: int) -> None:
    """Set to −∞, in place, what would repeat an n-gram of `size` that a row has `written`.

    `scores` is (rows, vocabulary), `written` (rows, tokens).
    """
    if not 0 < size <= written.shape[1]:
        return
    ngrams = written.unfold(1, size, 1)  # (rows, n-grams, size)
    last = written[:, written.shape[1] + 1 - size :]  # (rows, size − 1)
    rows, indices = (ngrams[..., :-1] == last[:, None]).all(-1).nonzero(as_tuple=True)
    scores[rows, ngrams[rows, indices, -1]] = -math.inf


def greedy_search(model: T5, cache: KVCache, decoding: Decoding) -> list[Ids]:
    """Return the likeliest token after the likeliest token, a row an article, until </s>."""
    config = model.config
    device = cache.past.device
    articles = torch.arange(cache.past.shape[2], device=device)  # which are in the batch
    written = torch.full((len(articles), 1 + decoding.max_new_tokens), config.pad, device=device)
    written[:, 0] = config.decoder_start
    is_done = torch.zeros_like(articles, dtype=torch.bool)
    for step in range(decoding.max_new_tokens):
        scores = model.step(cache, written[articles, step, None])[:, 0].float()  # (articles, vocabulary)
        forbid_repeats(scores, written[articles, : step + 1], decoding.no_repeat_ngram_size)
        tokens = scores.argmax(-1).masked_fill_(is_done, config.pad)  # (articles,)
        written[articles, step + 1] = tokens
        is_done |= tokens == config.eos
        unfinished = (~is_done).nonzero().flatten()
        if not len(unfinished):
            break
        if should_compact(len(articles) - len(unfinished), len(articles)):
            cache.select(unfinished)
            articles, is_done = articles[unfinished], is_done[unfinished]
    return written.tolist()


def beam_search(model: T5, cache: KVCache, decoding: Decoding) -> list[Ids]:
    """Return the best of `num_beams` hypotheses an article, as transformers' `generate` finds it.

    An article is done once no running beam can beat its worst finished one at the present length
    (transformers' `early_stopping=False`), and leaves with others; every step keeps the best `num_beams` that
    end and the best that go on, out of the best 2 × `num_beams` continuations.
    """
    config, beams, longest = model.config, decoding.num_beams, decoding.max_new_tokens
    device = cache.past.device
    count = cache.past.shape[2]
    articles = torch.arange(count, device=device)  # which are in the batch
    best_finished = torch.full((count, 1 + longest), config.pad, device=device)
    running = torch.full((count, beams, 1 + longest), config.pad, device=device)  # sequences
    running[..., 0] = config.decoder_start
    scores = torch.full((count, beams), MIN_SCORE, device=device)
    scores[:, 0] = 0.0  # all beams are equal still
    finished, finished_scores = running.clone(), torch.full((count, beams), MIN_SCORE, device=device)
    is_finished = torch.zeros((count, beams), dtype=torch.bool, device=device)
    is_done = torch.zeros_like(articles, dtype=torch.bool)
    for step in range(longest):
        logits = model.step(cache, running[..., step]).flatten(0, 1).float()  # (articles × beams, vocabulary)
        log_probs = logits.log_softmax(-1)  # (articles × beams, vocabulary)
        forbid_repeats(log_probs, running[..., : step + 1].flatten(0, 1), decoding.no_repeat_ngram_size)
        best, tokens = log_probs.topk(2 * beams, dim=-1)  # (articles × beams, 2 × beams)
        best = best.unflatten(0, (-1, beams)) + scores[..., None]  # (articles, beams, 2 × beams)
        best, chosen = best.flatten(1).topk(2 * beams, dim=-1)  # (articles, 2 × beams)
        beam, token = chosen // (2 * beams), tokens.view(len(articles), -1).gather(1, chosen)
        grown = gather_rows(running, beam)  # (articles, 2 × beams, tokens)
        grown[:, :, step + 1] = token

        ends = (token == config.eos) if step + 1 < longest else torch.ones_like(token, dtype=torch.bool)
        scores, chosen = (best + ends * MIN_SCORE).topk(beams, dim=-1)  # (articles, beams)
        running, beam = gather_rows(grown, chosen), beam.gather(1, chosen)

        ends[:, beams:] = False  # what is not among the best goes on or is forgotten
        # (articles, 2 × beams)
        final = best / (step + 1) ** decoding.length_penalty + ~ends * MIN_SCORE
        finished_scores, chosen = torch.cat([finished_scores, final], dim=1).topk(beams, dim=-1)
        finished = gather_rows(torch.cat([finished, grown], dim=1), chosen)  # (articles, beams, tokens)
        is_finished = torch.cat([is_finished, ends], dim=1).gather(1, chosen)

        # (articles, beams)
        worst = torch.where(is_finished, finished_scores.amin(1, keepdim=True), MIN_SCORE)
        can_win = (scores[:, :1] / (step + 1) ** decoding.length_penalty > worst).any(1)  # (articles,)
        ends_now = ~is_done if step + 1 == longest else ~(is_done | can_win)
        best_finished[articles[ends_now]] = finished[ends_now, 0]
        is_done |= ends_now
        unfinished = (~is_done).nonzero().flatten()
        if not len(unfinished):
            break
        cache.reorder(beam)
        if should_compact(len(articles) - len(unfinished), len(articles)):
            cache.select(unfinished)
            articles, running, scores = articles[unfinished], running[unfinished], scores[unfinished]
            finished, finished_scores = finished[unfinished], finished_scores[unfinished]
            is_finished, is_done = is_finished[unfinished], is_done[unfinished]
    return best_finished.tolist()


def should_compact(done: int, articles: int) -> bool:
    """Return whether so many of a batch's articles are `done` that the others go on without them."""
    return done >= COMPACT_SHARE * articles


def gather_rows(rows: Tensor, indices: Tensor) -> Tensor:
    """Return of each article the rows at `indices`: (articles, rows, tokens) by (articles, indices)."""
    return rows.gather(1, indices[..., None].expand(-1, -1, rows.shape[-1]))
