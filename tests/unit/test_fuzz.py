"""Whatever bytes a reader of foreign files is given: rows of its kind, or an InputError in a line; no more.

50 examples a reader; RESUMEN_FUZZ=10000 in the environment asks for as many, as `make test-slow` does. They
are drawn in one way, so that what fails once fails again.
"""

import copy
import gzip
import io
import json
import os
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from resumen.checkpoint.folder import check_files
from resumen.model.loading import load_t5
from resumen.model.t5 import T5
from resumen.prompts.templates import Pair, read_sets
from resumen.runtime.errors import InputError
from resumen.runtime.guards import MAX_BYTES
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.provenance import check_hashes
from resumen.schema.checkpoints import CheckpointParams, checkpoint_params
from resumen.schema.data import DataParams, HubParams, data_params
from resumen.schema.jsonl import numbered_jsonl
from resumen.schema.params import parse_key, parse_section, read_params, read_yaml
from resumen.schema.probes import Probe, read_probes
from resumen.schema.rows import column_names, load_table, num_rows, read_table
from resumen.schema.sections import SourceParams
from resumen.schema.systems import SystemParams, system_names, system_params
from resumen.schema.whole import SECTION_PARAMS
from resumen.sources.hubfiles import check_footers, hub_rows
from resumen.sources.rows import FAULT
from resumen.sources.userfiles import read_user_rows
from resumen.text.conversation import check_messages
from resumen.tools.articles import Article, articles_of
from resumen.training.pretrained import load_model
from resumen.vocabulary.tokenizer import decode, encode, load_tokenizer
from stages.generate import read_external
from tests.helpers.paths import ROOT
from tests.helpers.project import NEWS

resource = pytest.importorskip("resource")  # POSIX alone

fuzz = settings(
    max_examples=int(os.environ.get("RESUMEN_FUZZ", "50")),
    derandomize=True,
    database=None,
    deadline=5_000,  # ms an example
    suppress_health_check=list(HealthCheck),
)
MAX_GROWTH = 2**30  # bytes of memory that all examples of this file together may add


@pytest.fixture(scope="module", autouse=True)
def _memory_is_bounded() -> Iterator[None]:
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < MAX_GROWTH


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


# ---- what is drawn

