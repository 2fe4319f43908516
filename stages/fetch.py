"""Fetch: bring the news from its source into one shape, and count every row that cannot be used.

Reads   the embedded news, MLSUM on the hub, or the user's files
Writes  data/raw/{train,validation,test}.parquet   id, text, summary, title, topic, url, date, and
                                                   messages if the user's files have conversations
        metrics/data.json                          the audit: rows kept, dropped and left in by reason,
                                                   examples, lengths; the source, its commit and licence
Params  data

    python -m stages.fetch
    python -m stages.fetch --pin
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, NonNegativeInt, PositiveInt, field_validator, model_validator
from ruamel.yaml import YAML

from stages.shared.audit import (
    UNUSABLE,
    Audit,
    Fingerprint,
    Place,
    Read,
    Seen,
    identifier,
    own_defects,
    without_edition_note,
)
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


class DropParams(Block):
    """Which rows are dropped; the others are counted as left. The reasons are those of shared/audit.py."""

    short_summary: bool
    other_language: bool
    duplicate_text: bool
    near_duplicate: bool
    text_in_earlier_split: bool
    near_duplicate_in_earlier_split: bool
    verbatim_summary: bool
    title_as_summary: bool
    repeated_summary: bool
    long_summary: bool


class DataParams(Block):
    """What every source has."""

    source: str
    train: Size
    validation: Size
    test: Size
    seed: NonNegativeInt  # of the embedded news, and of the split of a single file
    language: str  # ISO 639-1 code of what the articles are written in, or any
    min_summary_words: PositiveInt  # runs of letters and digits; less is a short summary
    trim_edition_note: bool  # cut MLSUM's note on the printed edition off the text
    drop: DropParams

    @field_validator("language")
    @classmethod
    def can_be_told(cls, language: str) -> str:
        known = [*identifier().labels, "any"]
        if language not in known:
            raise ValueError(f"unknown language{nearest(language, known)}")
        return language

    def drops(self, reason: str) -> bool:
        """Return whether rows with this defect are dropped."""
        return reason in UNUSABLE or getattr(self.drop, reason.replace(" ", "_"))


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


def in_words(counts: Counter[str]) -> str:
    """Return the counts by reason, the most frequent first.

    >>> in_words(Counter({"empty text": 1, "other language": 5}))
    '5 other language, 1 empty text'
    """
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "none"


def clean(rows: Iterable[Row], audit: Audit, seen: Seen, params: DataParams) -> Iterator[Row]:
    """Yield the rows of a split that are not to be dropped, in their order; count in `audit` what is wrong.

    `seen` goes from split to split: a later one loses what an earlier one has, so that no test article was
    trained on.
    """
    for given in rows:
        text = without_edition_note(given["text"]) if params.trim_edition_note else given["text"]
        row = given | {"text": text}
        read = Read.of(row)
        defects = dict.fromkeys(own_defects(row, read, params.min_summary_words, params.language))
        if not defects.keys() & set(UNUSABLE):
            fingerprint = Fingerprint.of(read)
            defects |= seen.repeated(fingerprint, audit.split)
        reason = next((name for name in defects if params.drops(name)), None)
        audit.count(row["id"], defects, reason)
        if reason is None:
            audit.trimmed["edition note"] += row["text"] != given["text"]
            audit.measure(read)
            seen.keep(fingerprint, Place(audit.split, row["id"]))
            yield row


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


def embedded_splits(params: EmbeddedParams) -> Mapping[str, Iterable[Row]]:
    """Return the embedded news of each split, MLSUM's defects planted among them."""
    sizes = {split: getattr(params, split) for split in SPLITS}
    made = news_splits(sizes, params.seed)
    return {split: numbered(rows, split) for split, rows in made.items()}


def hub_splits(params: HubParams, commit: str) -> Mapping[str, Iterable[Row]]:
    """Return the rows of each split at `commit`, in the repository's order.

    Where all rows are wanted, the files are fetched whole and verified; where the first few are, they
    are streamed by ranges: no more is fetched than the row groups that hold them.
    """
    files = data_files(params.repo, commit, params.data_dir, params.config)
    documented = MLSUM_ROWS.get(params.data_dir or params.config or "", {}) if is_mlsum(params.repo) else {}
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


def file_splits(params: FilesParams) -> Mapping[str, Iterable[Row]]:
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
    old = re.match(r"\"[^\"]*\"|'[^']*'|[^\s,}]+", lines[line][column:])  # as it stands there
    assert old is not None  # a text begins where YAML says
    lines[line] = f'{lines[line][:column]}"{value}"{lines[line][column + len(old[0]) :]}'
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
        splits: Mapping[str, Iterable[Row]] = hub_splits(params, origin["commit"])
    elif isinstance(params, FilesParams):
        splits = file_splits(params)
    else:
        assert isinstance(params, EmbeddedParams)  # of SOURCES
        splits = embedded_splits(params)

    seen, found = Seen(), []
    schema = CONVERSATIONS if isinstance(params, FilesParams) and "messages" in params.columns else RAW
    with whole(RAW_DIR) as partial:
        for split in SPLITS:
            audit = Audit(split)
            rows = track(clean(splits[split], audit, seen, params), f"fetch {split}")
            kept = write_table(partial / f"{split}.parquet", rows, schema)
            if not kept:
                raise InputError(
                    f"data: expected at least one usable row in {split}, got none; dropped: "
                    f"{in_words(audit.dropped)}; look at the rows, at data.{split} or at data.drop"
                )
            found.append(audit.report())
            said = in_words(audit.dropped), in_words(audit.left), in_words(+audit.trimmed)
            log.info("%-10s kept %6d; dropped %s; left in %s; trimmed %s", split, kept, *said)
    write_json(AUDIT, {"provenance": [origin], "splits": found})  # lists stay out of `dvc metrics show`
    log.info("wrote %s: %d rows from %s", RAW_DIR, sum(row["kept"] for row in found), origin["source"])


if __name__ == "__main__":
    run(main)
