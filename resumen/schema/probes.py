"""prompts/probes.yaml: our own prompts, with their answers where just one is right."""

from pathlib import Path
from typing import Any

from pydantic import PositiveInt, field_validator

from resumen.runtime.errors import InputError, nearest
from resumen.runtime.paths import PROBES
from resumen.schema.answers import NEWS
from resumen.schema.params import Block, parse_block, read_yaml
from resumen.text.words import words

KINDS = (  # of the entries in probes.yaml
    *("continue-english", "continue-spanish", "summarize-english", "summarize-spanish"),
    *("open-question", "question-text", "sentiment-english", "sentiment-spanish"),
    *("translate-to-spanish", "translate-to-english"),
)


class Probe(Block):
    """One prompt, with its answer where just one is right."""

    kind: str
    prompt: str
    answer: str | None = None

    @field_validator("prompt")
    @classmethod
    def asks_something(cls, prompt: str) -> str:
        if not prompt.strip():
            raise ValueError("expected a text to answer")
        return prompt

    @field_validator("answer")
    @classmethod
    def says_something(cls, answer: str | None) -> str | None:
        if answer is not None and not words(answer):
            raise ValueError("expected at least one word; leave the key out where no answer is the right one")
        return answer


class Probes(Block):
    max_new_tokens: PositiveInt
    probes: dict[str, dict[Any, Any]]


def read_probes(path: Path = PROBES) -> tuple[int, dict[str, Probe]]:
    """Return the most tokens of an answer, and our own probes by id, in the order of the file.

    Raises:
        InputError: the file is no YAML or has no probes; or one has no prompt, no kind or an unknown one,
            an answer without a word, or an id that the questions about news take.
    """
    result = read_yaml(path)
    if not isinstance(result, dict):
        raise InputError(f"{path}: expected max_new_tokens and probes, got {result!r}")
    content = parse_block(Probes, result, "", file=path)
    if not content.probes:
        raise InputError(f"{path}: probes: expected at least one, got {content.probes!r}")
    probes = {}
    for name, entry in content.probes.items():
        where = f"{path}: probes.{name}"
        if name.startswith(NEWS):
            raise InputError(f"{where}: {NEWS}… is taken by the questions about news; choose another id")
        probe = parse_block(Probe, entry, f"probes.{name}", file=path)
        if probe.kind not in KINDS:
            raise InputError(f"{where}.kind: unknown value {probe.kind!r}{nearest(probe.kind, list(KINDS))}")
        probes[name] = probe
    return content.max_new_tokens, probes
