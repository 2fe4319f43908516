"""Fetch: bring the news from its source into one shape, and count every row that cannot be used.

Reads   the embedded news, MLSUM on the hub, or the user's files
Writes  data/raw/{train,validation,test}.parquet   id, text, summary, title, topic, url, date, and
                                                   messages if the user's files have conversations
        metrics/data.json                          rows kept, dropped by reason and trimmed; the source,
                                                   its commit and licence
Params  data

    python -m stages.fetch
    python -m stages.fetch --pin
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, NonNegativeInt, PositiveInt, field_validator, model_validator
from ruamel.yaml import YAML

from stages.shared.cli import InputError, parser, run
from stages.shared.files import CONVERSATIONS, RAW, SPLITS, whole, write_json, write_table, write_text
from stages.shared.hub import card_licence, fetch_files, listing, resolve_commit
from stages.shared.mlsum import MLSUM_LICENCE, MLSUM_ROWS, check_footers, data_files, is_mlsum, read_rows
from stages.shared.news import news_splits
from stages.shared.params import (
    PARAMS,
    Block,
    nearest,
    parse_section,
    profile_of,
    read_params,
    section_of,
)
from stages.shared.progress import track
from stages.shared.userfiles import read_user_rows, split_files
from stages.shared.words import words

log = logging.getLogger("fetch")

RAW_DIR = Path("data/raw")
AUDIT = Path("metrics/data.json")

Row = dict[str, Any]  # texts under the names of RAW; with `messages`, a list of turns too


def check_size(value: Any) -> Any:
    """Return a split's size if it is rows (an int ≥ 1), a share (a float in (0, 1)) or "all"."""
    whole_rows = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    share = isinstance(value, float) and 0 < value < 1
    if whole_rows or share or value == "all" or value is None:
        return value
    raise ValueError("expected a number of rows ≥ 1, a share between 0 and 1, or all")


Size = Annotated[int | float | Literal["all"], BeforeValidator(check_size)]


class DataParams(Block):
    """What every source has."""

    source: str
    train: Size
    validation: Size
    test: Size
    seed: NonNegativeInt  # of the embedded news, and of the split of a single file
    min_summary_words: PositiveInt  # runs of letters and digits; shorter references are dropped


class EmbeddedParams(DataParams):
    """The news that stages/shared/news.py makes up."""

    source: Literal["embedded"]
    train: PositiveInt  # rows
    validation: PositiveInt
    test: PositiveInt


class HubParams(DataParams):
    """A dataset repository on the hub, in MLSUM's columns, as Parquet."""

    source: Literal["hub"]
    repo: str  # owner/name
    revision: str  # a commit, a tag or a branch; a branch is resolved and recorded
    data_dir: str | None = None  # the folder of one language: de, es, fr, ru, tu
    config: str | None = None  # or its name, where the repository's card has names
    train: PositiveInt | Literal["all"]  # the first rows
    validation: PositiveInt | Literal["all"]
    test: PositiveInt | Literal["all"]

    @model_validator(mode="after")
    def names_one_language(self) -> "HubParams":
        if (self.data_dir is None) == (self.config is None):
            raise ValueError("expected data_dir or config, one of the two, to name the language")
        return self


class FilesParams(DataParams):
    """The user's own file, or a folder with a file for each split."""

    source: Literal["files"]
    path: str
    separator: str  # between the columns of a CSV
    columns: dict[str, str]  # our name: the file's; text and summary, or messages, which hold both

    @field_validator("columns")
    @classmethod
    def names_our_columns(cls, columns: dict[str, str]) -> dict[str, str]:
        for name in columns:
            if name not in CONVERSATIONS.names:
                raise ValueError(f"unknown column {name!r}{nearest(name, CONVERSATIONS.names)}")
        if "messages" in columns:
            if twice := [name for name in ("text", "summary") if name in columns]:
                raise ValueError(f"messages hold text and summary; take {' and '.join(twice)} out")
            return columns
        if missing := {"text", "summary"} - columns.keys():
            raise ValueError(f"lacks {sorted(missing)}; name the file's column for each")
        return columns

    @field_validator("separator")
    @classmethod
    def is_one_character(cls, separator: str) -> str:
        if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
            raise ValueError('expected one ASCII character, such as "," or ";" or "\\t"')
        return separator


