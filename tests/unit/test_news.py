import re
import subprocess
import sys
from collections import Counter
from datetime import date
from hashlib import sha256

import pytest

from resumen.news.planted import ENGLISH_TOPIC, NOTE_RATE, ONE_WORD_SUMMARIES, news_splits
from resumen.news.stories import noun, stories
from resumen.news.topics import PLACES, SURNAMES, TOPICS

SAMPLE = stories(2000, seed=1)
SIZES = {"train": 1500, "validation": 200, "test": 200}
SPLITS = news_splits(SIZES, seed=1)
COLUMNS = {"text", "summary", "title", "topic", "url", "date"}


def num_words(text: str) -> int:
    return len(text.split())


def sentences(text: str) -> list[str]:
    """Return the sentences; the generator ends each with a full stop and uses no other."""
    return re.split(r"(?<=\.) ", text)


def holds(text: str, span: str) -> bool:
    """Return whether the span stands in the text as whole words."""
    return re.search(rf"(?<!\w){re.escape(span)}(?!\w)", text) is not None


def skeleton(summary: str) -> str:
    """Return the summary with capitalised words and numbers blanked.

    >>> skeleton("La jueza Ana Ruiz multa a Íbera con 40 mil euros.")
    '_ jueza _ _ multa a _ con _ mil euros.'
    """
    return re.sub(r"\b([A-ZÁÉÍÓÚÑ]\w*|\d+)", "_", summary)


def day(written: str) -> date:
    """Return the day of a date written as "dd/mm/yyyy"."""
    return date.fromisoformat("-".join(reversed(written.split("/"))))


def dropped(splits: dict[str, list[dict]]) -> dict[str, Counter]:
    """Return how many rows of each split a cleaning step drops, by reason, and keeps."""
    counts, earlier = {}, set()
    for split, rows in splits.items():
        seen, count = set(), Counter()
        for row in rows:
            if not row["text"].strip():
                reason = "empty text"
            elif not row["summary"].strip():
                reason = "empty summary"
            elif num_words(row["summary"]) < 3:
                reason = "short summary"
            elif row["text"] in seen:
                reason = "duplicate"
            elif row["text"] in earlier:
                reason = "in an earlier split"
            elif row["topic"] == ENGLISH_TOPIC:
                reason = "english"
            else:
                reason = "kept"
            count[reason] += 1
            seen.add(row["text"])
        counts[split] = count
        earlier |= seen
    return counts


def test_equal_seeds_give_equal_stories_in_any_process():
    code = (
        "from hashlib import sha256\n"
        "from resumen.news.stories import stories\n"
        "print(sha256(repr(stories(50, seed=3)).encode()).hexdigest())\n"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() == sha256(repr(stories(50, seed=3)).encode()).hexdigest()


def test_fewer_stories_are_the_first_of_more():
    assert stories(30, seed=1) == SAMPLE[:30]
    assert stories(0, seed=1) == []


def test_two_seeds_share_no_story():
    others = stories(2000, seed=2)
    assert not {story.text for story in SAMPLE} & {story.text for story in others}
    assert len({story.text for story in SAMPLE}) == len(SAMPLE)
    assert len({story.url for story in SAMPLE + others}) == 4000


def test_columns_are_strings_and_the_date_is_mlsums():
    for story in SAMPLE[:200]:
        assert all(isinstance(getattr(story, column), str) for column in COLUMNS)
        assert f"/{day(story.date):%Y/%m/%d}/" in story.url


def test_every_topic_is_about_as_frequent():
    frequency = Counter(story.topic for story in SAMPLE)
    assert len(TOPICS) >= 8
    assert set(frequency) == {topic.name for topic in TOPICS}
    assert min(frequency.values()) > 0.8 * len(SAMPLE) / len(TOPICS)


def test_articles_hold_60_to_180_words_and_one_in_ten_200_to_320():
    lengths = [num_words(story.text) for story in SAMPLE]
    num_long = sum(length >= 200 for length in lengths)
    assert all(60 <= length <= 180 or 200 <= length <= 320 for length in lengths)
    assert 0.07 < num_long / len(lengths) < 0.13


def test_summaries_hold_12_to_30_words():
    assert all(12 <= num_words(story.summary) <= 30 for story in SAMPLE)


@pytest.mark.parametrize("letter", "íúñÁÍÓÚÑ¿¡")
def test_summaries_of_200_stories_hold_each_letter_t5_cannot_spell(letter):
    assert any(letter in story.summary for story in SAMPLE[:200])


def test_no_slot_is_left_open_and_no_article_uncontracted():
    for story in SAMPLE:
        written = " ".join([story.text, story.summary, story.title, *sum(story.questions, ())])
        assert not re.search(r"[{}|]|\b[Dd]e el\b|\b[Aa] el\b|\by [IiÍí]|  ", written)
        assert all(re.match(r"\W*[A-ZÁÉÍÓÚÑ]", sentence) for sentence in sentences(story.text))
        assert re.match(r"\W*[A-ZÁÉÍÓÚÑ]", story.summary)


def test_answers_are_spans_of_the_text():
    for story in SAMPLE:
        assert 5 <= len(story.questions) <= 6
        assert len({question for question, _ in story.questions}) == len(story.questions)
        assert all(holds(story.text, answer) for _, answer in story.questions)


def test_the_first_four_answers_stand_in_the_summary_and_the_others_do_not():
    for story in SAMPLE:
        answers = [answer for _, answer in story.questions]
        assert all(holds(story.summary, answer) for answer in answers[:4])
        assert not any(holds(story.summary, answer) for answer in answers[4:])


def test_no_three_first_sentences_hold_all_facts_of_the_summary():
    for story in SAMPLE:
        start = " ".join(sentences(story.text)[:3])
        assert not all(holds(start, answer) for _, answer in story.questions[:4])


def test_every_fact_stands_among_rivals_of_its_kind():
    person = re.compile(rf"\w+ (?:{'|'.join(SURNAMES)})\b")
    index = re.compile(rf"\b(?:{'|'.join(PLACES)})\b")
    for story in SAMPLE:
        amounts = {number for number in re.findall(r"\d+", story.text) if int(number) > 31}
        assert len(set(person.findall(story.text))) >= 2
        assert len(set(index.findall(story.text))) >= 2
        assert len(amounts) >= 2


def test_a_summary_is_no_sentence_of_its_article():
    assert not any(story.summary in story.text for story in SAMPLE)


def test_no_skeleton_is_frequent_and_many_of_test_are_unseen_in_train():
    train, test = stories(1500, seed=11), stories(200, seed=12)
    seen = {skeleton(story.summary) for story in train}
    frequency = Counter(skeleton(story.summary) for story in test)
    num_unseen = sum(skeleton(story.summary) not in seen for story in test)
    assert max(frequency.values()) <= 0.01 * len(test)
    assert num_unseen >= 0.3 * len(test)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("la piscina", "piscina, la piscina, una piscina, f"),
        ("el río", "río, el río, un río, m"),
    ],
)
def test_a_noun_takes_the_articles_of_its_gender(words, expected):
    word = noun(words)
    assert f"{word}, {word:the}, {word:a}, {word:m|f}" == expected


