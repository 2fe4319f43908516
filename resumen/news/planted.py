"""The splits of made-up news, with MLSUM's defects planted among their rows."""

import random
from datetime import date
from itertools import islice

from resumen.news.stories import draw_slots, row_of, stories
from resumen.news.topics import ECONOMY, MONTHS, WEEKDAYS

# Texts and their summaries, for the English rows.
ENGLISH = {
    "The mayor of {place}, {who}, said on Monday that the new museum will open in the summer. "
    "The work has cost {n} million euros, and the city had asked for {n_before}. "
    "The neighbours, who have waited for years, think that it is good news for the town.": (
        "The city will open the new museum in the summer, {who} has said."
    ),
    "A group led by {who} has found that the birds of {place} are leaving the country "
    "earlier than before. The team followed {n} of them for a year, and it will publish "
    "the results of the study in the spring.": (
        "A study shows that the birds of {place} are leaving earlier than before."
    ),
    "The firm {brand} will close its plant in {place}, with the loss of {n} jobs. "
    "The head of the company, {who}, told the unions that there was no other way, "
    "but they say that they will take the case to the courts.": (
        "The firm {brand} is to close a plant in {place} with the loss of {n} jobs."
    ),
}
ENGLISH_TITLE = "News from {place}"
ENGLISH_TOPIC = "inenglish"
EDITION_NOTE = " * Este artículo apareció en la edición impresa del {weekday}, {day} de {month} de {year}."
ONE_WORD_SUMMARIES = ("Agenda", "Cartelera", "Televisión")

# Defects planted for each clean row of a split, at least one of each kind. The English rate of
# test is MLSUM es's own (13 of 500 rows); with the others the splits lose about what GEM's
# cleaning removed from MLSUM es: 2.4 % of train, 3.7 % of validation, 4.0 % of test. How the
# rest divides among the kinds, and the rate of edition notes, is our choice.
ENGLISH_RATES = {"train": 0.014, "validation": 0.0225, "test": 0.026}
EMPTY_RATE = ONE_WORD_RATE = 0.003
DUPLICATE_RATE = SHARED_RATE = 0.004
NOTE_RATE = 0.02  # the rows with a note stay clean


def row_day(row: dict[str, str]) -> date:
    """Return the day of a row."""
    day, month, year = map(int, row["date"].split("/"))
    return date(year, month, day)


def with_note(row: dict[str, str]) -> dict[str, str]:
    """Return the row with MLSUM's note on the printed edition at the end of its text."""
    day = row_day(row)
    weekday, month = WEEKDAYS[day.weekday()], MONTHS[day.month - 1]
    note = EDITION_NOTE.format(weekday=weekday, day=day.day, month=month, year=day.year)
    return row | {"text": row["text"] + note}


def in_english(row: dict[str, str], rng: random.Random) -> dict[str, str]:
    """Return an English row in the place and with the date of a Spanish one."""
    slots = draw_slots(ECONOMY, row_day(row), rng)
    text, summary = (template.format_map(slots) for template in rng.choice(list(ENGLISH.items())))
    return row | {
        "text": text,
        "summary": summary,
        "title": ENGLISH_TITLE.format_map(slots),
        "topic": ENGLISH_TOPIC,
        "url": row["url"].replace(row["topic"], ENGLISH_TOPIC),
    }


def num_planted(rate: float, num_rows: int) -> int:
    """Return how many rows a defect gets: at least one, but in an empty split."""
    return max(1, round(rate * num_rows)) if num_rows else 0


def news_splits(sizes: dict[str, int], seed: int) -> dict[str, list[dict[str, str]]]:
    """Return rows of MLSUM's columns for each split: as many clean ones as asked, and defects.

    The rows are chronological inside a split and from split to split; one shared with an earlier
    split comes again with a date of the later one. Dropping the English rows, those with less
    than three words of summary, and those whose text stands earlier in the split or in an
    earlier split leaves exactly the sizes asked for.
    """
    rng = random.Random(f"defects {seed}")
    num_empty = {split: num_planted(EMPTY_RATE, size) for split, size in sizes.items()}
    num_one_word = {split: num_planted(ONE_WORD_RATE, size) for split, size in sizes.items()}
    num_english = {split: num_planted(ENGLISH_RATES[split], size) for split, size in sizes.items()}
    num_drawn = {
        split: size + num_empty[split] + num_one_word[split] + num_english[split]
        for split, size in sizes.items()
    }
    drawn = [row_of(story) for story in stories(sum(num_drawn.values()), seed)]
    in_time = iter(sorted(drawn, key=row_day))

    splits: dict[str, list[dict[str, str]]] = {}
    earlier: list[dict[str, str]] = []
    for split, size in sizes.items():
        rows = iter(rng.sample(list(islice(in_time, num_drawn[split])), num_drawn[split]))
        clean = list(islice(rows, size))
        num_notes = num_planted(NOTE_RATE, size)
        clean[:num_notes] = map(with_note, clean[:num_notes])

        broken = [row | {"summary": ""} for row in islice(rows, num_empty[split])]
        for row in islice(rows, num_one_word[split]):
            broken.append(row | {"summary": rng.choice(ONE_WORD_SUMMARIES)})
        broken += [in_english(row, rng) for row in rows]
        broken += rng.sample(clean, num_planted(DUPLICATE_RATE, size))
        num_shared = min(num_planted(SHARED_RATE, size), len(earlier))
        for row in rng.sample(earlier, num_shared):
            broken.append(row | {"date": rng.choice(clean)["date"]})

        splits[split] = sorted(clean + broken, key=row_day)
        earlier += clean
    return splits