SOURCES: dict[str, type[DataParams]] = {
    "embedded": EmbeddedParams,
    "hub": HubParams,
    "files": FilesParams,
}


# Of the profile alone.
PLACES = {"source", "repo", "revision", "data_dir", "config", "path", "separator", "columns"}


def data_params(params: dict[str, Any]) -> DataParams:
    """Return the checked `data` section of params.yaml for the source that its profile names."""
    section = section_of(params, "data")
    if isinstance(params["data"], dict):
        for key in sorted(params["data"].keys() & PLACES):
            raise InputError(
                f"params.yaml: data.{key}: belongs to the profile, got {params['data'][key]!r} here; set "
                f"profiles.{profile_of(params)}.data.{key}, which DVC watches"
            )
    source = section.get("source") if isinstance(section, dict) else None
    if not isinstance(source, str) or source not in SOURCES:
        where = f"profiles.{profile_of(params)}.data.source"
        known = nearest(str(source), list(SOURCES))
        raise InputError(f"params.yaml: {where}: unknown value {source!r}{known}")
    return parse_section(SOURCES[source], params, "data")


# No word of them is frequent in another language of MLSUM: German has "in", "was" and "her".
ENGLISH = frozenset("the of and to is that for with his by it from has have been".split())
SPANISH = frozenset("el la los las de del y que en un una por con su se es al para".split())


def is_english(text: str) -> bool:
    """Return whether more of the words are English function words than Spanish ones.

    MLSUM es holds rows of El País in English, 13 of 500 test rows.
    """
    found = words(text)
    return sum(word in ENGLISH for word in found) > sum(word in SPANISH for word in found)


def drop_reason(row: Row, min_summary_words: int) -> str | None:
    """Return why `row` can be neither trained nor scored on, or None to keep it."""
    if not words(row["text"]):
        return "empty text"
    num_words = len(words(row["summary"]))
    if num_words < min_summary_words:
        return "short summary" if num_words else "empty summary"
    if is_english(row["text"]):
        return "English text"
    return None


# MLSUM es: "* Este artículo apareció en la edición impresa del Martes, 1 de junio de 2010"
EDITION_NOTE = re.compile(r"\s*\*?\s*Este artículo apareció en la edición impresa\b[^.\n]*\.?\s*$")


def without_edition_note(text: str) -> str:
    """Return `text` without the note on the printed edition, which says nothing of the news.

    >>> without_edition_note("Llueve. * Este artículo apareció en la edición impresa del lunes.")
    'Llueve.'
    """
    return EDITION_NOTE.sub("", text)


def in_words(counts: Counter) -> str:
    """Return the counts by reason, the most frequent first.

    >>> in_words(Counter({"empty text": 1, "English text": 5}))
    '5 English text, 1 empty text'
    """
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "none"


def clean(
    rows: Iterable[Row],
    split: str,
    seen: dict[bytes, str],
    params: DataParams,
    dropped: Counter,
    trimmed: Counter,
) -> Iterator[Row]:
    """Yield the usable rows of a split in their order; count the others in `dropped`, by reason.

    What is cut off a row that stays is counted in `trimmed`. `seen` holds, across calls, the digest of
    each text and the split that it came in: a later split
    loses what an earlier one has, so that no test article was trained on.
    """
    for given in rows:
        row = given | {"text": without_edition_note(given["text"])}
        reason = drop_reason(row, params.min_summary_words)
        if reason is None:
            digest = blake2b(row["text"].strip().encode(), digest_size=16).digest()
            if digest in seen:
                first = seen[digest]
                reason = "duplicate text" if first == split else f"text also in {first}"
            seen.setdefault(digest, split)
        if reason is None:
            trimmed["edition note"] += row["text"] != given["text"]
            yield row
        else:
            dropped[reason] += 1


