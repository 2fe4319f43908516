"""The `data` section of params.yaml: what every source has, and what each adds."""

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from resumen.runtime.errors import InputError, nearest, shown
from resumen.schema.params import Block, parse_section, profile_of, section_of
from resumen.schema.rows import SPLITS, TEXTS
from resumen.text.characters import normalize
from resumen.text.language import LANGUAGES, language_named

# Always dropped: turns that cannot be read, nothing to read, nothing to score against.
UNUSABLE = ("broken conversation", "empty text", "empty summary")
SWITCHED = (
    "short summary",  # fewer words than `data.min_summary_words`
    "damaged text",  # or summary: mojibake, HTML, one letter repeated
    "other language",  # than `data.language`
    "duplicate text",  # word for word, in the same split
    "near duplicate",  # in the same split
    "text in earlier split",
    "near duplicate in earlier split",
    "verbatim summary",  # stands in the article, word for word
    "title as summary",
    "repeated summary",  # that of an earlier row of the split: "Televisión"
    "long summary",  # no shorter than its article
)

SEPARATORS = ",;\t|"  # of a CSV, that are told by its header
TRIMMED = ("edition note", "invisible characters", "no-break spaces", "not NFC")  # what is changed in a text


def check_size(value: Any) -> Any:
    """Return a split's size if it is rows (an int ≥ 1), a share (a float in (0, 1)) or "all"."""
    whole_rows = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    share = isinstance(value, float) and 0 < value < 1
    if whole_rows or share or value == "all" or value is None:
        return value
    raise ValueError("expected a number of rows ≥ 1, a share between 0 and 1, or all")


Size = Annotated[int | float | Literal["all"], BeforeValidator(check_size)]


class LanguageParams(Block):
    """What other stages read of `data`."""

    language: str  # of the articles, or any


class DropParams(Block):
    """Which rows are dropped; the others are counted as left. The reasons are SWITCHED."""

    short_summary: bool
    damaged_text: bool
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
    min_language_words: PositiveInt  # of fewer no language is told
    language_margin: NonNegativeFloat  # nats by which another language has to be likelier
    min_near_duplicate_words: PositiveInt  # in fewer one word is a difference
    near_duplicate_similarity: float = Field(ge=0.6, le=1)  # less than 0.6, and MinHash passes some over
    trim_edition_note: bool  # cut MLSUM's note on the printed edition off the text
    drop: DropParams

    @field_validator("language")
    @classmethod
    def can_be_told(cls, language: str) -> str:
        known = [*LANGUAGES, "any"]
        if language not in known:
            code = language_named(language)
            meant = f"; did you mean {code}?" if code else nearest(language, known)
            raise ValueError(f"unknown language{meant}")
        return language

    @property
    def has_messages(self) -> bool:
        """Whether the rows are conversations."""
        return False

    def drops(self, reason: str) -> bool:
        """Return whether rows with this defect are dropped."""
        return reason in UNUSABLE or getattr(self.drop, reason.replace(" ", "_"))


class EmbeddedParams(DataParams):
    """The news that resumen/news makes up."""

    source: Literal["embedded"]
    train: PositiveInt  # rows
    validation: PositiveInt
    test: PositiveInt


class HubParams(DataParams):
    """A dataset repository on the hub, in any of the formats that `files` reads."""

    source: Literal["hub"]
    repo: str  # owner/name
    revision: str  # a commit, a tag or a branch; a branch is resolved and recorded
    data_dir: str | None = None  # a folder of it, such as that of one language
    config: str | None = None  # or a name, where the repository's card has names
    columns: dict[str, str] | None = None  # our name: theirs; None: those that have our names
    splits: dict[str, str] | None = None  # our name: theirs, where it is another
    train: PositiveInt | Literal["all"]  # the first rows
    validation: PositiveInt | Literal["all"]
    test: PositiveInt | Literal["all"]

    @model_validator(mode="after")
    def names_one_part(self) -> "HubParams":
        if self.data_dir is not None and self.config is not None:
            raise ValueError(
                f"config {self.config!r} beside data_dir {self.data_dir!r}: expected one of the two or "
                "neither, null for the other"
            )
        for what, theirs in (("columns", self.columns), ("splits", self.splits)):
            twice = [name for name, count in Counter((theirs or {}).values()).items() if count > 1]
            if twice:
                raise ValueError(f"{what}: {twice[0]!r} is taken twice; name another for one of them")
        return self

    @field_validator("data_dir", "config", mode="before")
    @classmethod
    def empty_is_none(cls, name: Any) -> Any:
        return None if name == "" else name

    @field_validator("columns", "splits", mode="before")
    @classmethod
    def names_ours(cls, theirs: Any, info: ValidationInfo) -> Any:
        """Leave out what is empty, which stands there to be set by `-S`."""
        if not isinstance(theirs, dict):
            return theirs
        what, known = {"columns": ("column", TEXTS[1:]), "splits": ("split", SPLITS)}[str(info.field_name)]
        for name in theirs:
            if name not in known:
                raise ValueError(f"unknown {what} {name!r}{nearest(name, list(known))}")
        return {
            name: normalize(value).strip() if isinstance(value, str) else value
            for name, value in theirs.items()
            if value not in (None, "")
        }


