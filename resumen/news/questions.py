"""Questions about made-up news, each with the answer, a span of its article."""

import random
import re
from collections.abc import Iterator
from itertools import count, islice

from resumen.news.stories import Story, draw_story
from resumen.schema.probes import Probe

NEWS_KINDS = ("news-who", "news-number", "news-other")
QUESTION_TEMPLATE = "Responde a la pregunta. {question} Texto: {text}"
UNWRITABLE = re.compile("[íúñÁÍÓÚÑ¿¡]")  # T5's vocabulary lacks them: whoever reads well would still be wrong


def news_kind(question: str, answer: str) -> str:
    """Return the kind of a question about news: a person, a number (a day too), or anything else.

    >>> news_kind("¿De quién fue la idea?", "Elena Castro"), news_kind("¿Cuándo será?", "3 de abril")
    ('news-who', 'news-number')
    """
    if re.search(r"\bquién", question.lower()):
        return "news-who"
    return "news-number" if re.search(r"\d", answer) else "news-other"


def question_pairs(story: Story, kind: str) -> list[tuple[str, str]]:
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
        if pairs := question_pairs(story, kind):
            question, answer = pairs[number % len(pairs)]
            number += 1
            prompt = QUESTION_TEMPLATE.format(question=question, text=story.text)
            yield f"{kind}-{number:03d}", Probe(kind=kind, prompt=prompt, answer=answer)


def news_probes(num_probes: int, seed: int) -> dict[str, Probe]:
    """Return probes about the stories of `stories(n, seed)`, by id, the kinds in turn.

    The answer to each is a span of its article. Fewer probes are the first of more.
    """
    of_kind = [news_questions(kind, seed) for kind in NEWS_KINDS]
    return dict(next(of_kind[index % len(of_kind)]) for index in range(num_probes))
