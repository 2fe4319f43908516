"""Fetch: bring the news from its source into one shape, and count every row that cannot be used.

Reads   the embedded news, a corpus on the hub, or the user's files
Writes  data/raw/{train,validation,test}.parquet   id, text, summary, title, topic, url, date, references
                                                   (the further summaries of an article), and messages if
                                                   the user's files have conversations
        metrics/data.json                          the audit: rows kept, dropped and left in by reason,
                                                   examples, lengths; the source, its commit and licence
Params  data

    python -m stages.fetch
    python -m stages.fetch --pin
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from ruamel.yaml import YAML

from resumen.runtime.cli import parser, run
from resumen.runtime.errors import InputError
from resumen.runtime.files import atomic_write, write_text
from resumen.runtime.jsonfiles import write_json
from resumen.runtime.paths import DATA_METRICS, PARAMS, RAW_DIR
from resumen.runtime.progress import track
from resumen.schema.data import UNUSABLE, DataParams, HubParams, data_params
from resumen.schema.params import checked_params, profile_of
from resumen.schema.rows import CONVERSATIONS, RAW, SPLITS, write_table
from resumen.sources.audit import (
    Audit,
    DuplicateIndex,
    Fingerprint,
    RowRef,
    RowWords,
    audit_signature,
    own_defects,
    without_edition_note,
)
from resumen.sources.registry import source_of
from resumen.sources.rows import FAULT, RawRow, normalized_row

log = logging.getLogger("fetch")

NUM_FAULTS = 5  # that are told, of a split


def in_words(counts: Counter[str]) -> str:
    """Return the counts by reason, the most frequent first.

    >>> in_words(Counter({"empty text": 1, "other language": 5}))
    '5 other language, 1 empty text'
    """
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "none"


def pairs_of(rows: Iterable[RawRow]) -> Iterator[RawRow]:
    """Yield each article once for each of its summaries; `of` is its id, which the first of them keeps."""
    for row in rows:
        article, others = row | {"of": row["id"]}, row.get("references") or []
        if others:
            article["references"] = None
        yield dict(article)  # `clean` takes `of` out
        for number, summary in enumerate(others, start=2):
            yield article | {"id": f"{row['id']}#{number}", "summary": summary}


def kept_pairs(
    rows: Iterable[RawRow], audit: Audit, seen: DuplicateIndex, params: DataParams
) -> Iterator[tuple[RawRow, RowWords]]:
    """Yield the pairs of `rows` that are not to be dropped, with their words; count what is wrong."""
    for given in pairs_of(rows):
        row, trimmed = normalized_row(given)
        if params.trim_edition_note and (text := without_edition_note(row["text"])) != row["text"]:
            row, trimmed = row | {"text": text}, ["edition note", *trimmed]
        if row.get(FAULT):
            audit.faults.append(row[FAULT])
        read = RowWords.of(row)
        defects = dict.fromkeys(own_defects(row, read, params))
        if not defects.keys() & set(UNUSABLE):
            fingerprint = Fingerprint.of(read, params.min_near_duplicate_words)
            is_further, repeated = row["id"] != row["of"], seen.repeated(fingerprint, audit.split)
            defects |= {
                name: first for name, first in repeated.items() if not (is_further and first.id == row["of"])
            }
        reason = next((name for name in defects if params.drops(name)), None)
        audit.count(row["id"], defects, reason)
        if reason is None:
            audit.trimmed.update(trimmed if row["id"] == row["of"] else [])
            seen.keep(fingerprint, RowRef(audit.split, row["of"]))
            yield row, read


def clean(rows: Iterable[RawRow], audit: Audit, seen: DuplicateIndex, params: DataParams) -> Iterator[RawRow]:
    """Yield the rows of a split that are not to be dropped, in their order; count in `audit` what is wrong.

    Each summary of an article is judged by itself. Those that stay are a row each in train, and elsewhere the
    references of one. `seen` goes from split to split: a later one loses what an earlier one has, so that no
    test article was trained on.
    """
    by_article = groupby(kept_pairs(rows, audit, seen, params), key=lambda pair: pair[0].pop("of"))
    for article, pairs in by_article:
        (first, read), *others = pairs
        audit.several_references += bool(others)
        if audit.split != "train" and others:
            first["references"] = [row["summary"] for row, _ in others]
        audit.measure(read)
        yield first | {"id": article}
        if audit.split == "train":
            for row, words_read in others:
                audit.measure(words_read)
                yield row


def first_faults(audit: Audit) -> list[str]:
    """Return what is wrong with the first rows of a split that cannot be read, and how many more are."""
    shown, more = audit.faults[:NUM_FAULTS], len(audit.faults) - NUM_FAULTS
    return [*shown, f"{audit.split}: {more} more rows like these"] if more > 0 else shown


def set_text(path: Path, key: str, value: str) -> None:
    """Write `value` over the text that stands at `key` ("a.b.c") of a YAML file; every other byte stays."""
    content = path.read_bytes().decode("utf-8")  # line ends as they are
    *sections, last = key.split(".")
    section = YAML().load(content)
    for name in sections:
        section = section[name]
    line, column = section.lc.value(last)
    lines = re.split(r"(?<=\n)", content)
    old = re.match(r"\"[^\"]*\"|'[^']*'|[^\s,}]+", lines[line][column:])  # as it stands there
    assert old is not None  # a text begins where YAML says
    lines[line] = f'{lines[line][:column]}"{value}"{lines[line][column + len(old[0]) :]}'
    write_text(path, "".join(lines))


def pin() -> str:
    """Write the commit that the profile's dataset is at now into params.yaml, and return what was done.

    Raises:
        InputError: the profile takes no rows from the hub, or the hub cannot be reached.
    """
    from resumen.runtime.hub import resolve_commit  # the hub's client, for this alone

    all_params = checked_params()
    params, profile = data_params(all_params), profile_of(all_params)
    if not isinstance(params, HubParams):
        raise InputError(
            f"params.yaml: profile: {profile} takes no rows from the hub, so there is nothing to pin; set "
            "profile: course, mlsum or hub there first"
        )
    key = f"profiles.{profile}.data.revision"
    commit = resolve_commit(params.repo, params.revision, "dataset")
    if commit == params.revision:
        return f"params.yaml: {key} is a commit already: {commit}"
    set_text(PARAMS, key, commit)
    return f"params.yaml: {key} is now {commit} (it was {params.revision})"


def main() -> None:
    arguments = parser(__doc__, "python -m stages.fetch --pin")
    arguments.add_argument(
        "--pin",
        action="store_true",
        help="fetch nothing; write the commit that the profile's dataset is at now into params.yaml",
    )
    if arguments.parse_args().pin:
        log.info("%s", pin())
        return
    params = data_params(checked_params())
    source = source_of(params)
    origin = {"source": params.source, **source.origin(params)}
    splits = source.splits(params, origin)

    seen, audits = DuplicateIndex(params.near_duplicate_similarity), []
    schema = CONVERSATIONS if params.has_messages else RAW
    with atomic_write(RAW_DIR) as partial:
        for split in SPLITS:
            audit = Audit(split)
            rows = track(clean(splits[split], audit, seen, params), f"fetch {split}")
            kept = write_table(partial / f"{split}.parquet", rows, schema)
            if not kept:
                others = audit.dropped["other language"]
                wrong = (
                    f" (data.language is {params.language}; set it to theirs, or to any)" if others else ""
                )
                raise InputError(
                    f"data: expected at least one usable row in {split}, got none; dropped: "
                    f"{in_words(audit.dropped)}{wrong}; look at the rows, at data.{split} or at data.drop",
                    *first_faults(audit),
                )
            for fault in first_faults(audit):
                log.warning("%s", fault)
            audits.append(audit.report())
            counts = in_words(audit.dropped), in_words(audit.left), in_words(+audit.trimmed)
            log.info("%-10s kept %6d; dropped %s; left in %s; trimmed %s", split, kept, *counts)
            if audit.several_references:
                log.info("%-10s articles with several summaries: %d", split, audit.several_references)
    # lists stay out of `dvc metrics show`
    audit_of = {"provenance": [origin], "signature": audit_signature(), "splits": audits}
    write_json(DATA_METRICS, audit_of)
    log.info("wrote %s: %d rows from %s", RAW_DIR, sum(row["kept"] for row in audits), origin["source"])


if __name__ == "__main__":
    run(main)
