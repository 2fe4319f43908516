"""A system as a summarizer of any articles: what the tools share that let a model write."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from resumen.checkpoint.folder import reason_left_out
from resumen.generation.models import TextModel, open_model
from resumen.model.decoding import Generate, generate_in_batches
from resumen.model.device import choose_dtype, memory_errors
from resumen.model.prepare import prepare_torch
from resumen.prompts.templates import template_pairs
from resumen.runtime.errors import InputError, nearest
from resumen.schema.params import parse_key, parse_section, read_params
from resumen.schema.sections import FormatParams, GenerateParams, SourceParams
from resumen.schema.systems import SystemParams, system_names, system_params
from resumen.text.conversation import check_turn, render_conversation
from resumen.text.prompts import fill_template
from resumen.text.sentences import sentences
from resumen.tools.articles import Article
from resumen.vocabulary.tokenizer import chunks

log = logging.getLogger("summarize")


class PromptStyle(NamedTuple):
    """How a summary is asked for."""

    template: str
    style: str

    def prompt(self, values: dict[str, str]) -> str:
        """Return the prompt of an article.

        Raises:
            ValueError: under style "conversation", it would look like more than one turn.
        """
        prompt = fill_template(self.template, values)
        if self.style != "conversation":
            return prompt
        return render_conversation([check_turn({"role": "user", "content": prompt}, number=1)])


class Summarizer(NamedTuple):
    """A model that is loaded, and how it is to be used."""

    model: TextModel
    generate: Generate
    asking: PromptStyle
    source_tokens: int  # longer prompts are cut
    batch_size: int  # articles, and prompts of one forward pass
    in_windows: bool  # articles that are too long are summarized in parts
    source: str = ""  # where the model lies
    batch_size_key: str = "generate.batch_size"  # what says it

    def prompts(self, article: Article) -> list[str]:
        """Return the prompt of an article, or of each of its windows, in order.

        Raises:
            InputError: the article cannot be told from marks of turns.
        """

        def fits(text: str) -> bool:
            prompt = self.asking.prompt({**article.values, "text": text})
            return not self.model.encode([prompt], self.source_tokens, self.asking.style)[1][0]

        try:
            whole = self.asking.prompt(article.values)
        except ValueError as error:
            raise InputError(f"{article.location}: {error}") from error
        if not self.in_windows:
            return [whole]
        parts, num_parted = windows(article.values["text"], fits)
        if num_parted:
            log.warning("%s: sentences longer than a window, parted: %d", article.id, num_parted)
        return [self.asking.prompt({**article.values, "text": part}) for part in parts]

    def summarize(self, articles: Iterable[Article]) -> Iterator[dict[str, Any]]:
        """Yield id, summary, seconds, tokens and truncated of each article, in order, a batch at a time."""
        message = "the rest was not; --windows summarizes all of it, in parts"
        if self.in_windows:
            message = "not the end of a word that is longer than a window"
        for batch in chunks(articles, self.batch_size):
            prompts = [self.prompts(article) for article in batch if not article.is_empty]
            asked = [prompt for parts in prompts for prompt in parts]
            ids, were_cut = self.model.encode(asked, self.source_tokens, self.asking.style)
            self.model.check_memory(self.source, list(map(len, ids)), self.batch_size)
            start = time.perf_counter()
            what = f"summarize {batch[0].id} to {batch[-1].id}"
            with memory_errors(self.batch_size_key, self.batch_size):
                texts = self.model.decode(generate_in_batches(ids, self.generate, self.batch_size, what))
            seconds = (time.perf_counter() - start) / max(len(prompts), 1)
            written, by_article = iter(zip(texts, ids, were_cut, strict=True)), iter(prompts)
            for article in batch:
                if article.is_empty:
                    log.warning("%s: no text, so the summary is empty", article.location)
                    yield {"id": article.id, "summary": "", "seconds": 0.0, "tokens": 0, "truncated": False}
                    continue
                parts = next(by_article)
                summaries, read, cut = zip(*(next(written) for _ in parts), strict=True)
                output = {
                    "id": article.id,
                    "summary": " ".join(filter(None, summaries)),
                    "seconds": round(seconds, 4),
                    "tokens": sum(map(len, read)),
                    "truncated": any(cut),
                }
                if any(cut):
                    log.warning("%s: %d tokens were read, %s", output["id"], output["tokens"], message)
                yield output


def windows(text: str, fits: Callable[[str], bool]) -> tuple[list[str], int]:
    """Return `text` if it fits, or else its sentences in order, joined to as few parts as fit one by one.

    A sentence that does not fit is parted between words; the second value is the number of those.

    >>> windows("Llueve. Nieva. Hace mucho frío en Soria.", lambda text: len(text) <= 15)
    (['Llueve. Nieva.', 'Hace mucho', 'frío en Soria.'], 1)
    """
    if fits(text):
        return [text], 0
    parts, part, num_parted = [], "", 0
    for sentence in sentences(text):
        pieces = split_sentence(sentence, fits)
        num_parted += len(pieces) > 1
        for piece in pieces:
            longer = f"{part} {piece}".strip()
            if part and not fits(longer):
                parts.append(part)
                longer = piece
            part = longer
    return [*parts, part], num_parted


def split_sentence(sentence: str, fits: Callable[[str], bool]) -> list[str]:
    """Return a sentence, halved between words as often as it takes to fit; a word is never parted."""
    words = sentence.split()
    if len(words) == 1 or fits(sentence):
        return [sentence]
    halves = words[: len(words) // 2], words[len(words) // 2 :]
    return [piece for half in halves for piece in split_sentence(" ".join(half), fits)]


def chosen_system(params: dict[str, Any], name: str) -> SystemParams:
    """Return the system that `name` is a key of, or one of the model folder `name`.

    Raises:
        InputError: there is neither, it is somebody else's predictions, or its folder is not there.
    """
    names = system_names(params)
    if name in names:
        system = system_params(params, name)
    elif Path(name).exists():
        system = SystemParams.model_validate({"from": name})
    else:
        raise InputError(
            f"--model: neither a system of params.yaml nor a folder, got {name!r}{nearest(name, names)}"
        )
    if system.is_foreign:
        raise InputError(
            f"--model: expected a model, got {name!r}, the predictions of {system.path} made elsewhere; "
            "take a system that is a model folder"
        )
    if reason := reason_left_out(system.path):
        raise InputError(f"--model: {name!r} is left out: {reason}")
    if not system.path.is_dir():
        raise InputError(
            f"{system.path}: no such model folder; `dvc repro` makes it (`dvc pull`, where a remote has it)"
        )
    return system


def prompt_style_of(params: dict[str, Any], system: SystemParams) -> PromptStyle:
    """Return how a system is asked: in its own template, or as `format` asks test articles."""
    if system.template is not None:
        return PromptStyle(system.template, "instruction")
    ours = parse_section(FormatParams, params, "format")
    return PromptStyle(template_pairs(ours)[0].prompt, ours.style)


def load_summarizer(
    name: str,
    decoding: dict[str, Any] | None = None,
    batch_size: int | None = None,
    in_windows: bool = False,
) -> Summarizer:
    """Return system `name`, a key of `systems` or a model folder, ready to summarize.

    `decoding` is laid over that of params.yaml.

    Raises:
        InputError: a fault in params.yaml, or in the model's folder.
    """
    all_params = read_params()
    system = chosen_system(all_params, name)
    params = parse_section(GenerateParams, all_params, "generate")
    source_tokens = parse_key(SourceParams, all_params, "tokenize", "source_tokens").source_tokens
    asking = prompt_style_of(all_params, system)
    key = "generate.batch_size" if system.batch_size is None else f"systems.{name}.batch_size"
    key = key if batch_size is None else "--batch-size"
    chosen = params.model_copy(update=system.overrides() | (decoding or {}))
    device = prepare_torch(seed=0)  # greedy and beam search draw nothing
    dtype, size = choose_dtype(params.precision, device), batch_size or chosen.batch_size

    model = open_model(system.path, chosen, dtype, device, system.generate)
    with memory_errors("summarize", 1):
        generate = model.load(system.source, [source_tokens], size)  # one article; each batch as it comes
    return Summarizer(
        model=model,
        generate=generate,
        asking=asking,
        source_tokens=source_tokens,
        batch_size=size,
        in_windows=in_windows,
        source=system.source,
        batch_size_key=key,
    )
