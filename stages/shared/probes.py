"""The probes: what every system is asked beside its summaries, our own prompts and questions about news."""

import random
import re
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, PositiveInt, field_validator

from stages.shared.answers import NEWS
from stages.shared.cli import InputError
from stages.shared.news import Story, draw_story
from stages.shared.params import Block, nearest, parse, read_yaml
from stages.shared.words import words

PROBES = Path("stages/probes.yaml")

KINDS = (  # of the entries in probes.yaml
    *("continue-english", "continue-spanish", "summarize-english", "summarize-spanish"),
    *("open-question", "question-text", "sentiment-english", "sentiment-spanish"),
    *("translate-to-spanish", "translate-to-english"),
)
NEWS_KINDS = ("news-who", "news-number", "news-other")
TEMPLATE = "Responde a la pregunta. {question} Texto: {text}"
UNWRITABLE = re.compile("[íúñÁÍÓÚÑ¿¡]")  # T5's vocabulary lacks them: whoever reads well would still be wrong


class ProbeParams(Block):
    generated: NonNegativeInt  # questions about made-up news, besides the prompts of probes.yaml
    seed: NonNegativeInt  # of the news that they ask about


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
    found = read_yaml(path)
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected max_new_tokens and probes, got {found!r}")
    content = parse(Probes, found, "", file=path)
    if not content.probes:
        raise InputError(f"{path}: probes: expected at least one, got {content.probes!r}")
    probes = {}
    for name, entry in content.probes.items():
        where = f"{path}: probes.{name}"
        if name.startswith(NEWS):
            raise InputError(f"{where}: {NEWS}… is taken by the questions about news; choose another id")
        probe = parse(Probe, entry, f"probes.{name}", file=path)
        if probe.kind not in KINDS:
            raise InputError(f"{where}.kind: unknown value {probe.kind!r}{nearest(probe.kind, list(KINDS))}")
        probes[name] = probe
    return content.max_new_tokens, probes


def news_kind(question: str, answer: str) -> str:
    """Return the kind of a question about news: a person, a number (a day too), or anything else.

    >>> news_kind("¿De quién fue la idea?", "Elena Castro"), news_kind("¿Cuándo será?", "3 de abril")
    ('news-who', 'news-number')
    """
    if re.search(r"\bquién", question.lower()):
        return "news-who"
    return "news-number" if re.search(r"\d", answer) else "news-other"


def pairs_of(story: Story, kind: str) -> list[tuple[str, str]]:
    """Return the questions of `kind` on a story, with the answers, that T5's vocabulary can write."""
    return [
        (question, answer)
        for question, answer in story.questions
        if news_kind(question, answer) == kind and not UNWRITABLE.search(answer)
    ]


def news_questions(kind: str, seed: int) -> Iterator[tuple[str, Probe]]:
    """Yield ids and probes of `kind` without end, each about a story of its own.

    A kind has every third story for itself and takes those with a question for it: of the first taken
    the first such question, of the next the second, and so on, so that all sorts are asked.
    """
    rng = random.Random(seed)
    drawn = (draw_story(rng) for _ in count())
    number = 0
    for story in islice(drawn, NEWS_KINDS.index(kind), None, len(NEWS_KINDS)):
        if pairs := pairs_of(story, kind):
            question, answer = pairs[number % len(pairs)]
            number += 1
            prompt = TEMPLATE.format(question=question, text=story.text)
            yield f"{kind}-{number:03d}", Probe(kind=kind, prompt=prompt, answer=answer)


def news_probes(num_probes: int, seed: int) -> dict[str, Probe]:
    """Return probes about the stories of `stories(n, seed)`, by id, the kinds in turn.

    The answer to each is a span of its article. Fewer probes are the first of more.
    """
    of_kind = [news_questions(kind, seed) for kind in NEWS_KINDS]
    return dict(next(of_kind[place % len(of_kind)]) for place in range(num_probes))