ODD = [
    *(None, True, False, 0, -1, 1, 2**20, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *(
        "",
        "1",
        "t5",
        "test-1",
        "Unigram",
        "ñ",
        "\x1b[2J",
        "\u202e",
        "../..",
        "/etc",
        "gpt.jsonl",
        "[Usuario]",
    ),
    *("a" + "\u0301\u0327" * 20, "a" * 200, "a" * 100_001, "{text}", "{summary}", "{", "(a+)+$", "I32"),
    *([], {}, [1], [[1]], ["a", 1], {"a": 1}, {"": None}),
]
NAMES = [  # of keys
    *("", "a", "text", "lead-3", "news-a", "a.b", "../a", "\x1b", "Regex", "auto_map", "hidden_size", "path"),
    *("lm_head.weight", "weight_map"),
]
TOKENS = [
    *(
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n",
        b"\t",
        b",",
        b";",
        b'"',
        b"'",
        b"\\",
        b"\\ud800",
        b"\\u0",
    ),
    *(b"[", b"]", b"{", b"}", b":", b"- ", b"&a ", b"*a", b"!!python/name:os.system ", b"!!float ", b"<<: "),
    *(b"NaN", b"-Infinity", b"1e999", b"2023-13-41", b"0x", b"7" * 1_100, b"[" * 200, b"%", b"|\n", b"? "),
]
SCALARS = st.one_of(
    st.sampled_from(ODD),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
)


@st.composite
def edited(draw: st.DrawFn, content: bytes, from_end: bool = False) -> bytes:
    """Return `content` after up to four edits of its bytes, near its end for a file with a footer."""
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(content)))
        if from_end and draw(st.booleans()):
            index = max(0, len(content) - draw(st.integers(0, 600)))
        stop = index + draw(st.integers(1, 8))
        with_what = draw(
            st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8), st.just(content[index:stop] * 2))
        )
        how = draw(st.sampled_from(["insert", "replace", "replace one for one", "cut"]))
        if how == "insert":
            content = content[:index] + with_what + content[index:]
        elif how == "replace":
            content = content[:index] + with_what + content[stop:]
        elif how == "cut":
            content = content[:index]
        else:
            content = content[:index] + with_what + content[index + len(with_what) :]
    return content


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """Return JSON's `value` with up to three of its parts, at any depth, of another kind or gone."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        inside = value
        while True:
            keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(inside[key], dict | list) or not inside[key] or draw(st.integers(0, 3)) == 0:
                break
            inside = inside[key]
        if not keys:
            continue
        how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "repeat", "rename"]))
        if how == "remove":
            del inside[key]
        elif how == "repeat" and isinstance(inside, list):
            inside.append(copy.deepcopy(inside[key]))
        elif how == "rename" and isinstance(inside, dict):
            name = draw(st.one_of(st.text(max_size=8), st.sampled_from(keys), st.sampled_from(NAMES)))
            inside[name] = inside.pop(key)
        else:
            inside[key] = copy.deepcopy(draw(SCALARS))
    return value


def from_bytes(*seeds: bytes, from_end: bool = False) -> st.SearchStrategy[bytes]:
    """Return a strategy of bytes: of any, and of seeds that were edited."""
    return st.one_of(
        st.binary(max_size=100),
        st.sampled_from(seeds),
        *(edited(seed, from_end) for seed in seeds),
    )


def from_values(render: Callable[[Any], bytes], *seeds: Any) -> st.SearchStrategy[bytes]:
    """Return a strategy of files that `render` makes of changed values, and of bytes."""
    kinds = [changed(seed).map(render) for seed in seeds]
    return st.one_of(*kinds, *kinds, from_bytes(*map(render, seeds)))


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def as_json_lines(rows: Any) -> bytes:
    return b"".join(as_json(row) + b"\n" for row in rows)


def as_yaml(value: Any) -> bytes:
    out = io.BytesIO()
    YAML(typ="safe", pure=True).dump(json.loads(json.dumps(value)), out)
    return out.getvalue()


def as_csv(rows: list[list[str]], separator: str = ",") -> bytes:
    quoted = ([f'"{field}"' if "\n" in field else field for field in row] for row in rows)
    return "\n".join(separator.join(row) for row in quoted).encode()


ROWS = [
    {"id": f"test-{number}", "text": text, "summary": summary} for number, (text, summary) in enumerate(NEWS)
]
TALK = [{"role": "user", "content": "¿Dónde llueve?"}, {"role": "assistant", "content": "En Logroño."}]


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Return a Parquet file whose columns are of any kind, text that is no UTF-8 and far dates too."""
    count = draw(st.integers(0, 5))
    kinds = [
        (pa.string(), st.text(max_size=10)),
        (pa.large_string(), st.text(max_size=10)),
        (pa.binary(), st.binary(max_size=5)),
        (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
        (pa.float32(), st.floats(width=32)),
        (pa.bool_(), st.booleans()),
        (pa.date32(), st.dates()),
        (pa.timestamp("s"), st.integers(-(2**53), 2**53)),
        (pa.timestamp("ns", "UTC"), st.integers(-(2**63), 2**63 - 1)),
        (pa.time64("ns"), st.integers(0, 86_399_999_999_999)),
        (pa.duration("us"), st.integers(-(2**62), 2**62)),
        (pa.decimal128(20, 2), st.integers(-(10**9), 10**9).map(lambda number: Decimal(number).scaleb(-2))),
        (pa.list_(pa.string()), st.lists(st.text(max_size=3), max_size=3)),
        (pa.null(), st.none()),
        (
            pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
            st.one_of(st.just(TALK), changed(TALK).filter(all_texts)),
        ),
        (pa.dictionary(pa.int32(), pa.string()), st.text(max_size=3)),
    ]
    names = draw(
        st.sampled_from(
            [("text", "summary"), ("id", "text", "messages"), ("text",), ("id", "title"), ("text", "text")]
        )
    )
    columns = []
    for _ in names:
        kind, values = draw(st.sampled_from(kinds))
        column = pa.array(draw(st.lists(st.one_of(st.none(), values), min_size=count, max_size=count)), kind)
        if kind == pa.binary() and draw(st.booleans()):
            column = pa.Array.from_buffers(pa.string(), len(column), column.buffers())  # no UTF-8
        columns.append(column)
    out = io.BytesIO()
    compression = draw(st.sampled_from(["snappy", "zstd", "gzip", "none"]))
    pq.write_table(pa.Table.from_arrays(columns, names=list(names)), out, compression=compression)
    return out.getvalue()


def all_texts(turns: Any) -> bool:
    """Return whether Arrow can write `turns` as what TALK is."""
    return isinstance(turns, list) and all(
        isinstance(turn, dict) and all(isinstance(value, str) for value in turn.values()) for turn in turns
    )


def parquet_of(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, write_page_checksum=True)
    return out.getvalue()


PARQUETS = st.one_of(
    st.just(parquet_of(ROWS * 8)),
    from_bytes(parquet_of(ROWS), from_end=True),
    from_bytes(parquet_of([{**row, "messages": TALK} for row in ROWS]), from_end=True),
    tables(),
    tables().flatmap(lambda content: edited(content, from_end=True)),
)

STACKED = "a" + "\u0301\u0327" * 20  # what the draws seldom meet stands as an example beside them


def examples(*contents: bytes) -> Callable[[Any], Any]:
    """Return a decorator that gives a test each of `contents` before what is drawn."""

    def decorate(test: Any) -> Any:
        for content in contents:
            test = example(content=content)(test)
        return test

    return decorate


# ---- what is claimed


def read_or_refused(read: Callable[[], Any], where: str) -> Any:
    """Return what `read` does, or None after an InputError in one printable line that names `where`."""
    try:
        return read()
    except InputError as error:
        message = str(error)
        assert message.isprintable()
        assert where in message
        assert len(message) < 25_000
        return None


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@fuzz
@given(content=from_values(as_json, {"a": [1, {"b": None}], "c": "ñ"}))
@example(content=b" " * (MAX_BYTES + 1))
def test_json(folder, content):
    read_or_refused(lambda: read_json(write(folder / "a.json", content)), "a.json")


@fuzz
@given(content=from_values(as_json_lines, ROWS))
@example(content=b" " * (MAX_BYTES + 1))
def test_json_lines(folder, content):
    path = write(folder / "a.jsonl", content)
    rows = read_or_refused(lambda: list(numbered_jsonl(path, ["id"])), "a.jsonl")
    assert all(isinstance(number, int) and "id" in row for number, row in rows or [])


@fuzz
@given(content=PARQUETS)
def test_our_tables(folder, content):
    path = write(folder / "a.parquet", content)
    rows = read_or_refused(lambda: list(read_table(path, ["text"])), "a.parquet")
    assert all(row.keys() == {"text"} for row in rows or [])
    table = read_or_refused(lambda: load_table(path), "a.parquet")
    assert table is None or isinstance(table, pa.Table)
    names = read_or_refused(lambda: column_names(path), "a.parquet")
    assert all(isinstance(name, str) for name in names or [])
    assert isinstance(read_or_refused(lambda: num_rows(path), "a.parquet") or 0, int)


COLUMNS = {"text": "text", "summary": "summary"}
HUB = HubParams.model_construct(columns=None)


def user_rows(path: Path, columns: dict[str, str], separator: str = ",") -> None:
    rows = read_or_refused(lambda: list(read_user_rows([path], columns, separator)), path.name)
    for _, _, row in rows or []:
        assert {"text", "summary"} <= row.keys()
        assert all(isinstance(row[name], str) for name in ("text", "summary"))
        assert isinstance(row.get("messages", []), list) or isinstance(row[FAULT], str)
        assert all(isinstance(text, str) for text in row.get("references", []))


TABLE = [["id", "text", "summary"], *(list(row.values()) for row in ROWS)]


@fuzz
@given(
    content=from_bytes(as_csv(TABLE), as_csv(TABLE, ";")), separator=st.sampled_from([",", ";", "\t", " "])
)
def test_the_users_csv(folder, content, separator):
    user_rows(write(folder / "b.csv", content), COLUMNS, separator)


TALKS = [{"id": str(number), "messages": TALK} for number in range(3)]


@fuzz
@given(
    content=st.one_of(from_values(as_json_lines, ROWS), from_values(as_json_lines, TALKS)),
    talks=st.booleans(),
)
@example(content=as_json_lines([{**ROWS[0], "text": STACKED}]), talks=False)
def test_the_users_json_lines(folder, content, talks):
    user_rows(write(folder / "b.jsonl", content), {"messages": "messages"} if talks else COLUMNS)


def as_array(rows):
    return b"[" + as_json_lines(rows).replace(b"\n", b",") + b"{}]"


@fuzz
@given(content=st.one_of(from_values(as_array, ROWS), from_bytes(as_array(ROWS))))
def test_the_users_array(folder, content):
    user_rows(write(folder / "b.json", content), COLUMNS)


@fuzz
@given(content=from_bytes(gzip.compress(as_json_lines(ROWS)), gzip.compress(as_csv(TABLE))))
def test_the_users_gzip(folder, content):
    user_rows(write(folder / "b.jsonl.gz", content), COLUMNS)


def as_arrow(rows) -> bytes:
    """Return `rows` in Arrow's stream format, in two parts."""
    table, out = pa.Table.from_pylist(rows), io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as stream:
        for batch in table.to_batches(max_chunksize=2):
            stream.write_batch(batch)
    return out.getvalue()


@fuzz
@given(content=from_bytes(as_arrow(ROWS), as_arrow(TALKS)), talks=st.booleans())
def test_the_users_saved_dataset(folder, content, talks):
    saved = folder / "saved"
    saved.mkdir(exist_ok=True)
    write(saved / "state.json", b'{"_data_files": [{"filename": "data.arrow"}]}')
    write(saved / "data.arrow", content)
    read = lambda: list(read_user_rows([saved], {"messages": "messages"} if talks else COLUMNS, ","))  # noqa: E731
    read_or_refused(read, "saved")


@fuzz
@given(content=PARQUETS, talks=st.booleans(), limits=st.sampled_from([(2**25, 100), (60, 100), (300, 0)]))
def test_the_users_parquet(folder, content, talks, limits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resumen.runtime.guards.MAX_BYTES", limits[0])
        patch.setattr("resumen.runtime.guards.MAX_EXPANSION", limits[1])
        user_rows(write(folder / "b.parquet", content), {"messages": "messages"} if talks else COLUMNS)


@fuzz
@given(content=PARQUETS, count=st.sampled_from([None, 0, 2]))
def test_the_hubs_parquet(folder, content, count):
    path = str(write(folder / "c.parquet", content))
    found = read_or_refused(lambda: check_footers("train", [path], HUB, 4), "c.parquet")
    columns = found[1] if found else {"text": "text", "summary": "summary"}
    for row in read_or_refused(lambda: list(hub_rows([path], count, columns)), "c.parquet") or []:
        assert all(isinstance(value, str) for name, value in row.items() if name != "references")


ARTICLES = st.one_of(
    st.tuples(st.just(".jsonl"), from_values(as_json_lines, ROWS)),
    st.tuples(st.just(".csv"), from_bytes(as_csv(TABLE))),
    st.tuples(st.just(".parquet"), PARQUETS),
    st.tuples(st.just(".txt"), from_bytes("¿Llueve?\nSí.".encode(), b"\xef\xbb\xbfLlueve.")),
)


@fuzz
@given(drawn=ARTICLES)
@example(drawn=(".jsonl", as_json_lines([{"text": STACKED}])))
def test_articles_to_summarize(folder, drawn):
    suffix, content = drawn
    path = write(folder / f"d{suffix}", content)
    for article in read_or_refused(lambda: list(articles_of([path], ["text", "title"])), path.name) or []:
        assert isinstance(article, Article)
        assert all(isinstance(value, str) for value in (article.id, *article.values.values()))


SUMMARIES = [{"id": row["id"], "prediction": row["summary"]} for row in ROWS]


@fuzz
@given(content=from_values(as_json_lines, SUMMARIES))
@examples(*(as_json_lines([{"id": "a", "prediction": text}]) for text in (STACKED, "a" * 100_001)))
def test_summaries_made_elsewhere(folder, content):
    path = write(folder / "e.jsonl", content)
    taken = read_or_refused(lambda: read_external(path, ROWS, "gpt"), "e.jsonl")
    assert taken is None or [row["id"] for row in taken] == [row["id"] for row in ROWS]
    assert all(isinstance(row["prediction"], str) for row in taken or [])


@fuzz
@given(turns=st.one_of(changed([TALK]).map(lambda value: value[0] if value else None), changed(TALK)))
def test_conversations(turns):
    try:
        messages = check_messages(turns)
    except ValueError:  # its callers say where
        return
    assert all(message.keys() == {"role", "content"} for message in messages)


PARAMS = json.loads(json.dumps(YAML(typ="safe", pure=True).load(ROOT / "params.yaml")))
PARAMS_TEXT = (ROOT / "params.yaml").read_bytes()


def few(profile: str) -> dict[str, Any]:
    """Return params with one profile, and few systems and checkpoints, so that an edit meets them."""
    return PARAMS | {
        "profile": profile,
        "profiles": {profile: PARAMS["profiles"][profile]},
        "systems": {
            "gpt": {"from": "gpt.jsonl"},
            "flan": {"from": "own", "template": "{text}", "num_beams": 2},
        },
        "checkpoints": {"flan-small": {"folder": "own"}},
    }


def parts(params: dict[str, Any]) -> Iterator[tuple[type, Callable[[], Any]]]:
    """Yield what stages read of params.yaml, each with its kind."""
    for name, kind in SECTION_PARAMS.items():
        yield kind, lambda kind=kind, name=name: parse_section(kind, params, name)
    yield SourceParams, lambda: parse_key(SourceParams, params, "tokenize", "source_tokens")
    yield SystemParams, lambda: system_params(params, system_names(params)[-1])
    yield SystemParams, lambda: system_params(params, "gpt")
    yield CheckpointParams, lambda: checkpoint_params(params, "flan-small")
    yield DataParams, lambda: data_params(params)


def files_with(**data: Any) -> dict[str, Any]:
    """Return params of the user's own files, with `data` in their profile."""
    params = copy.deepcopy(few("files"))
    params["profiles"]["files"]["data"] |= data
    return params


RARE = (
    few("mini") | {"systems": {"lead-3": {"from": "own"}}},
    few("mini") | {"systems": {"gpt": {"from": "gpt.jsonl", "template": "{text}"}}},
    few("mini") | {"tokenize": 3},
    few("mini") | {"data": PARAMS["data"] | {"path": "own.csv"}},
    files_with(train=2.5),
    files_with(separator=";;"),
    *(files_with(columns=columns) for columns in ({"a": "b"}, {"text": "a"}, {"messages": "a"})),
    files_with(columns={"messages": "a", "text": "b"}),
    few("course") | {"data": PARAMS["data"] | {"data_dir": "es"}},
    few("course")
    | {"profiles": {"course": {"data": PARAMS["profiles"]["course"]["data"] | {"config": "es"}}}},
)


@examples(*map(as_yaml, RARE))
@fuzz
@given(
    content=st.one_of(
        *(from_values(as_yaml, few(profile)) for profile in PARAMS["profiles"]), edited(PARAMS_TEXT)
    )
)
def test_params(folder, content):
    path = write(folder / "params.yaml", content)
    params = read_or_refused(lambda: read_params(path), "params.yaml")
    for kind, read in parts(params) if params is not None else ():
        result = read_or_refused(read, "params.yaml")
        assert result is None or isinstance(result, kind)


LITTLE = b"a: &a {b: 1, c: [x, 2, .5, null, true, 2023-01-02, 0o7, !!binary aG9sYQ==]}\nd: {<<: *a, e: 'f'}\n"


@fuzz
@given(content=from_bytes(LITTLE, b"- a\n- &b [c, *b]\n", b"a: |\n  b\n? [c]\n: !!set {d, e}\n"))
def test_yaml(folder, content):
    read_or_refused(lambda: read_yaml(write(folder / "a.yaml", content)), "a.yaml")


PROBES = {"max_new_tokens": 9, "probes": {"a": {"kind": "open-question", "prompt": "¿?", "answer": "sí"}}}


@fuzz
@given(content=from_values(as_yaml, PROBES))
def test_probes(folder, content):
    path = write(folder / "probes.yaml", content)
    result = read_or_refused(lambda: read_probes(path), "probes.yaml")
    assert result is None or all(isinstance(probe, Probe) for probe in result[1].values())


ASKING = {"prompt": "Resume: {text} {title}", "completion": "{summary}", "source": "xsum"}


@fuzz
@given(content=from_values(as_yaml, {"flan": [ASKING, {**ASKING, "prompt": "{text}"}]}))
def test_templates(folder, content):
    path = write(folder / "templates.yaml", content)
    result = read_or_refused(lambda: read_sets(path), "templates.yaml")
    assert result is None or all(isinstance(pair, Pair) for pairs in result.values() for pair in pairs)


TOKENIZER = json.loads((ROOT / "miniatures/weights/tokenizer.json").read_text(encoding="utf-8"))
TOKENIZER["model"]["vocab"] = TOKENIZER["model"]["vocab"][:60]
TOKENIZER["added_tokens"] = TOKENIZER["added_tokens"][:3]
LETTERS = TOKENIZER["normalizer"]["normalizers"][0]["precompiled_charsmap"]  # 300 kB, put in as it is written
TOKENIZER["normalizer"]["normalizers"][0]["precompiled_charsmap"] = "LETTERS"
SETTINGS = {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "extra_ids": 100}


@fuzz
@given(
    content=from_values(as_json, TOKENIZER), message=st.one_of(st.just(b""), from_values(as_json, SETTINGS))
)
def test_a_tokenizer(folder, content, message):
    write(folder / "tokenizer.json", content.replace(b"LETTERS", LETTERS.encode()))
    write(folder / "tokenizer_config.json", message)
    if not message:
        (folder / "tokenizer_config.json").unlink()
    if tokenizer := read_or_refused(lambda: load_tokenizer(folder), str(folder)):
        assert isinstance(decode(tokenizer, encode(tokenizer, ["Llueve en Logroño."]))[0], str)


@pytest.fixture(scope="module")
def model(tiny, tmp_path_factory) -> Path:
    """A folder with a tiny T5, whose files are overwritten by the examples."""
    return shutil.copytree(tiny["untied"], tmp_path_factory.mktemp("model") / "tiny")


CONFIG = {
    **{"model_type": "t5", "d_model": 16, "d_kv": 8, "d_ff": 32, "num_heads": 2, "num_layers": 1},
    **{"num_decoder_layers": 1, "vocab_size": 1328, "feed_forward_proj": "gated-gelu"},
    **{"tie_word_embeddings": False, "decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0},
    **{"relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "dropout_rate": 0.1},
    **{"layer_norm_epsilon": 1e-06, "initializer_factor": 1.0, "is_encoder_decoder": True, "use_cache": True},
}


@pytest.mark.parametrize(
    "load", [lambda folder: load_t5(folder, torch.float32, torch.device("cpu")), load_model]
)
@fuzz
@given(content=from_values(as_json, CONFIG))
def test_a_configuration(model, tiny, load, content):
    shutil.copyfile(tiny["untied"] / "model.safetensors", model / "model.safetensors")
    write(model / "config.json", content)
    read_or_refused(lambda: check_files({"config.json": model / "config.json"}, "own"), "config.json")
    read_or_refused(lambda: load(model), str(model))


def with_length(header: Any) -> bytes:
    """Return the header of a safetensors file after its length."""
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written


@fuzz
@given(data=st.data())
def test_weights(model, tiny, data):
    kind = tiny[data.draw(st.sampled_from(["tied", "untied"]))]
    shutil.copyfile(kind / "config.json", model / "config.json")
    content = (kind / "model.safetensors").read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    start, body = content[:end], content[end:]
    lies = st.integers(0, 2**64 - 1).map(lambda lie: struct.pack("<Q", lie) + start[8:])
    honest = st.just(start)
    start = data.draw(
        st.one_of(changed(json.loads(start[8:])).map(with_length), edited(start), lies, honest, st.just(b""))
    )
    stop = data.draw(st.one_of(st.just(len(body)), st.integers(0, len(body))))
    odd = data.draw(st.one_of(st.just(b""), st.binary(max_size=8), st.just(b"\x00\x00\xc0\x7f")))  # NaN
    write(model / "model.safetensors", start + odd + body[len(odd) : stop])
    read_or_refused(lambda: check_files({"model.safetensors": model / "model.safetensors"}, "own"), "own")
    loaded = read_or_refused(lambda: load_t5(model, torch.float32, torch.device("cpu")), str(model))
    assert loaded is None or isinstance(loaded, T5)


FILE_NAMES = st.sampled_from(["config.json", "../model", "/dev/zero", "a\0b", "", ".", "a" * 300])
HASHES = st.dictionaries(st.one_of(FILE_NAMES, st.text()), st.one_of(st.text(), st.integers()), max_size=4)
OF_NAMES = HASHES.map(lambda hashes: as_json({"sha256": hashes}))


@fuzz
@given(content=st.one_of(from_values(as_json, {"source": "hub", "sha256": {"config.json": "0"}}), OF_NAMES))
def test_a_provenance(model, content):
    provenance = write(model / "provenance.json", content)
    read_or_refused(lambda: check_hashes(model), str(model))
    provenance.unlink()


INDEX = {"metadata": {"total_size": 1}, "weight_map": {"shared.weight": "model.safetensors"}}


@fuzz
@given(content=from_values(as_json, INDEX), twice=st.booleans())
def test_an_index(model, tiny, content, twice):
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(tiny["untied"] / name, model / name)
    index, other = model / "model.safetensors.index.json", model / "model-00002-of-00002.safetensors"
    write(index, content)
    if twice:
        shutil.copyfile(model / "model.safetensors", other)
    others = ("tokenizer.json", "tokenizer_config.json", "model.safetensors", "spiece.model")
    files = {path.name: path for path in (index, *(model / name for name in others))}
    read_or_refused(lambda: check_files(files, "own"), index.name)
    read_or_refused(lambda: load_t5(model, torch.float32, torch.device("cpu")), str(model))
    index.unlink()
    other.unlink(missing_ok=True)
