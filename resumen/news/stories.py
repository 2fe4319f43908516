"""Seeded Spanish news: clean stories with known-answer questions.

Everything is invented but the names of towns. A story is put together from independent facts:
each is said in one sentence of the article, beside a rival of the same kind (an earlier figure,
another town), and in one phrase of the summary. What the summary takes is always the same kind
of thing: the protagonist, not who comments; the final figure, not the estimate; the town where
it happened, not the one that was ruled out.

The data are those of topics.yaml. How to read a template:

    {who} {other} {third}        three people; who is the protagonist
    {place} {place2} {place3}    three towns; the first is where it happens
    {n} {n_before} {n_other}     three amounts; the first is the final one
    {date} {date2}               two days to come ("14 de mayo"); the first is the right one
    {today}                      the day of the story ("este lunes")
    {site} {site2}               two draws without repetition from the topic's own list `site`
    {site:the} {site:a}          the noun with its article: "la piscina", "una piscina"
    {who:el juez|la jueza}       one of two forms, by the gender of a person or a noun
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from resumen.news.topics import (
    BACKGROUND,
    MEN,
    MONTHS,
    PLACES,
    SURNAMES,
    TOPICS,
    WEEKDAYS,
    WOMEN,
    Fact,
    Topic,
    Way,
)

VOCABULARY_SEED, TRAINING_SEED = 7_101, 7_102  # of the stories that the shipped miniatures have seen

LONG_SHARE = 0.1  # of the stories are too long for the 256 source tokens of the miniatures
SHORT_WORDS, LONG_WORDS = (60, 145), (205, 295)  # the least words an article is filled up to
SUMMARY_WORDS = 30  # at most
FIRST_DAY, LAST_DAY = date(2010, 1, 1), date(2019, 12, 31)


@dataclass(frozen=True)
class Story:
    """An article in MLSUM's columns (date as "dd/mm/yyyy"), and questions that it answers.

    Each answer is a span of the text. The questions on what the summary says come first.
    """

    text: str
    summary: str
    title: str
    topic: str
    url: str
    date: str
    questions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Gendered:
    """A person or a noun, formatted by its gender as the module's docstring says."""

    text: str
    feminine: bool

    def __format__(self, forms: str) -> str:
        if forms == "the":
            return ("la " if self.feminine else "el ") + self.text
        if forms == "a":
            return ("una " if self.feminine else "un ") + self.text
        return forms.split("|")[self.feminine] if forms else self.text


Slots = Mapping[str, Gendered | str | int]  # the values of a story, by the names above


def noun(words: str) -> Gendered | str:
    """Return "el museo" or "la piscina" as a noun with its gender, anything else as it is.

    >>> f"{noun('la piscina')} {noun('la piscina'):a}"
    'piscina una piscina'
    """
    article, _, text = words.partition(" ")
    return Gendered(text, article == "la") if article in ("el", "la") and "|" not in text else words


def fill(template: str, slots: Slots) -> str:
    """Return the template with its slots filled, contracted and capitalised.

    >>> fill("{site:the} de {site2:the} y {who}", {
    ...     "site": noun("el bar"), "site2": noun("el museo"), "who": "Íñigo"})
    'El bar del museo e Íñigo'
    """
    text = template.format_map(slots)
    text = re.sub(r"\b([Dd]e|[Aa]) el\b", r"\1l", text)
    text = re.sub(r"\by (?=[IiÍí])", "e ", text)
    return re.sub(r"\w", lambda match: match[0].upper(), text, count=1)


def day_name(day: date) -> str:
    """Return "14 de mayo" for a fourteenth of May."""
    return f"{day.day} de {MONTHS[day.month - 1]}"