def shuffled_shares(rows: list[Row], params: FilesParams) -> dict[str, list[Row]]:
    """Deal the rows of one file to the splits, drawn by `seed`; each keeps the file's order.

    Shares are rounded where they end, not each by itself, so that 0.8, 0.1 and 0.1 are all the rows.

    Raises:
        InputError: the splits ask for more rows than there are, or leave one empty.
    """
    if not rows:
        raise InputError(f"{params.path}: expected rows below the header, got none")
    order = list(range(len(rows)))
    Random(params.seed).shuffle(order)
    dealt, start, shares = {}, 0, 0.0
    for split in reversed(SPLITS):  # the small ones first; `train: all` takes what remains
        size = getattr(params, split)
        count = len(rows) - start if size == "all" else size
        if isinstance(size, float):
            count = round((shares + size) * len(rows)) - round(shares * len(rows))
            shares += size
        if count < 1 or start + count > len(rows):
            raise InputError(
                f"params.yaml: data.{split}: {size} of {len(rows)} rows is {count}, and "
                f"{len(rows) - start} are left; expected at least 1 and no more than are left"
            )
        dealt[split] = [rows[place] for place in sorted(order[start : start + count])]
        start += count
    return {split: dealt[split] for split in SPLITS}


def embedded_splits(params: EmbeddedParams) -> dict[str, Iterable[Row]]:
    """Return the embedded news of each split, MLSUM's defects planted among them."""
    sizes = {split: getattr(params, split) for split in SPLITS}
    made = news_splits(sizes, params.seed)
    return {split: numbered(rows, split) for split, rows in made.items()}


def hub_splits(params: HubParams, commit: str) -> dict[str, Iterable[Row]]:
    """Return the rows of each split at `commit`, in the repository's order.

    Where all rows are wanted, the files are fetched whole and verified; where the first few are, they
    are streamed by ranges: no more is fetched than the row groups that hold them.
    """
    files = data_files(params.repo, commit, params.data_dir, params.config)
    documented = MLSUM_ROWS.get(params.data_dir or params.config, {}) if is_mlsum(params.repo) else {}
    splits = {}
    for split, paths in files.items():
        size = getattr(params, split)
        if size == "all":
            paths = whole_files(params.repo, commit, paths)
        check_footers(split, paths, documented.get(split))
        splits[split] = numbered(read_rows(paths, None if size == "all" else size), split)
    return splits


def whole_files(repo: str, commit: str, paths: list[str]) -> list[str]:
    """Return where the files at the `hf://` paths lie here, fetched and verified."""
    names = [path.removeprefix(f"hf://datasets/{repo}@{commit}/") for path in paths]
    fetched = fetch_files(repo, commit, "dataset", names, listing(repo, commit, "dataset"))
    return [str(fetched[name]) for name in names]


def numbered(rows: Iterable[Row], prefix: str) -> Iterator[Row]:
    """Yield `rows`, each with an id that tells its place in the source, counted from 1."""
    for number, row in enumerate(rows, start=1):
        yield {"id": f"{prefix}-{number}", **row}


def user_rows(path: Path, prefix: str, params: FilesParams) -> Iterator[Row]:
    """Yield the rows of a user's file with every column of ours, the missing ones empty.

    `messages` is there only if it is mapped.

    Raises:
        InputError: two rows have the same id (where a column of ids is mapped).
    """
    rows, ids = read_user_rows(path, params.columns, params.separator), set()
    for number, row in enumerate(numbered(rows, prefix), start=1):
        if not row["id"] or row["id"] in ids:
            raise InputError(
                f"{path}: row {number}: expected an id of its own, got {row['id']!r}; leave "
                "profiles.files.data.columns.id out to have the rows numbered"
            )
        ids.add(row["id"])
        yield dict.fromkeys(RAW.names, "") | row