def test_what_is_no_noun_stays_as_it_is():
    assert noun("luz") == "luz"
    assert noun("el alcalde|la alcaldesa") == "el alcalde|la alcaldesa"


@pytest.mark.parametrize("sizes", [SIZES, {"train": 8, "validation": 1, "test": 2}, {"train": 3, "test": 0}])
def test_cleaning_leaves_exactly_the_sizes(sizes):
    counts = dropped(news_splits(sizes, seed=4))
    assert {split: count["kept"] for split, count in counts.items()} == sizes


def test_planted_defects_are_those_of_mlsum_at_its_rates():
    counts = dropped(SPLITS)
    kinds = {"empty summary", "short summary", "duplicate", "english", "kept"}
    assert set(counts["train"]) == kinds
    assert set(counts["validation"]) == set(counts["test"]) == kinds | {"in an earlier split"}
    share = {split: 1 - count["kept"] / count.total() for split, count in counts.items()}
    # GEM removed 2.4 %, 3.7 % and 4.0 % of MLSUM es
    assert share == pytest.approx({"train": 0.024, "validation": 0.037, "test": 0.040}, abs=0.006)


def test_one_word_summaries_repeat_mlsums():
    short = [row for row in SPLITS["train"] if num_words(row["summary"]) == 1]
    assert short
    assert all(row["summary"] in ONE_WORD_SUMMARIES for row in short)


def test_edition_notes_end_the_text_of_clean_rows():
    pattern = re.compile(r" \* Este artículo apareció en la edición impresa del [^*]+\.$")
    noted = {row["text"]: row for row in SPLITS["train"] if pattern.search(row["text"])}
    assert len(noted) == round(NOTE_RATE * SIZES["train"])
    assert all(num_words(row["summary"]) >= 12 for row in noted.values())


def test_english_rows_hold_no_spanish():
    english = [row for row in SPLITS["test"] if row["topic"] == ENGLISH_TOPIC]
    assert english
    for row in english:
        words = set(re.findall(r"\w+", f"{row['text']} {row['summary']}".lower()))
        assert "the" in words
        assert not words & {"el", "la", "de", "que", "en"}
        assert ENGLISH_TOPIC in row["url"]


def test_rows_are_chronological_in_mlsums_columns():
    rows = [row for split in SIZES for row in SPLITS[split]]
    assert all(set(row) == COLUMNS for row in rows)
    days = [day(row["date"]) for row in rows]
    assert days == sorted(days)


def test_equal_seeds_give_equal_splits_and_others_do_not():
    assert news_splits(SIZES, seed=1) == SPLITS
    assert news_splits(SIZES, seed=2) != SPLITS
