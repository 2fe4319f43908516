"""What a vocabulary can spell: T5's lacks í ú ñ Á Í Ó Ú Ñ ¿ ¡ and silently drops them on decode.

A tokenizer here is the `tokenizers.Tokenizer` of a folder's tokenizer.json, which is what transformers
uses too, without its import.
"""

import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import Metaspace, Sequence, WhitespaceSplit

from stages.shared.checkpoint import check_tokenizer_config
from stages.shared.cli import InputError, shown
from stages.shared.files import first_line, json_of, read_bytes

T = TypeVar("T")

PAD, EOS, UNK = "<pad>", "</s>", "<unk>"
SPANISH = "íúñÁÍÓÚÑ¿¡"  # what Spanish needs and T5's vocabulary lacks
PATTERN = " {2,}"  # white space, the one that T5's normalizer replaces
IGNORE_INDEX = -100  # default `ignore_index` of torch.nn.CrossEntropyLoss


def load_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a model folder, without truncation or padding.

    Raises:
        InputError: see `read_tokenizer`.
    """
    return read_tokenizer(folder)[1]


def read_tokenizer(folder: Path) -> tuple[dict[str, Any], Tokenizer]:
    """Return the content of a model folder's tokenizer.json, and its tokenizer as `load_tokenizer` does.

    Raises:
        InputError: the folder has no tokenizer.json, or one that does not end its sequences with </s>.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{path}: not found; a model folder needs its tokenizer.json")
    if (folder / "tokenizer_config.json").is_file():
        check_tokenizer_config(folder / "tokenizer_config.json", str(folder))
    written = read_bytes(path)
    content = json_of(written, path)
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or model.get("type") != "Unigram":
        raise InputError(f"{path}: expected T5's kind of vocabulary, Unigram")
    if odd := sorted(set(patterns(content)) - {PATTERN}):
        raise InputError(f"{path}: expected no pattern but {PATTERN!r}, got {shown(odd[0])}; take T5's own")
    try:
        tokenizer = Tokenizer.from_str(written.decode())
        tokenizer.encode_batch_fast(["", SPANISH])
    except BaseException as error:  # its own are plain Exceptions, and a panic of Rust's is not even that
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise InputError(
            f"{path}: not readable as a tokenizer: {first_line(error)}; fetch it anew"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # What transformers' T5Tokenizer puts there whatever the file says; the file's own makes a piece of
    # white space at the end of a text.
    tokenizer.pre_tokenizer = Sequence([WhitespaceSplit(), Metaspace()])
    if tokenizer.encode("").ids != [tokenizer.token_to_id(EOS)]:
        raise InputError(f"{path}: expected a T5 tokenizer, which ends its sequences with </s>")
    return content, tokenizer


def patterns(content: Any) -> Iterator[str]:
    """Yield the regular expressions of a tokenizer.json; one can be written that panics at some article."""
    parts = [content]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if "Regex" in part:
                yield part["Regex"] if isinstance(part["Regex"], str) else shown(part["Regex"])
            parts += [inside for key, inside in part.items() if key != "vocab"]
        elif isinstance(part, list):
            parts += part


def cut(ids: list[int], max_tokens: int) -> list[int]:
    """Return `ids` at most `max_tokens` long; the </s> at the end stays the last.

    >>> cut([7, 8, 9, 1], 3)
    [7, 8, 1]
    """
    return ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], ids[-1]]


def encode(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Return the token ids of each text, uncut, </s> last."""
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]


def decode(tokenizer: Tokenizer, rows: list[list[int]]) -> list[str]:
    """Return the text of each row of ids, special tokens left out and white space trimmed."""
    return [text.strip() for text in tokenizer.decode_batch(rows, skip_special_tokens=True)]


def count_unknown(tokenizer: Tokenizer, ids: list[int]) -> int:
    """Return how many of `ids` stand for what the vocabulary cannot spell."""
    unk = tokenizer.token_to_id(UNK)
    return 0 if unk is None else ids.count(unk)


def spelled(tokenizer: Tokenizer, texts: list[str]) -> list[str]:
    """Return each text after encode and decode: what a model with this vocabulary could write of it."""
    return decode(tokenizer, encode(tokenizer, texts))


def normalized(tokenizer: Tokenizer, text: str) -> str:
    """Return `text` after the tokenizer's normalizer (NFKC)."""
    return tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text


def folded(tokenizer: Tokenizer, text: str) -> str:
    """Return `text` as the tokenizer sees it: normalized, each run of white space one space."""
    return " ".join(normalized(tokenizer, text).split())


def count_letters(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """Return how often each character stands in `texts`, as the tokenizer sees them but for white space."""
    codes = np.zeros(sys.maxunicode + 1, dtype=np.int64)
    for chunk in chunks(texts, 1_000):
        text = unicodedata.normalize("NFC", "\n".join(chunk))  # a mark and its letter become one
        letters = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        codes += np.bincount(letters, minlength=len(codes))
    counts: Counter[str] = Counter()
    for code in np.flatnonzero(codes).tolist():
        for letter in normalized(tokenizer, chr(code)):
            counts[letter] += int(codes[code])
    return counts


def unknown_letters(tokenizer: Tokenizer, counts: Counter[str], min_count: int) -> list[str]:
    """Return the visible characters that have no piece: those of Spanish, then those that `counts` has.

    Each group with the most frequent first. Spanish's own are there even if no text has them: what is
    not in the training split may be in what is to be written.
    """
    missing = {
        letter: counts[letter]
        for letter in {*counts, *SPANISH}
        if (counts[letter] >= min_count or letter in SPANISH)
        and tokenizer.token_to_id(letter) is None
        and unicodedata.category(letter)[0] not in "CZ"  # control, white space
    }
    return sorted(missing, key=lambda letter: (letter not in SPANISH, -missing[letter], letter))


def with_letters(tokenizer_json: dict[str, Any], letters: list[str], score: float) -> dict[str, Any]:
    """Return the content of a Unigram tokenizer.json with `letters` as pieces at the end.

    `add_tokens` would break words ("Españ a", transformers #26318); a piece of the model does not.
    """
    model = tokenizer_json["model"]
    vocab = [*model["vocab"], *([letter, score] for letter in letters)]
    return {**tokenizer_json, "model": {**model, "vocab": vocab}}


def base_letter(letter: str) -> str | None:
    """Return the letter whose embedding a new letter starts from, or None if it has none.

    >>> [base_letter(letter) for letter in "ñÍ¿~"]
    ['n', 'I', '?', None]
    """
    turned = {"¿": "?", "¡": "!"}
    plain = turned.get(letter) or unicodedata.normalize("NFD", letter)[0]
    return plain if plain != letter else None


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield `items` in lists of `size`, the last one shorter."""
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk
