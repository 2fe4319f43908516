"""The probes: the prompts that every system answers beside its summaries."""

from pathlib import Path

from pydantic import PositiveInt, field_validator

from stages.shared.cli import InputError
from stages.shared.params import Block, parse, read_yaml

PROBES = Path("stages/probes.yaml")


class Probe(Block):
    """One prompt, with its answer where just one is right."""

    prompt: str
    answer: str | None = None

    @field_validator("prompt")
    @classmethod
    def asks_something(cls, prompt: str) -> str:
        if not prompt.strip():
            raise ValueError("expected a text to answer")
        return prompt


class Probes(Block):
    max_new_tokens: PositiveInt
    probes: dict[str, dict]


def read_probes(path: Path = PROBES) -> tuple[int, dict[str, Probe]]:
    """Return the most tokens of an answer, and the probes by id.

    Raises:
        InputError: the file is no YAML, or a probe has no prompt or an answer that is no text.
    """
    content = parse(Probes, read_yaml(path), "", file=path)
    if not content.probes:
        raise InputError(f"{path}: probes: expected at least one")
    probes = {
        name: parse(Probe, entry, f"probes.{name}", file=path) for name, entry in content.probes.items()
    }
    return content.max_new_tokens, probes
