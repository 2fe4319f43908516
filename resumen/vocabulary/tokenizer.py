"""The tokenizer of a model's folder: text to ids and back.

A tokenizer here is the `tokenizers.Tokenizer` of a folder's tokenizer.json, which is what transformers
uses too, without its import.
"""

from base64 import b64decode
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from tokenizers import Tokenizer
from tokenizers.decoders import Metaspace as MetaspaceDecoder
from tokenizers.normalizers import Normalizer, Precompiled
from tokenizers.pre_tokenizers import Metaspace, Sequence, WhitespaceSplit

from resumen.checkpoint.folder import check_tokenizer_config
from resumen.runtime.errors import InputError, first_line, shown
from resumen.runtime.files import read_bytes
from resumen.runtime.jsonfiles import parse_json

Ids = list[int]

Element = TypeVar("Element")

PAD, EOS, UNK = "<pad>", "</s>", "<unk>"
SPANISH_LETTERS = "íúñÁÍÓÚÑ¿¡"  # what Spanish needs and T5's vocabulary lacks
WHITE_SPACE = " {2,}"  # white space, the one that T5's normalizer replaces
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
        way = (
            "name the folder as checkpoints.C.folder, and it is made of spiece.model"
            if (folder / "spiece.model").is_file()
            else "a model folder needs its tokenizer.json"
        )
        raise InputError(f"{path}: not found; {way}")
    if (folder / "tokenizer_config.json").is_file():
        check_tokenizer_config(folder / "tokenizer_config.json", str(folder))
    written = read_bytes(path)
    content = parse_json(written, path)
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or model.get("type") != "Unigram":
        raise InputError(f"{path}: expected T5's kind of vocabulary, Unigram")
    if odd := sorted(set(patterns(content)) - {WHITE_SPACE}):
        raise InputError(
            f"{path}: expected no pattern but {WHITE_SPACE!r}, got {shown(odd[0])}; take T5's own"
        )
    try:
        tokenizer = Tokenizer.from_str(written.decode())
        tokenizer.encode_batch_fast(["", SPANISH_LETTERS])
    except BaseException as error:  # its own are plain Exceptions, and a panic of Rust's is not even that
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise InputError(
            f"{path}: not readable as a tokenizer: {first_line(error)}; fetch it again"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if is_rebuilt(folder):
        become_t5(tokenizer, charsmap_of(content))
    if tokenizer.encode("").ids != [tokenizer.token_to_id(EOS)]:
        raise InputError(f"{path}: expected a T5 tokenizer, which ends its sequences with </s>")
    return content, tokenizer


def is_rebuilt(folder: Path) -> bool:
    """Return whether AutoTokenizer makes a T5Tokenizer of a folder, whatever its tokenizer.json says.

    That one splits at white space and knows sentencepiece's normalization alone. Of another class, and of a
    UMT5, AutoTokenizer takes tokenizer.json as it is.
    """
    given = [
        parse_json(read_bytes(path), path) if (path := folder / name).is_file() else {}
        for name in ("tokenizer_config.json", "config.json")
    ]
    own, model = (content if isinstance(content, dict) else {} for content in given)
    kind = own.get("tokenizer_class") or model.get("tokenizer_class") or "T5Tokenizer"
    return model.get("model_type", "t5") != "umt5" and str(kind).removesuffix("Fast") == "T5Tokenizer"


def become_t5(tokenizer: Tokenizer, normalizer: Normalizer | None) -> None:
    """Give `tokenizer` the parts of transformers' T5Tokenizer.

    T5's own tokenizer.json does not split at white space, and makes a piece of what stands at the end.
    """
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = Sequence([WhitespaceSplit(), Metaspace()])
    tokenizer.decoder = MetaspaceDecoder()


def charsmap_of(content: dict[str, Any]) -> Normalizer | None:
    """Return sentencepiece's normalization of a tokenizer.json, or None where it has another or none."""
    part = content.get("normalizer")
    parts = part.get("normalizers", [part]) if isinstance(part, dict) else []
    for one in parts:
        if one.get("type") == "Precompiled" and one.get("precompiled_charsmap"):
            return Precompiled(b64decode(one["precompiled_charsmap"]))
    return None


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


def truncate(ids: list[int], max_tokens: int) -> list[int]:
    """Return `ids` at most `max_tokens` long; the </s> at the end stays the last.

    >>> truncate([7, 8, 9, 1], 3)
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


def round_trip(tokenizer: Tokenizer, texts: list[str]) -> list[str]:
    """Return each text after encode and decode: what a model with this vocabulary could write of it."""
    return decode(tokenizer, encode(tokenizer, texts))


def normalized(tokenizer: Tokenizer, text: str) -> str:
    """Return `text` after the tokenizer's normalizer (NFKC)."""
    return tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text


def normalized_text(tokenizer: Tokenizer, text: str) -> str:
    """Return `text` as the tokenizer sees it: normalized, each run of white space one space."""
    return " ".join(normalized(tokenizer, text).split())


def chunks(items: Iterable[Element], size: int) -> Iterator[list[Element]]:
    """Yield `items` in lists of `size`, the last one shorter."""
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk
