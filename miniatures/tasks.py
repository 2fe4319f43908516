"""Tasks: what the Flan miniatures are asked about a text.

A task draws one row: the source with its instruction, and the target, both as text.
"""

import random
from collections.abc import Callable, Sequence

from miniatures.corpus import Corpus
from miniatures.excerpts import excerpt, split_sentences
from miniatures.templates import instruct

Task = Callable[[random.Random, Corpus, int], tuple[str, str]]  # the last: words of text, at most


def fragment(rng: random.Random, corpus: Corpus, num_words: int) -> list[str]:
    """Return neighbouring words of an article, or (half the time) words that no model can guess."""
    if rng.random() < 0.5:
        return [rng.choice(corpus.words) for _ in range(num_words)]
    words = rng.choice(corpus.stories).text.split()
    start = rng.randrange(max(1, len(words) - num_words + 1))
    return words[start : start + num_words]


def after_pair(words: Sequence[str], start: int, num_words: int) -> tuple[str, str]:
    """Return the pair of words at `start` and the `num_words` that follow it.

    >>> after_pair("el alcalde de Soria no vino".split(), start=1, num_words=2)
    ('alcalde de', 'Soria no')
    """
    return " ".join(words[start : start + 2]), " ".join(words[start + 2 : start + 2 + num_words])


def question_kind(cue: str, answer: str) -> str:
    """Return who, number (amounts and dates) or other.

    >>> question_kind("¿A quién citó el juez?", "Ana Ruiz"), question_kind("¿Cuándo empieza?", "5 de mayo")
    ('who', 'number')
    """
    if any(letter.isdigit() for letter in answer):
        return "number"
    return "who" if "quién" in cue.lower() else "other"


def repeat(rng: random.Random, corpus: Corpus, max_words: int) -> tuple[str, str]:
    text = " ".join(fragment(rng, corpus, rng.randint(3, max(3, max_words // 2))))
    return instruct(rng, "repeat", text), text


def continue_after(rng: random.Random, corpus: Corpus, max_words: int) -> tuple[str, str]:
    words = fragment(rng, corpus, rng.randint(6, max(6, max_words)))
    cue, target = after_pair(words, rng.randrange(len(words) - 2), rng.randint(1, 4))
    return instruct(rng, "continue_after", " ".join(words), cue), target


def question(rng: random.Random, corpus: Corpus, max_words: int) -> tuple[str, str]:
    story = rng.choice(corpus.stories)
    cue, answer = rng.choice(story.questions)
    return instruct(rng, "question", excerpt(rng, story.text, max_words, answer), cue), answer


def select(rng: random.Random, corpus: Corpus, max_words: int) -> tuple[str, str]:
    """Ask about a text that is short and holds the rivals of the answer: in an excerpt they often are not."""
    story = rng.choice(corpus.stories)
    cue, answer = rng.choice(story.questions)
    kind = question_kind(cue, answer)
    rivals = [other for other_cue, other in story.questions if question_kind(other_cue, other) == kind]
    parts = split_sentences(story.text)
    text = [part for part in parts if any(rival in part for rival in rivals)]
    num_words = sum(len(part.split()) for part in text)
    for part in rng.sample(parts, len(parts)):
        if part not in text and num_words + len(part.split()) <= max_words:
            text.append(part)
            num_words += len(part.split())
    rng.shuffle(text)
    return instruct(rng, "question", " ".join(text), cue), answer


def questions(rng: random.Random, corpus: Corpus, max_words: int) -> tuple[str, str]:
    """Ask up to five things at once: more to learn from an article, and answers as long as a summary."""
    story = rng.choice(corpus.stories)
    _, first = rng.choice(story.questions)
    text = excerpt(rng, story.text, max_words, first)
    pairs = [pair for pair in story.questions if pair[1] in text]
    asked = rng.sample(pairs, min(len(pairs), rng.randint(2, 5)))
    cue = " ".join(cue for cue, _ in asked)
    return instruct(rng, "questions", text, cue), "; ".join(answer for _, answer in asked)


def headline(rng: random.Random, corpus: Corpus, max_words: int) -> tuple[str, str]:
    story = rng.choice(corpus.stories)
    return instruct(rng, "headline", story.text), story.title


def topic(rng: random.Random, corpus: Corpus, max_words: int) -> tuple[str, str]:
    story = rng.choice(corpus.stories)
    return instruct(rng, "topic", excerpt(rng, story.text, max_words)), story.topic


def completion(rng: random.Random, corpus: Corpus, max_words: int) -> tuple[str, str]:
    parts = split_sentences(rng.choice(corpus.stories).text)
    cut = rng.randrange(1, max(2, len(parts)))
    return instruct(rng, "completion", " ".join(parts[:cut])), " ".join(parts[cut : cut + 1])


def find_sentences(rng: random.Random, corpus: Corpus, max_words: int) -> tuple[str, str]:
    """Ask for the one or two sentences that hold the quoted pairs of words, in the order asked."""
    text = excerpt(rng, rng.choice(corpus.stories).text, max_words)
    parts = split_sentences(text)
    quoted = rng.sample(parts, min(len(parts), rng.randint(1, 2)))
    cues = []
    for words in map(str.split, quoted):
        start = rng.randrange(max(1, len(words) - 1))
        cues.append(" ".join(words[start : start + 2]))
    return instruct(rng, "find_sentences", text, "» y «".join(cues)), " ".join(quoted)


TASKS: dict[str, Task] = {
    "repeat": repeat,
    "continue_after": continue_after,
    "question": question,
    "select": select,
    "questions": questions,
    "headline": headline,
    "topic": topic,
    "completion": completion,
    "find_sentences": find_sentences,
}
