"""Answers: what a system said to the probes, and whether it is right."""

from typing import NamedTuple

from resumen.runtime.errors import InputError
from resumen.runtime.paths import ANSWERS_DIR
from resumen.schema.jsonl import read_jsonl
from resumen.text.words import words

NEWS = "news-"  # how the kinds and the ids of the questions about generated news begin


class Answer(NamedTuple):
    """A row of data/answers/S.jsonl."""

    id: str
    kind: str
    prompt: str
    answer: str
    reference: str | None  # the right answer, where just one is

    @property
    def is_exact(self) -> bool | None:
        """Whether the answer is right; None where there is no right one."""
        return None if self.reference is None else is_exact(self.answer, self.reference)


def is_exact(answer: str, reference: str) -> bool:
    """Return whether both are the same list of words: case and punctuation do not count, all else does.

    SQuAD's exact match, but that articles are not dropped (Rajpurkar et al. 2016,
    https://aclanthology.org/D16-1264).

    >>> is_exact("«LOGROÑO».", "Logroño"), is_exact("en Logroño", "Logroño"), is_exact("Logroo", "Logroño")
    (True, False, False)
    """
    return words(answer) == words(reference)


def read_answers(system: str) -> list[Answer]:
    """Return the answers of a system, in their order; none where its predictions were made elsewhere.

    Raises:
        InputError: there is no file, an id occurs twice, or a value is no text.
    """
    path = ANSWERS_DIR / f"{system}.jsonl"
    answers: dict[str, Answer] = {}
    for number, row in enumerate(read_jsonl(path, Answer._fields), 1):
        for name in Answer._fields:
            if not isinstance(row[name], str) and not (name == "reference" and row[name] is None):
                raise InputError(
                    f"{path}:{number}: {name}: expected text, got {row[name]!r}; "
                    f"run `python -m stages.probe {system}` again"
                )
        if row["id"] in answers:
            raise InputError(f"{path}:{number}: id {row['id']!r} occurs twice; probe {system} again")
        answers[row["id"]] = Answer(**{name: row[name] for name in Answer._fields})
    return list(answers.values())
