"""Any other model that writes text, computed by transformers: encoder-decoders and causal language models.

transformers' `generate` is given all that it searches by: our decoding, what the system says beyond it, and
the special ids of the repository. What else its generation_config.json says is reset, and named.
"""

import logging
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from jinja2 import TemplateError
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BatchEncoding,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MinLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    PreTrainedConfig,
    RepetitionPenaltyLogitsProcessor,
)
from transformers.utils import logging as transformers_logging

from resumen.checkpoint.folder import read_object
from resumen.checkpoint.kinds import ModelKind
from resumen.checkpoint.tensors import check_dtypes, header_of
from resumen.generation.counting import Operations, config_size, encoder_of, memory_need
from resumen.model.decoding import Generate, check_generation, smaller_than
from resumen.model.memory import Need, budget_of, split
from resumen.runtime.errors import InputError, first_line, shown
from resumen.runtime.provenance import check_hashes
from resumen.schema.sections import Decoding
from resumen.schema.systems import SearchParams, check_least
from resumen.text.conversation import Message, parse_conversation, render_conversation
from resumen.vocabulary.tokenizer import Ids

log = logging.getLogger("model")

SPECIAL_IDS = (  # the repository's: where a text begins and ends, and the code of a language
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "bad_words_ids",
)
NO_SEARCH = (  # of a generation_config.json, and of a config.json read as one
    *("transformers_version", "_from_model_config", "use_cache", "output_attentions", "output_hidden_states"),
    *("output_scores", "output_logits", "return_dict_in_generate"),
)
FROM_PADDING = ("roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "camembert")
# What transformers raises of a value in a configuration that is of another kind than it expects.
NOT_LOADED = (
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, OSError),
    SafetensorError,
    StrictDataclassError,
)
TEMPLATE_ERRORS = (TemplateError, RecursionError, MemoryError)
# Chat templates that ask which day it is are told one, Llama's own where it cannot ask: no output has a date.
THAT_DAY = (
    "{%- macro strftime_now(form) -%}{{ form | replace('%d', '26') | replace('%b', 'Jul') | "
    "replace('%B', 'July') | replace('%m', '07') | replace('%Y', '2024') }}{%- endmacro %}{{ '' }}"
)
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
CHAT: dict[str, Any] = {
    "add_generation_prompt": True,
    "return_dict": False,
    "sanitize_control_tokens": True,  # an article that holds the mark of a turn ends none
    "enable_thinking": False,  # Qwen's, and others': a summary, no thoughts before it
}


