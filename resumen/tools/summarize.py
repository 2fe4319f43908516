"""Summarize: let a system summarize texts of your own, from files, a folder or standard input.

Reads   PATH ...            .txt, .md: one article; any file that `fetch` reads: an article a row, in the
                            column text, or the one that profiles.files.data.columns names, and perhaps id;
                            a folder: every .txt and .md in it, by name; no PATH, or -: standard input, one
                            article (--jsonl: one a line)
        the system's model folder
Writes  standard output     a summary a line, in the order of the articles; --json: an object a line of
                            id (a row's own, or FILE-N), summary, seconds (of generation: those of its batch,
                            shared evenly), tokens (read, the prompt's included), truncated
        standard error      that it is a miniature, articles that were cut or are empty (their summaries are,
                            and the exit code is 1), progress
Params  systems.S, generate, tokenize.source_tokens, format: as `generate` reads them, with the same result

    resumen summarize news.txt
    resumen summarize --json articles/ more.jsonl > summaries.jsonl
    cat book.txt | resumen summarize --windows --model flan-large --beams 4
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tokenizers import Tokenizer

from resumen.checkpoint.folder import reason_left_out
from resumen.formats.read import is_saved_dataset, line_rows, read_rows
from resumen.model.decoding import Generate, generate_texts, make_generate
from resumen.model.device import choose_dtype
from resumen.model.loading import check_vocabulary, load_t5
from resumen.model.prepare import prepare_torch
from resumen.page.table import is_miniature
from resumen.prompts.templates import template_pairs
from resumen.prompts.truncation import encode_truncated
from resumen.runtime.cli import parser
from resumen.runtime.errors import InputError, nearest, printable
from resumen.runtime.files import opened
from resumen.runtime.guards import read_bounded
from resumen.runtime.progress import track
from resumen.schema.data import user_columns
from resumen.schema.jsonl import numbered_lines
from resumen.schema.params import parse_key, parse_section, read_params
from resumen.schema.sections import FormatParams, GenerateParams, SourceParams
from resumen.schema.suffixes import SUFFIXES, known_suffix, stem_of
from resumen.schema.systems import SystemParams, system_names, system_params
from resumen.sources.userfiles import text_of
from resumen.text.characters import is_visible, normalize
from resumen.text.conversation import check_turn, render_conversation
from resumen.text.prompts import fields_of, fill_template
from resumen.text.sentences import sentences
from resumen.vocabulary.tokenizer import chunks, load_tokenizer

log = logging.getLogger("summarize")

DEFAULT_SYSTEM = "finetuned"
TEXT_SUFFIXES = (".txt", ".md")  # of files that are one article
READ_SUFFIXES = (*TEXT_SUFFIXES, *SUFFIXES)


class StandardInput:
    """Standard input where a path is expected; `suffix` says how it is read."""

    stem = "stdin"

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix

    def open(self, mode: str, encoding: str | None = None) -> BinaryIO:
        return sys.stdin.buffer

    def __str__(self) -> str:
        return "standard input"


TextSource = Path | StandardInput


class Article(NamedTuple):
    location: str  # as messages name it: a file, or its line or row
    id: str
    values: dict[str, str]  # the text, and what else the template names


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

    tokenizer: Tokenizer
    generate: Generate
    asking: PromptStyle
    source_tokens: int  # longer prompts are cut
    batch_size: int  # articles, and prompts of one forward pass
    in_windows: bool  # articles that are too long are summarized in parts

    def prompts(self, article: Article) -> list[str]:
        """Return the prompt of an article, or of each of its windows, in order.

        Raises:
            InputError: the article cannot be told from marks of turns.
        """

        def fits(text: str) -> bool:
            prompt = self.asking.prompt({**article.values, "text": text})
            return not encode_truncated(self.tokenizer, [prompt], self.source_tokens, self.asking.style)[1][0]

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
            prompts = [self.prompts(article) for article in batch if is_visible(article.values["text"])]
            ids, were_cut = encode_truncated(
                self.tokenizer,
                [prompt for parts in prompts for prompt in parts],
                self.source_tokens,
                self.asking.style,
            )
            start = time.perf_counter()
            what = f"summarize {batch[0].id} to {batch[-1].id}"
            texts = generate_texts(self.tokenizer, ids, self.generate, self.batch_size, what)
            seconds = (time.perf_counter() - start) / max(len(prompts), 1)
            written, by_article = iter(zip(texts, ids, were_cut, strict=True)), iter(prompts)
            for article in batch:
                if not is_visible(article.values["text"]):
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


def sources_of(names: list[str], stdin_suffix: str) -> list[TextSource]:
    """Return what is read, in order: a folder is the texts in it, "-" and no name are standard input.

    Raises:
        InputError: nothing is there, it is of no kind that is read, a folder has no text, or standard input
            is named twice.
    """
    result: list[TextSource] = []
    for name in names or ["-"]:
        path = Path(name)
        if name == "-":
            result.append(StandardInput(stdin_suffix))
        elif is_saved_dataset(path):
            result.append(path)
        elif path.is_dir():
            every = sorted(path.iterdir())
            files = [file for file in every if file.is_file() and file.suffix.lower() in TEXT_SUFFIXES]
            if not files:
                raise InputError(
                    f"{path}: no {' or '.join(TEXT_SUFFIXES)} in this folder; name the files themselves"
                )
            if others := [entry.name for entry in every if entry not in files]:
                log.warning("%s: not read: %s", path, ", ".join(others))
            result.extend(files)
        elif path.exists():
            known_suffix(path, READ_SUFFIXES)
            result.append(path)
        else:
            raise InputError(f"{path}: not found; name a file, a folder of .txt, or - for standard input")
    if names.count("-") > 1:
        raise InputError(f"-: standard input can be read once, got it {names.count('-')} times")
    return result


def rows_of(
    source: TextSource, fields: Sequence[str], columns: dict[str, str], separator: str | None
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the place, the id if it has none of its own, and `id` and `fields` of each row, lazily.

    Each stands in the column that `columns` names, or in one of its own name.

    Raises:
        InputError: the file is not what its suffix says, not UTF-8, or lacks `text`; with file:line.
    """
    places = {name: (columns.get(name, name), name) for name in ("id", *fields)}

    def choose(has: list[str]) -> list[str]:
        if not {*places["text"]} & {*has}:
            raise InputError(
                f"{source}: lacks columns ['text'], has {has}; name the articles text, or set "
                "profiles.files.data.columns.text"
            )
        return [name for name in has if any(name in names for names in places.values())]

    if isinstance(source, Path) and (
        source.is_dir() or known_suffix(source, READ_SUFFIXES) not in TEXT_SUFFIXES
    ):
        rows, stem = read_rows(source, choose, separator), stem_of(source)
    elif source.suffix.lower() in TEXT_SUFFIXES:
        yield str(source), source.stem, {"text": read_text(source)}
        return
    else:
        rows, stem = line_rows(sys.stdin.buffer, source, choose), source.stem
    for number, (where, row) in enumerate(rows, start=1):
        values = {name: row.get(theirs, row.get(ours)) for name, (theirs, ours) in places.items()}
        yield where, f"{stem}-{number}", values


