"""Templates of a set: many ways to ask for a summary, one drawn for each training row."""

from hashlib import blake2b
from pathlib import Path

from pydantic import field_validator

from resumen.runtime.errors import InputError, nearest
from resumen.runtime.paths import TEMPLATES
from resumen.schema.params import Block, parse_block, read_yaml
from resumen.schema.sections import FormatParams
from resumen.text.characters import collapse_white_space
from resumen.text.conversation import mark_in
from resumen.text.prompts import check_template, fields_of


class Pair(Block):
    """How a summary is asked for, and what is then to be written."""

    prompt: str  # with {text} once; {title} and {topic} are known
    completion: str  # with {summary} once
    source: str  # the task that it is modelled on

    @field_validator("prompt")
    @classmethod
    def asks_with_the_article(cls, prompt: str) -> str:
        if "summary" in fields_of(prompt):
            raise ValueError("inverted: a prompt holds {text}, and {summary} is what the model writes")
        return check_template(prompt, "text")

    @field_validator("completion")
    @classmethod
    def answers_with_the_summary(cls, completion: str) -> str:
        if "text" in fields_of(completion):
            raise ValueError("inverted: a completion holds {summary}, and {text} stands in the prompt")
        return check_template(completion, "summary")


def read_sets(path: Path = TEMPLATES) -> dict[str, list[Pair]]:
    """Return every set of `path`, checked, by name.

    Raises:
        InputError: the file is no YAML, or a set is empty, has a pair that asks for no summary, or
            asks the same way twice.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: expected at least one set of pairs, got {content!r}")
    return {str(name): checked_set(str(name), pairs, path) for name, pairs in content.items()}


def checked_set(name: str, entries: object, path: Path) -> list[Pair]:
    """Return the pairs of set `name`.

    Raises:
        InputError: see `read_sets`; it names the pair, counted from 1.
    """
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: {name}: expected at least one pair, each after a dash, got {entries!r}")
    pairs: list[Pair] = []
    first: dict[str, int] = {}  # the number of the pair with this prompt
    for number, entry in enumerate(entries, start=1):
        pair = parse_block(Pair, entry, pair_label(name, number), file=path)
        asked = collapse_white_space(pair.prompt)
        if asked in first:
            raise InputError(
                f"{path}: {pair_label(name, number)}.prompt: the same as that of pair {first[asked]}, "
                f"got {pair.prompt!r}; take one out"
            )
        first[asked] = number
        pairs.append(pair)
    return pairs


def pair_label(name: str, number: int) -> str:
    """Return how messages name a pair of a set, counted from 1."""
    return f"{name}: pair {number}"


def chosen_set(name: str, path: Path = TEMPLATES) -> list[Pair]:
    """Return the pairs of the set that `format.templates` names.

    Raises:
        InputError: there is no such set, or any set has a fault.
    """
    sets = read_sets(path)
    if name not in sets:
        known = nearest(name, list(sets))
        raise InputError(f"params.yaml: format.templates: no set {name!r} in {path}{known}")
    return sets[name]


def draw_pair(pairs: list[Pair], seed: int, row_id: str) -> Pair:
    """Return the pair of a training row; what other rows there are changes nothing."""
    digest = blake2b(f"{seed} {row_id}".encode(), digest_size=8).digest()
    return pairs[int.from_bytes(digest) % len(pairs)]


def template_pairs(params: FormatParams) -> list[Pair]:
    """Return the ways to ask for a summary, the first of which validation and test get.

    Raises:
        InputError: the set is not there or has a fault; or one would look like a turn of a conversation.
    """
    if params.templates is None:
        pairs = [Pair(prompt=params.template, completion=params.completion, source="params.yaml")]
        labels = [{"prompt": "params.yaml: format.template", "completion": "params.yaml: format.completion"}]
    else:
        pairs = chosen_set(params.templates)
        names = [
            f"{TEMPLATES}: {pair_label(params.templates, number)}" for number in range(1, len(pairs) + 1)
        ]
        labels = [{key: f"{name}.{key}" for key in ("prompt", "completion")} for name in names]
    if params.style == "conversation":
        for pair, label in zip(pairs, labels, strict=True):
            for key, value in (("prompt", pair.prompt), ("completion", pair.completion)):
                if mark := mark_in(value):
                    raise InputError(
                        f"{label[key]}: holds {mark}, which style conversation puts there itself, "
                        f"got {value!r}; take it out"
                    )
    return pairs
