"""Is the embedded task a lookup? What a template matcher, and order alone, get on a split.

    python -m benchmarks.news                        after `dvc repro`; about a minute
    python -m benchmarks.news --split validation     to choose by

- skeletons: summaries with names, places and numbers blanked; how often one occurs, how many are new in test
- nearest neighbour: the summary of the closest training article, its slots refilled from the article
- shuffled: the fine-tuned model on articles whose sentences come in another order
"""

import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

from resumen.generation.models import open_model
from resumen.model.decoding import generate_in_batches
from resumen.model.device import choose_dtype
from resumen.model.prepare import prepare_torch
from resumen.prompts.templates import template_pairs
from resumen.rouge.metric import SpanishRouge
from resumen.runtime.cli import parser, run
from resumen.schema.params import load_params, parse_key, read_params
from resumen.schema.rows import read_table
from resumen.schema.sections import FormatParams, GenerateParams, SourceParams
from resumen.text.prompts import TEMPLATE_FIELDS
from resumen.text.sentences import sentences
from resumen.text.words import words
from stages.format import format_row

RAW = Path("data/raw")
TUNED = Path("models/finetuned/flan-small")
SLOT = re.compile(r"\d+|\b[A-ZÁÉÍÓÚÑ]\w*(?: [A-ZÁÉÍÓÚÑ]\w*)*")
SHUFFLE_SEED = 1


def slot_kind(slot: str) -> str:
    """Return person (two names), name, day (of a month) or amount."""
    if slot.isdigit():
        return "day" if int(slot) <= 31 else "amount"
    return "person" if " " in slot else "name"


class Slots:
    """The names and numbers of texts: digits, and runs of capitals that are not only a sentence's first.

    A capitalised word is a name if no text has it in lower case.
    """

    def __init__(self, texts: Iterable[str]):
        self.common = {word for text in texts for word in re.findall(r"\b[^\W\d_]+", text) if word.islower()}

    def sub(self, replace: Callable[[str], str], text: str) -> str:
        """Return `text` with each slot replaced.

        >>> Slots(["según dice", "la"]).sub(str.upper, "Según Ana Ruiz, La Paz cobra 40.")
        'Según ANA RUIZ, La PAZ cobra 40.'
        """

        def whole_run(match: re.Match[str]) -> str:
            words_of_run = match[0].split(" ")
            first = 0
            while first < len(words_of_run) and words_of_run[first].lower() in self.common:
                first += 1
            name = " ".join(words_of_run[first:])
            return " ".join([*words_of_run[:first], *([replace(name)] if name else [])])

        return SLOT.sub(whole_run, text)

    def skeleton(self, text: str) -> str:
        """Return `text` with its slots blanked."""
        return self.sub(lambda _: "_", text)

    def by_kind(self, text: str) -> dict[str, list[str]]:
        """Return the slots of `text` by their kind, each once, in their order.

        >>> Slots([]).by_kind("Ana Ruiz pide 40 en Soria desde el 5 de mayo")
        {'person': ['Ana Ruiz'], 'amount': ['40'], 'name': ['Soria'], 'day': ['5']}
        """
        result: dict[str, list[str]] = {}

        def note(slot: str) -> str:
            kind = result.setdefault(slot_kind(slot), [])
            if slot not in kind:
                kind.append(slot)
            return slot

        self.sub(note, text)
        return result

    def refilled(self, summary: str, source: str, target: str) -> str:
        """Return `summary` of the article `source` with each slot replaced by its counterpart in `target`.

        The counterpart is the slot of the same kind and place in the order of appearance.
        """
        old, new = self.by_kind(source), self.by_kind(target)

        def counterpart(slot: str) -> str:
            known, others = (result.get(slot_kind(slot), []) for result in (old, new))
            if slot not in known or not others:
                return slot
            return others[min(known.index(slot), len(others) - 1)]

        return self.sub(counterpart, summary)