def read_text(source: TextSource) -> str:
    """Return the text of a whole file.

    Raises:
        InputError: it is too large; or not UTF-8, with file:line.
    """
    with opened(source, "rb") as file:
        content = BytesIO(read_bounded(file, source))
    return "".join(line for _, line in numbered_lines(content, source))


def articles_of(
    sources: list[TextSource],
    fields: Iterable[str],
    columns: dict[str, str] | None = None,
    separator: str | None = None,
) -> Iterator[Article]:
    """Yield the articles of all `sources`, in order, with the `fields` that the template names.

    One without text is there too: it has an empty summary. `columns` and `separator` are those of `fetch`.

    Raises:
        InputError: a source has no article; or one has something else than text in a field.
    """
    wanted = list(fields)
    for source in sources:
        row_id = None
        for where, row_id, row in rows_of(source, wanted, columns or {}, separator):
            values = {name: normalize(text_of(row.get(name), where, name)) for name in wanted}
            yield Article(where, text_of(row.get("id"), where, "id") or row_id, values)
        if row_id is None:
            raise InputError(f"{source}: expected an article a row, got none; add rows, or leave it out")


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


def warn_of_miniature(params: dict[str, Any], name: str) -> None:
    """Say so where a miniature summarizes; `name` is a system or a model folder."""
    systems = {"asked": {"from": chosen_system(params, name).source}}
    if is_miniature({**params, "systems": systems}, "asked"):
        log.warning(
            "%s is a miniature that knows only our made-up news; a real one: `dvc exp run -S profile=course`",
            name,
        )