def draw_slots(topic: Topic, day: date, rng: random.Random) -> Slots:
    """Return a value for each slot of the topic's templates, those of one kind all different."""
    given, surnames = rng.sample(WOMEN + MEN, 3), rng.sample(SURNAMES, 3)
    people = [
        Gendered(f"{first} {last}", first in WOMEN) for first, last in zip(given, surnames, strict=True)
    ]
    days = [day_name(day + timedelta(days=ahead)) for ahead in rng.sample(range(5, 90), 2)]
    slots: dict[str, Gendered | str | int] = {"today": f"este {WEEKDAYS[day.weekday()]}"}
    slots |= zip(("who", "other", "third"), people, strict=True)
    slots |= zip(("place", "place2", "place3"), rng.sample(PLACES, 3), strict=True)
    slots |= zip(("n", "n_before", "n_other"), rng.sample(topic.amounts, 3), strict=True)
    slots |= zip(("date", "date2"), days, strict=True)
    for slot, words in topic.words.items():
        slots[slot], slots[f"{slot}2"] = map(noun, rng.sample(words, 2))
    return slots


def draw_summary(
    facts: dict[str, Fact], frame: str, slots: Slots, rng: random.Random
) -> tuple[dict[str, Way], str]:
    """Return a way to say each fact and the summary they make, drawn again while it is too long."""
    while True:
        ways = {name: rng.choice(fact.ways) for name, fact in facts.items()}
        phrases = {name: way.phrase for name, way in ways.items()}
        summary = fill(frame.format_map(phrases), slots)
        if len(summary.split()) <= SUMMARY_WORDS:
            return ways, summary


def draw_article(opening: str, needed: list[str], spare: list[str], rng: random.Random) -> str:
    """Return the opening, then the needed sentences among as many spare ones as length asks."""
    body = list(needed)
    missing_words = rng.randint(*(LONG_WORDS if rng.random() < LONG_SHARE else SHORT_WORDS))
    missing_words -= len(" ".join([opening, *needed]).split())
    for sentence in spare:
        if missing_words <= 0:
            break
        body.append(sentence)
        missing_words -= len(sentence.split())
    rng.shuffle(body)
    return " ".join([opening, *body])


def draw_story(rng: random.Random) -> Story:
    """Return a story; the next one at each call."""
    topic = rng.choice(TOPICS)
    day = FIRST_DAY + timedelta(days=rng.randint(0, (LAST_DAY - FIRST_DAY).days))
    slots = draw_slots(topic, day, rng)

    extra, frame = rng.choice(list(zip(topic.extras, topic.frames, strict=True)))
    facts = {**topic.facts, "extra": extra}
    ways, summary = draw_summary(facts, frame, slots, rng)
    asides = [rng.choice(group) for group in topic.asides]

    # Each of the four facts has a sentence of its own, so that no three hold them all.
    sentences = [fill(way.sentence, slots) for way in ways.values()]
    comment, *rest = (fill(aside.sentence, slots) for aside in asides)
    background = topic.background + BACKGROUND
    rest += rng.sample(background, len(background))
    if rng.random() < 0.5:
        text = draw_article(rng.choice(topic.openings), [*sentences, comment], rest, rng)
    else:
        text = draw_article(sentences[0], [*sentences[1:], comment], rest, rng)

    asked = [(way.question, facts[name].answer) for name, way in ways.items()]
    asked += [(aside.question, aside.answer) for aside in asides]
    questions = [(fill(question, slots), answer.format_map(slots)) for question, answer in asked]
    return Story(
        text=text,
        summary=summary,
        title=fill(rng.choice(topic.titles), slots),
        topic=topic.name,
        url=f"https://noticias.example/{topic.name}/{day:%Y/%m/%d}/{rng.randrange(10**9):09d}.html",
        date=f"{day:%d/%m/%Y}",
        # An aside that the article had no room for leaves a question without an answer.
        questions=tuple(pair for pair in questions if pair[1] in text),
    )


def stories(num_stories: int, seed: int) -> list[Story]:
    """Return clean stories. Equal seeds give equal stories, and fewer are the first of more."""
    rng = random.Random(seed)
    return [draw_story(rng) for _ in range(num_stories)]


def row_of(story: Story) -> dict[str, str]:
    """Return MLSUM's columns of a story."""
    return {name: value for name, value in vars(story).items() if name != "questions"}