class FilesParams(DataParams):
    """The user's own file, or a folder with a file for each split."""

    source: Literal["files"]
    path: str
    separator: str  # between the columns of a CSV
    columns: dict[str, str]  # our name: the file's; text and summary, or messages, which hold both

    @property
    def has_messages(self) -> bool:
        return "messages" in self.columns

    @field_validator("columns")
    @classmethod
    def names_our_columns(cls, columns: dict[str, str]) -> dict[str, str]:
        for name in columns:
            if name not in (known := [*TEXTS, "messages"]):
                raise ValueError(f"unknown column {name!r}{nearest(name, known)}")
        columns = {name: normalize(theirs).strip() for name, theirs in columns.items()}
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
        separator = {"tab": "\t", "\\t": "\t"}.get(separator, separator)
        if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
            raise ValueError('expected one ASCII character, such as "," or ";", or tab')
        return separator


SOURCE_PARAMS: dict[str, type[DataParams]] = {
    "embedded": EmbeddedParams,
    "hub": HubParams,
    "files": FilesParams,
}


# What only some sources have, and which source it is: of the profile alone, which DVC watches.
PROFILE_KEYS = {"source"} | {
    key for kind in SOURCE_PARAMS.values() for key in kind.model_fields
} - DataParams.model_fields.keys()


def user_columns(params: dict[str, Any]) -> tuple[dict[str, str], str | None]:
    """Return how the profile `files` maps columns, and its separator if no header would tell it.

    They hold for a user's files wherever these are read, whatever the profile.
    """
    section: Any = params
    for key in ("profiles", "files", "data"):
        section = section.get(key) if isinstance(section, dict) else None
    data = section if isinstance(section, dict) else {}
    columns, separator = data.get("columns"), data.get("separator")
    if not isinstance(columns, dict) or not all(isinstance(name, str) for name in columns.values()):
        columns = {}
    if not isinstance(separator, str) or len(separator) != 1 or separator in SEPARATORS:
        separator = None
    return {name: normalize(theirs).strip() for name, theirs in columns.items()}, separator


def data_params(params: dict[str, Any]) -> DataParams:
    """Return the checked `data` section of params.yaml for the source that its profile names."""
    section = section_of(params, "data")
    if isinstance(params["data"], dict):
        for key in sorted(params["data"].keys() & PROFILE_KEYS):
            raise InputError(
                f"params.yaml: data.{key}: belongs to the profile, got {params['data'][key]!r} here; set "
                f"profiles.{profile_of(params)}.data.{key}, which DVC watches"
            )
    profile = profile_of(params)
    if isinstance(own := params["profiles"][profile].get("data"), dict) and "language" in own:
        raise InputError(
            f"params.yaml: profiles.{profile}.data.language: belongs in data.language, which other stages "
            f"read too, got {shown(own['language'])}; set that instead"
        )
    source = section.get("source") if isinstance(section, dict) else None
    if not isinstance(source, str) or source not in SOURCE_PARAMS:
        where = f"profiles.{profile_of(params)}.data.source"
        known = nearest(str(source), list(SOURCE_PARAMS))
        raise InputError(f"params.yaml: {where}: unknown value {source!r}{known}")
    return parse_section(SOURCE_PARAMS[source], params, "data")