def prompt_style_of(params: dict[str, Any], system: SystemParams) -> PromptStyle:
    """Return how a system is asked: in its own template, or as `format` asks test articles."""
    if system.template is not None:
        return PromptStyle(system.template, "instruction")
    ours = parse_section(FormatParams, params, "format")
    return PromptStyle(template_pairs(ours)[0].prompt, ours.style)


def load_summarizer(options: argparse.Namespace) -> Summarizer:
    """Return the summarizer that the command line and params.yaml describe.

    Raises:
        InputError: a fault in params.yaml, or in the model's folder.
    """
    all_params = read_params()
    system = chosen_system(all_params, options.model)
    params = parse_section(GenerateParams, all_params, "generate")
    source_tokens = parse_key(SourceParams, all_params, "tokenize", "source_tokens").source_tokens
    asking = prompt_style_of(all_params, system)
    asked = {"num_beams": options.beams, "max_new_tokens": options.max_tokens}
    chosen = system.decoding() | {key: value for key, value in asked.items() if value is not None}
    device = prepare_torch(seed=0)  # greedy and beam search draw nothing
    model = load_t5(system.path, choose_dtype(params.precision, device), device)
    tokenizer = load_tokenizer(system.path)
    check_vocabulary(model.num_rows, tokenizer, system.path)
    return Summarizer(
        tokenizer=tokenizer,
        generate=make_generate(model, params.model_copy(update=chosen)),
        asking=asking,
        source_tokens=source_tokens,
        batch_size=options.batch_size or params.batch_size,
        in_windows=options.windows,
    )


def write_summaries(summaries: Iterable[dict[str, Any]], as_json: bool) -> int:
    """Write each summary as a line of standard output at once; a reader that goes away ends it.

    Return how many articles there were of which nothing was read.
    """
    num_empty = 0
    # Piped on Windows, it is the code page's.
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # typeshed: any TextIO
    try:
        for output in summaries:
            num_empty += output["tokens"] == 0
            message = (
                json.dumps(output, ensure_ascii=False)
                if as_json
                else printable(" ".join(output["summary"].splitlines()))
            )
            sys.stdout.write(f"{message}\n")
            sys.stdout.flush()
    except BrokenPipeError:  # as by `| head`; the interpreter flushes once more as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return num_empty


def positive_int(text: str) -> int:
    """Return the number that an option gives.

    Raises:
        ArgumentTypeError: it is not a whole number ≥ 1.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number ≥ 1, got {text!r}")
    return int(text)


def options_of(given: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options, or those of `given`."""
    arguments = parser(__doc__, "resumen summarize news.txt")
    arguments.add_argument("paths", nargs="*", metavar="PATH", help="files or folders; - is standard input")
    arguments.add_argument("--json", action="store_true", help="write an object a line")
    arguments.add_argument("--jsonl", action="store_true", help="standard input has an object a line")
    arguments.add_argument(
        "--model",
        default=DEFAULT_SYSTEM,
        metavar="SYSTEM",
        help="a key of `systems` in params.yaml, or a model folder (default: %(default)s)",
    )
    arguments.add_argument("--windows", action="store_true", help="summarize long articles in parts")
    arguments.add_argument("--beams", type=positive_int, metavar="N", help="instead of generate.num_beams")
    arguments.add_argument(
        "--max-tokens", type=positive_int, metavar="N", help="instead of generate.max_new_tokens"
    )
    arguments.add_argument(
        "--batch-size", type=positive_int, metavar="N", help="instead of generate.batch_size"
    )
    return arguments.parse_args(given)


def main() -> None:
    options = options_of()
    sources = sources_of(options.paths, ".jsonl" if options.jsonl else ".txt")
    summarizer = load_summarizer(options)
    warn_of_miniature(read_params(), options.model)
    if not options.paths and sys.stdin.isatty():
        log.info("reading standard input; an end of file (Ctrl-D) ends the article")
    fields = fields_of(summarizer.asking.template)
    summaries = summarizer.summarize(articles_of(sources, fields, *user_columns(read_params())))
    if not sys.stdout.isatty():  # a bar would stand between the summaries
        summaries = track(summaries, f"summarize {options.model}", unit="article")
    if num_empty := write_summaries(summaries, options.json):
        sys.exit(f"error: articles without text, whose summaries are empty: {num_empty}")
