"""The made-up news, the data: topics.yaml beside this file, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml


class Way(NamedTuple):
    """One way to say a fact: in the article, in the summary, and as a question."""

    sentence: str
    phrase: str
    question: str


class Fact(NamedTuple):
    """What the questions on a fact are answered with, and the ways to say it."""

    answer: str
    ways: tuple[Way, ...]


class Aside(NamedTuple):
    """A sentence that the summary leaves out, with a question that it answers."""

    sentence: str
    question: str
    answer: str


@dataclass(frozen=True)
class Topic:
    """The words and the sentences of one section of the newspaper; topics.yaml says what each field is."""

    name: str
    amounts: range
    words: dict[str, tuple[str, ...]]
    facts: dict[str, Fact]  # what, where and count
    extras: tuple[Fact, ...]
    frames: tuple[str, ...]
    asides: tuple[tuple[Aside, ...], ...]
    openings: tuple[str, ...]
    background: tuple[str, ...]
    titles: tuple[str, ...]


def words_of(entry: list[str] | Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return a list of words, or each opening with each subject.

    >>> words_of({"each": ["¡Viva {}!", "¡Más {}!"], "of": ["el pan"]})
    ('¡Viva el pan!', '¡Más el pan!')
    """
    if isinstance(entry, list):
        return tuple(entry)
    return tuple(opening.format(subject) for opening in entry["each"] for subject in entry["of"])


def fact_of(entry: dict[str, Any]) -> Fact:
    """Return a fact."""
    return Fact(entry["answer"], tuple(Way(*way) for way in entry["ways"]))


def topic_of(name: str, entry: dict[str, Any]) -> Topic:
    """Return a topic."""
    return Topic(
        name=name,
        amounts=range(*entry["amounts"]),
        words={slot: words_of(words) for slot, words in entry["words"].items()},
        facts={key: fact_of(fact) for key, fact in entry["facts"].items()},
        extras=tuple(map(fact_of, entry["extras"])),
        asides=tuple(tuple(Aside(*aside) for aside in group) for group in entry["asides"]),
        **{key: tuple(entry[key]) for key in ("frames", "openings", "background", "titles")},
    )


# libyaml takes 4 ms for it, PyYAML's own loader 50.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DATA = yaml.load(Path(__file__).with_name("topics.yaml").read_text(encoding="utf-8"), LOADER)  # noqa: S506

WOMEN, MEN, SURNAMES, PLACES, WEEKDAYS, MONTHS, BACKGROUND = (
    tuple(DATA[key]) for key in ("women", "men", "surnames", "places", "weekdays", "months", "background")
)
TOPICS = tuple(topic_of(name, entry) for name, entry in DATA["topics"].items())
ECONOMY = next(topic for topic in TOPICS if topic.name == "economia")