class OfWritten(LogitsProcessor):
    """A processor that sees what was written alone: neither the prompt nor its padding."""

    def __init__(self, inner: LogitsProcessor, start: int) -> None:
        self.inner, self.start = inner, start

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Return the scores (articles × beams, vocabulary) as `inner` changes them."""
        written: Any = input_ids[:, self.start :]
        changed: torch.FloatTensor = self.inner(written, scores)
        return changed


class AutoTextModel:
    """See `TextModel`."""

    def __init__(
        self,
        folder: Path,
        kind: ModelKind,
        decoding: Decoding,
        search: SearchParams,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        self.folder, self.decoding, self.dtype, self.device = folder, decoding, dtype, device
        self.is_causal = kind == ModelKind.CAUSAL
        with readable(folder):
            self.config = AutoConfig.from_pretrained(folder, **LOCAL)
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
            self.tokenizer.truncation_side = "right"
            published = published_generation(folder)
            self.chosen = search.model_dump(exclude_none=True)
            self.search, self.reset = search_by(published, decoding, self.chosen)
            # a chat's turn ends as the tokenizer says, which a generation_config.json may have forgotten
            own_end = self.tokenizer.eos_token_id if self.is_causal else None
            self.ends = list_of(self.search.eos_token_id, own_end)
            self.search.eos_token_id = self.ends or None
        self.check_ids(kind)
        self.check_search(search)
        if self.is_causal and not self.ends:
            raise InputError(
                f"{folder}: eos_token_id: missing in generation_config.json, and in the tokenizer: a summary "
                "would never end; add it, or take another model"
            )
        pad = self.search.pad_token_id
        if pad is None or pad < 0:  # -1 in Llama's first files
            self.search.pad_token_id = self.ends[0] if self.ends else 0
        if self.is_causal:  # of what is written alone, as in every other model: see `processors`
            self.search.update(
                min_length=0, min_new_tokens=None, no_repeat_ngram_size=0, repetition_penalty=1.0
            )
        self.is_chat = bool(self.tokenizer.chat_template)
        if self.is_causal and not self.is_chat:
            log.warning("%s: no chat template: it reads the plain prompt, and goes on with it", folder)
        self.room = self.room_to_read()

    def check_ids(self, kind: ModelKind) -> None:
        """Raise InputError if the tokenizer has lost its vocabulary, or an id of the search is none of it."""
        rows = config_size(self.config.get_text_config(decoder=True), "vocab_size", default=0)
        if 2 * (pieces := len(self.tokenizer)) < rows:
            raise InputError(
                f"{self.folder}: its tokenizer has {pieces} pieces, and its embedding {rows} rows; add the "
                "files of its vocabulary, such as tokenizer.json"
            )
        if (first := self.chosen.get("forced_bos_token_id", -1)) >= rows:
            raise InputError(
                f"{self.folder}: forced_bos_token_id, of its system's generate: expected one of its {rows} "
                f"tokens, got {first}; correct it in params.yaml"
            )
        for name in SPECIAL_IDS[2:5]:
            if (value := getattr(self.search, name)) is not None and value >= max(rows, 1):
                raise InputError(
                    f"{self.folder}: {name}: expected one of its {rows} tokens, got {value}; correct its "
                    "generation_config.json"
                )
        starts = (self.search.decoder_start_token_id, self.search.bos_token_id)
        if kind == ModelKind.SEQ2SEQ and starts == (None, None):
            raise InputError(
                f"{self.folder}: decoder_start_token_id: missing in generation_config.json and config.json: "
                "its decoder would not know where to start; add it"
            )
        if any(not isinstance(end, int) for end in self.ends):
            raise InputError(
                f"{self.folder}: eos_token_id: expected ids, got {shown(self.ends)}; correct its "
                "generation_config.json"
            )

    def check_search(self, search: SearchParams) -> None:
        """Raise InputError if a summary is to be longer than it may be."""
        try:
            check_least(search, self.decoding.max_new_tokens)
        except ValueError as error:
            raise InputError(f"{self.folder}: its system's {error}, in params.yaml") from error
        if self.is_causal and search.forced_bos_token_id is not None:
            raise InputError(
                f"{self.folder}: forced_bos_token_id, of its system's generate: a causal model goes on with "
                "its prompt, and starts no text; take it out in params.yaml"
            )

    def room_to_read(self) -> int | None:
        """Return how many tokens of a prompt the model has positions for; None is any number.

        Raises:
            InputError: a summary of the length that is asked for leaves none.
        """
        written = positions_of(self.config.get_text_config(decoder=True), "max_decoder_position_embeddings")
        read = positions_of(encoder_of(self.config), "max_encoder_position_embeddings")
        if written is not None and written <= self.decoding.max_new_tokens:
            raise InputError(
                f"{self.folder}: it has {written} positions, and is to write {self.decoding.max_new_tokens} "
                "tokens (generate.max_new_tokens, or the system's own); lower it"
            )
        if self.is_causal:
            read = None if written is None else written - self.decoding.max_new_tokens
        if read is None or not isinstance(self.tokenizer.model_max_length, int | float):
            return read
        limit = self.tokenizer.model_max_length - (self.decoding.max_new_tokens if self.is_causal else 0)
        return int(min(read, max(limit, 1)))

    def encode(self, prompts: list[str], max_tokens: int | None, style: str) -> tuple[list[Ids], list[bool]]:
        limit = min((limit for limit in (max_tokens, self.room) if limit is not None), default=None)
        fitted = [self.fit(turns_of(prompt, style), limit, style) for prompt in prompts]
        rows = config_size(
            (self.config if self.is_causal else encoder_of(self.config)), "vocab_size", default=0
        )
        if rows and any(max(ids, default=0) >= rows for ids, _ in fitted):
            raise InputError(
                f"{self.folder}: its tokenizer gives a token that its embedding of {rows} rows has not; take "
                "another checkpoint"
            )
        return [ids for ids, _ in fitted], [was_cut for _, was_cut in fitted]

    def fit(self, turns: list[Message], limit: int | None, style: str) -> tuple[Ids, bool]:
        """Return the ids of a prompt, cut to `limit`, and whether it was.

        As a T5's is: the oldest turns go first, then the end of the last; what a chat template puts around
        them stays.
        """
        ids = self.render(turns, style)
        if limit is None or len(ids) <= limit:
            return ids, False
        if not self.is_chat and len(turns) == 1:  # as a T5's: the ids are cut, its special tokens stay
            return self.plain(turns[0]["content"], truncation=True, max_length=limit), True
        while len(ids) > limit and len(turns) > 1:
            turns = turns[1:]
            while self.is_chat and len(turns) > 1 and turns[0]["role"] != "user":
                turns = turns[1:]
            ids = self.render(turns, style)
        *_, last = turns
        pieces = self.pieces_of(last["content"], add_special_tokens=False)
        keep = len(pieces["input_ids"])
        while len(ids) > limit:
            keep -= len(ids) - limit
            if keep < 1:
                raise InputError(
                    f"{self.folder}: {limit} tokens (tokenize.source_tokens, or the positions that it has "
                    "left) leave no room for a prompt; raise tokenize.source_tokens, or lower max_new_tokens"
                )
            content = first_part(self.tokenizer, last["content"], pieces, keep)
            ids = self.render([{**last, "content": content}], style)
        return ids, True

    def render(self, turns: list[Message], style: str) -> Ids:
        """Return the ids of a prompt: by the chat template, or as plain text with the special tokens."""
        if not self.is_chat:
            return self.plain(render_conversation(turns) if style == "conversation" else turns[0]["content"])
        try:
            template = THAT_DAY + self.tokenizer.get_chat_template()
            rendered: Any = self.tokenizer.apply_chat_template(list(turns), chat_template=template, **CHAT)
        except (*TEMPLATE_ERRORS, *NOT_LOADED) as error:
            raise InputError(
                f"{self.folder}: its chat template refuses a prompt: {first_line(error)}; take another "
                "model, or one whose tokenizer has no chat template"
            ) from error
        return list(rendered)

    def plain(self, text: str, **options: Any) -> Ids:
        """Return the ids of a prompt without a chat template, its special tokens among them."""
        ids: Ids = self.pieces_of(text, **options)["input_ids"]
        return ids[:-1] if self.is_causal and ids and ids[-1] in self.ends else ids  # it is to go on

    def pieces_of(self, text: str, **options: Any) -> BatchEncoding:
        """Return the tokens of a text.

        Raises:
            InputError: the tokenizer fails at it, as one in Rust may, with what is no Exception.
        """
        try:
            pieces: BatchEncoding = self.tokenizer(text, **options)
            return pieces
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise InputError(
                f"{self.folder}: its tokenizer fails at {shown(text)}: {first_line(error)}; take another "
                "model"
            ) from error

    def decode(self, rows: list[Ids]) -> list[str]:
        return [text.strip() for text in self.tokenizer.batch_decode(rows, skip_special_tokens=True)]

    def round_trip(self, texts: list[str]) -> list[str]:
        return self.decode(self.tokenizer(texts)["input_ids"]) if texts else []

    def need_of(self, source: int) -> Need:
        """Return what a batch takes whose longest prompt has `source` tokens."""
        return memory_need(self.config, self.numbers, self.dtype, source, self.decoding)

    def load(self, what: str, lengths: Sequence[int], batch_size: int) -> Generate:
        check_hashes(self.folder)
        self.numbers = numbers_in(self.folder)
        self.check_memory(what, lengths, batch_size)
        auto: Any = AutoModelForCausalLM if self.is_causal else AutoModelForSeq2SeqLM
        if self.config.model_type == "umt5":  # transformers 5.23 scales every one, as if its head were tied
            content = read_object(self.folder / "config.json", f"{self.folder}: config.json")
            self.config.scale_decoder_outputs = bool(content.get("tie_word_embeddings"))
        with readable(self.folder):
            model, report = auto.from_pretrained(
                self.folder,
                config=self.config,
                dtype=self.dtype,
                use_safetensors=True,
                output_loading_info=True,
                **LOCAL,
            )
        if missing := sorted(report["missing_keys"]):
            raise InputError(
                f"{self.folder}: lacks the tensor {missing[0]}; fetch or save it again (transformers 5 "
                "shares no weights of an encoder with its decoder: save such a model with both)"
            )
        for name, parameter in model.named_parameters():
            if not torch.stack(parameter.aminmax()).isfinite().all():
                raise InputError(
                    f"{self.folder}: {name}: holds NaN or infinity; fetch it again, or take another model"
                )
        if self.device.type == "cuda":  # some of what transformers calls there has no deterministic way
            torch.use_deterministic_algorithms(True, warn_only=True)
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.operations = self.counted()
        model = model.to(self.device).eval()
        model.generation_config = self.search  # where a key is not set, transformers takes the repository's

        @torch.inference_mode()
        def generate(batch: list[Ids]) -> list[Ids]:
            at_once = self.need_of(max(map(len, batch))).articles(budget_of(self.device))
            return [row for part in split(batch, at_once) for row in self.written(model, part)]

        return generate

    def written(self, model: Any, batch: list[Ids]) -> list[Ids]:
        """Return the tokens that `model` writes for each row of a batch, its end among them."""
        width, pad = max(map(len, batch)), self.search.pad_token_id
        gaps = [[pad] * (width - len(row)) for row in batch]
        pairs = list(zip(gaps, batch, strict=True))
        rows = [gap + row if self.is_causal else row + gap for gap, row in pairs]  # (articles, tokens)
        masks = [
            [0] * len(gap) + [1] * len(row) if self.is_causal else [1] * len(row) + [0] * len(gap)
            for gap, row in pairs
        ]
        output = model.generate(
            input_ids=torch.tensor(rows, device=self.device),
            attention_mask=torch.tensor(masks, device=self.device),
            generation_config=self.search,
            logits_processor=self.processors(width) if self.is_causal else None,
        )
        start = width if self.is_causal else 1  # a decoder's first token is where it starts from
        return [until_end(row[start:], self.ends) for row in output.tolist()]

    def processors(self, start: int) -> LogitsProcessorList:
        """Return what a causal model's search is told of the tokens from `start` on, which it has written."""
        decoding, chosen = self.decoding, self.chosen
        told: list[LogitsProcessor] = []
        if penalty := chosen.get("repetition_penalty"):
            told.append(RepetitionPenaltyLogitsProcessor(penalty))
        if decoding.no_repeat_ngram_size:
            told.append(NoRepeatNGramLogitsProcessor(decoding.no_repeat_ngram_size))
        if least := max(chosen.get("min_length", 0), chosen.get("min_new_tokens", 0)):
            told.append(MinLengthLogitsProcessor(least, self.ends, device=str(self.device)))
        return LogitsProcessorList(OfWritten(processor, start) for processor in told)

    def check_memory(self, what: str, lengths: Sequence[int], batch_size: int) -> None:
        check_generation(what, self.need_of, lengths, batch_size, self.device, smaller_than(self.dtype))

    def cost(self, lengths: Sequence[tuple[int, int]]) -> dict[str, int]:
        if self.operations is None:
            return {"parameters": self.parameters}
        operations = sum(self.operations.written(*pair, self.decoding.num_beams) for pair in lengths)
        return {"parameters": self.parameters, "operations": round(operations / len(lengths))}

    def counted(self) -> Operations | None:
        """Return what counts the operations; None where the way through a model depends on what it reads."""
        logging.getLogger("torch._subclasses").setLevel(logging.CRITICAL)  # else it tells of it at length
        try:
            operations = Operations(self.config)
            operations.written(1, 1, 1)
        except NOT_LOADED:
            log.warning("%s: its operations are not counted: they depend on what it reads", self.folder)
            return None
        return operations

    def made_with(self) -> dict[str, Any]:
        prompt = {"prompt": "chat template" if self.is_chat else "plain"}
        asked = prompt if self.is_causal or self.is_chat else {}
        return {"computed_by": "transformers", **asked, **self.chosen, "reset": self.reset}


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turn what transformers raises of a folder that it cannot load into an InputError."""
    try:
        yield
    except NOT_LOADED as error:
        raise InputError(
            f"{folder}: transformers cannot load it: {first_line(error)}; fetch or save it again"
        ) from error


def published_generation(folder: Path) -> GenerationConfig:
    """Return what a repository says of generation; in older ones config.json has it."""
    legacy = GenerationConfig.from_pretrained(
        folder, config_file_name="config.json", local_files_only=True, _from_model_config=True
    )
    if not (folder / "generation_config.json").is_file():
        return legacy
    published = GenerationConfig.from_pretrained(folder, local_files_only=True)
    for name in SPECIAL_IDS[:4]:
        if getattr(published, name) is None:
            setattr(published, name, getattr(legacy, name))
    return published


def search_by(
    published: GenerationConfig, decoding: Decoding, chosen: dict[str, Any]
) -> tuple[GenerationConfig, dict[str, Any]]:
    """Return what is searched by, and what of a repository's settings is reset: neither ours nor special ids.

    `chosen` is what a system says beyond the decoding.
    """
    decided = decoding.model_dump(include=set(Decoding.model_fields))
    ours = {**decided, "do_sample": False, "early_stopping": False}
    ids = {name: getattr(published, name) for name in SPECIAL_IDS}
    search = GenerationConfig(**{**ids, **ours, **chosen})
    named = (*NO_SEARCH, *ids, *Decoding.model_fields, *chosen)
    reset = {
        name: value if isinstance(value, int | float | str | list) else str(value)
        for name, value in published.to_diff_dict().items()
        if name not in named and value != getattr(search, name, None)
    }
    return search, reset


def list_of(*ids: int | list[int] | None) -> list[int]:
    """Return ids as a list, each once.

    >>> list_of([7, 2], None, 2)
    [7, 2]
    """
    lists = [one if isinstance(one, list) else [one] for one in ids if one is not None]
    return list(dict.fromkeys(chain.from_iterable(lists)))


def until_end(row: Ids, ends: list[int]) -> Ids:
    """Return the tokens of a row up to the first of `ends`, which is among them.

    >>> until_end([5, 6, 2, 0, 0], [2, 3])
    [5, 6, 2]
    """
    return next((row[: place + 1] for place, token in enumerate(row) if token in ends), row)


def turns_of(prompt: str, style: str) -> list[Message]:
    """Return the turns of a prompt: those of a conversation, or the user's one.

    Raises:
        InputError: it is no conversation.
    """
    if style != "conversation":
        return [{"role": "user", "content": prompt}]
    try:
        return parse_conversation(prompt)
    except ValueError as error:
        raise InputError(
            f"data/formatted: no conversation: {error}, got {shown(prompt)}; run `dvc repro`"
        ) from error


def first_part(tokenizer: Any, text: str, pieces: BatchEncoding, keep: int) -> str:
    """Return the beginning of `text` that its first `keep` of `pieces` stand for."""
    if tokenizer.is_fast:
        span = pieces.token_to_chars(keep - 1)
        return text[: span.end if span else 0]

    def count(length: int) -> int:
        return len(tokenizer(text[:length], add_special_tokens=False)["input_ids"])

    return text[: bisect_right(range(len(text) + 1), keep, key=count) - 1]


def positions_of(config: PreTrainedConfig, also: str) -> int | None:
    """Return how many positions a stack knows, `also` by LED's name; None where they are relative.

    RoBERTa's kind counts them from behind its padding.
    """
    positions = config_size(config, also, "max_position_embeddings", default=0) or None
    if positions and config.model_type in FROM_PADDING:
        positions -= (config.pad_token_id or 0) + 1
    return positions


def numbers_in(folder: Path) -> int:
    """Return the numbers in all tensors of a folder's weights.

    Raises:
        InputError: it has none in safetensors.
    """
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise InputError(f"{folder}: no model*.safetensors; expected what save_pretrained writes")
    headers = [header_of(file, str(folder)) for file in files]
    for header in headers:
        check_dtypes(header, str(folder))
    return sum(prod(shape) for header in headers for _, shape in header.values())