def file_splits(params: FilesParams) -> dict[str, Iterable[Row]]:
    """Return the user's rows of each split: by file, or drawn by seed from the one file."""
    path = Path(params.path)
    files = split_files(path)
    sizes = {split: getattr(params, split) for split in SPLITS}
    if files is None:
        return shuffled_shares(list(user_rows(path, "row", params)), params)
    if shares := [split for split, size in sizes.items() if isinstance(size, float)]:
        raise InputError(
            f"params.yaml: data.{shares[0]}: a share of one file, got {sizes[shares[0]]}, but {path} "
            "has a file for each split; set data.train, data.validation and data.test to all"
        )
    stops = {split: None if size == "all" else size for split, size in sizes.items()}
    return {split: islice(user_rows(file, split, params), stops[split]) for split, file in files.items()}


def provenance(params: DataParams) -> dict[str, Any]:
    """Return where the rows come from, as metrics/data.json records it."""
    if isinstance(params, HubParams):
        commit = resolve_commit(params.repo, params.revision, "dataset")
        language = {"data_dir": params.data_dir} if params.data_dir else {"config": params.config}
        licence = MLSUM_LICENCE
        if not is_mlsum(params.repo):
            licence = card_licence(params.repo, commit, "dataset")
        return {"source": "hub", "repo": params.repo, "commit": commit, **language, "licence": licence}
    if isinstance(params, FilesParams):
        return {"source": "files", "file": Path(params.path).name}
    return {"source": "embedded", "seed": params.seed}


def set_text(path: Path, key: str, value: str) -> None:
    """Write `value` over the text that stands at `key` ("a.b.c") of a YAML file; every other byte stays."""
    content = path.read_bytes().decode("utf-8")  # line ends as they are
    *sections, last = key.split(".")
    section = YAML().load(content)
    for name in sections:
        section = section[name]
    line, column = section.lc.value(last)
    lines = re.split(r"(?<=\n)", content)
    old = re.match(r"\"[^\"]*\"|'[^']*'|[^\s,}]+", lines[line][column:])[0]  # as it stands there
    lines[line] = f'{lines[line][:column]}"{value}"{lines[line][column + len(old) :]}'
    write_text(path, "".join(lines))


def pin() -> str:
    """Write the commit that the profile's dataset is at now into params.yaml, and return what was done.

    Raises:
        InputError: the profile takes no rows from the hub, or the hub cannot be reached.
    """
    every = read_params()
    params, profile = data_params(every), profile_of(every)
    if not isinstance(params, HubParams):
        raise InputError(
            f"params.yaml: profile: {profile} takes no rows from the hub, so there is nothing to pin; set "
            "profile: course or mlsum there first"
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
    params = data_params(read_params())
    origin = provenance(params)
    if isinstance(params, HubParams):
        log.info("%(repo)s at commit %(commit)s; licence: %(licence)s", origin)
        if origin["commit"] != params.revision:
            log.info("%s may move; `python -m stages.fetch --pin` writes the commit down", params.revision)
        splits = hub_splits(params, origin["commit"])
    elif isinstance(params, FilesParams):
        splits = file_splits(params)
    else:
        splits = embedded_splits(params)

    seen: dict[bytes, str] = {}
    audit = []
    schema = CONVERSATIONS if isinstance(params, FilesParams) and "messages" in params.columns else RAW
    with whole(RAW_DIR) as partial:
        for split in SPLITS:
            dropped, trimmed = Counter(), Counter()
            rows = clean(splits[split], split, seen, params, dropped, trimmed)
            rows = track(rows, f"fetch {split}")
            kept = write_table(partial / f"{split}.parquet", rows, schema)
            if not kept:
                raise InputError(
                    f"data: expected at least one usable row in {split}, got none; dropped: "
                    f"{in_words(dropped)}; look at the rows, or at data.{split}"
                )
            counts = {"dropped": dict(sorted(dropped.items())), "trimmed": dict(+trimmed)}
            audit.append({"split": split, "kept": kept, **counts})
            said = in_words(dropped), in_words(+trimmed)
            log.info("%-10s kept %6d; dropped %s; trimmed %s", split, kept, *said)
    write_json(AUDIT, {"provenance": [origin], "splits": audit})  # lists stay out of `dvc metrics show`
    log.info("wrote %s: %d rows from %s", RAW_DIR, sum(row["kept"] for row in audit), origin["source"])


if __name__ == "__main__":
    run(main)