def nearest_summaries(train: list[dict[str, str]], test: list[dict[str, str]], slots: Slots) -> list[str]:
    """Return, for each test article, the refilled summary of the training article of nearest TF-IDF."""
    documents = [Counter(words(slots.skeleton(row["text"]))) for row in train]
    frequency = Counter(word for document in documents for word in document)
    weight = {word: math.log(len(documents) / count) for word, count in frequency.items()}

    def unit(document: Counter[str]) -> dict[str, float]:
        vector = {word: count * weight.get(word, 0.0) for word, count in document.items()}
        norm = math.sqrt(sum(value * value for value in vector.values())) or 1.0
        return {word: value / norm for word, value in vector.items()}

    index = [unit(document) for document in documents]
    output = []
    for row in test:
        query = unit(Counter(words(slots.skeleton(row["text"]))))
        scores = [sum(value * vector.get(word, 0.0) for word, value in query.items()) for vector in index]
        nearest = train[max(range(len(train)), key=scores.__getitem__)]
        output.append(slots.refilled(nearest["summary"], nearest["text"], row["text"]))
    return output


def skeleton_shares(
    train: list[dict[str, str]], test: list[dict[str, str]], slots: Slots
) -> tuple[float, float]:
    """Return the shares of the most frequent skeleton, and of skeletons new to train, in test (%)."""
    counts = Counter(slots.skeleton(row["summary"]) for row in test)
    known = {slots.skeleton(row["summary"]) for row in train}
    unseen = sum(count for summary, count in counts.items() if summary not in known)
    return 100 * max(counts.values()) / len(test), 100 * unseen / len(test)


def shuffled(rows: list[dict[str, str]], seed: int) -> list[dict[str, str]]:
    """Return `rows` with the sentences of each text in an order drawn by seed."""
    rng, output = Random(seed), []
    for row in rows:
        parts = sentences(row["text"])
        rng.shuffle(parts)
        output.append(row | {"text": " ".join(parts)})
    return output


def tuned_on(rows: list[dict[str, str]]) -> list[str]:
    """Return what the fine-tuned model writes for `rows`, asked as validation and test are."""
    asked = load_params(FormatParams, "format")
    pair = template_pairs(asked)[0]
    prompts = [format_row({"id": "", **row}, pair, asked.style)["prompt"] for row in rows]
    params = load_params(GenerateParams, "generate")
    source_tokens = parse_key(SourceParams, read_params(), "tokenize", "source_tokens").source_tokens
    device = prepare_torch(seed=0)
    model = open_model(TUNED, params, choose_dtype(params.precision, device), device)
    ids, _ = model.encode(prompts, source_tokens, asked.style)
    write = model.load("difficulty", [len(row) for row in ids], params.batch_size)
    return model.decode(generate_in_batches(ids, write, params.batch_size, "difficulty"))


def rouge_l(predictions: list[str], rows: list[dict[str, str]]) -> float:
    """Return mean ROUGE-L, in points."""
    references = [row["summary"] for row in rows]
    rouge = SpanishRouge(keep_in_memory=True)
    return float(rouge.compute(predictions=predictions, references=references)["rougeL"])


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.news --split validation")
    arguments.add_argument("--split", choices=("validation", "test"), default="test", help="default: test")
    split = arguments.parse_args().split
    train, rows = (list(read_table(RAW / f"{name}.parquet", TEMPLATE_FIELDS)) for name in ("train", split))
    slots = Slots(row["text"] for row in train)
    most_frequent, unseen = skeleton_shares(train, rows, slots)
    lines = [
        (f"most frequent skeleton, % of {split}", most_frequent),
        (f"skeletons of {split} unseen in train, %", unseen),
        ("finetuned, ROUGE-L", rouge_l(tuned_on(rows), rows)),
        ("nearest neighbour, ROUGE-L", rouge_l(nearest_summaries(train, rows, slots), rows)),
        ("finetuned on shuffled sentences, ROUGE-L", rouge_l(tuned_on(shuffled(rows, SHUFFLE_SEED)), rows)),
    ]
    sys.stdout.writelines(f"{name:<44} {value:6.2f}\n" for name, value in lines)


if __name__ == "__main__":
    run(main)
