"""The hub: the genuine clients against a hub of our own on loopback, and every fault that it can have."""

import csv
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load, save
from sentencepiece import SentencePieceProcessor

from resumen.model.loading import load_t5
from resumen.runtime.jsonfiles import read_json
from resumen.schema.params import read_yaml
from resumen.schema.rows import RAW, read_table
from resumen.vocabulary.tokenizer import decode, encode, load_tokenizer
from stages.fetch import set_text
from tests.helpers.hub import ALLOWED, Hub, environment_of
from tests.helpers.paths import ROOT
from tests.helpers.processes import ended, start
from tests.helpers.project import OUTPUTS, SMALL
from tests.helpers.weights import COMPLETE, INCOMPLETE

PARAMS = read_yaml(ROOT / "params.yaml")
FLAN, BASE = (PARAMS["checkpoints"][name] for name in ("flan-small", "t5-base"))
MLSUM, MOVED, MTEB = "b" * 40, "c" * 40, "d" * 40
COLUMNS = ("text", "summary", "topic", "url", "title", "date")
NEVER = {  # what the real repositories hold besides, and must not be asked for
    "pytorch_model.bin": b"a pickle",
    "tf_model.h5": b"another format",
    "flax_model.msgpack": b"another format",
    "modeling_own.py": b"raise SystemExit",
}


def parquet(
    language: str,
    split: str,
    count: int,
    columns: tuple[str, ...] = COLUMNS,
    extra: Callable[[], str] = lambda: "que no " * 40,
) -> bytes:
    """Return `count` rows that say where they come from and have an `extra` text, 100 a row group."""
    rows = {
        name: [
            f"{name} {language} {split} {row}: {extra() if name == 'text' else ''}" for row in range(count)
        ]
        for name in columns
    }
    file = io.BytesIO()
    pq.write_table(pa.table(rows), file, row_group_size=100, compression="snappy")
    return file.getvalue()


def mlsum(languages: tuple[str, ...] = ("es", "fr"), train: int = 1_000) -> dict[str, bytes]:
    """Return the files of reciTAL/mlsum at refs/convert/parquet, small."""
    sizes = {"train": train, "validation": 60, "test": 50}
    return {
        f"{language}/{split}/0000.parquet": parquet(language, split, count)
        for language in languages
        for split, count in sizes.items()
    }


@pytest.fixture
def hub(tiny) -> Iterator[Hub]:
    """A hub with the repositories of params.yaml, small, in their layout; no request may go unhandled."""
    with Hub() as server:
        for entry, kind in ((FLAN, "untied"), (BASE, "tied")):
            names = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json")
            files = {name: (tiny[kind] / name).read_bytes() for name in names}
            if entry is FLAN:  # google-t5/t5-base lacks it
                files["tokenizer_config.json"] = (tiny[kind] / "tokenizer_config.json").read_bytes()
            server.add(entry["repo"], entry["revision"], files | NEVER)
        branch, card = "refs/convert/parquet", {"license": ["other"]}
        server.add("reciTAL/mlsum", MLSUM, mlsum(), kind="datasets", branch=branch, card=card)
        server.add("reciTAL/mlsum", "e" * 40, {"mlsum.py": b"raise SystemExit"}, kind="datasets")
        names = "".join(
            f"  - split: {split}\n    path: es/{split}-*\n" for split in ("train", "validation", "test")
        )
        files = {
            f"es/{path.split('/')[1]}-00000-of-00001.parquet": rows for path, rows in mlsum(("es",)).items()
        }
        files["README.md"] = f"---\nconfigs:\n- config_name: es\n  data_files:\n{names}---\n".encode()
        server.add("mteb/mlsum", MTEB, files, kind="datasets")
        yield server
    assert not server.unhandled


Stage = Callable[..., str]


@pytest.fixture
def stage(project, hub) -> Stage:
    """A function that runs a stage in a process of its own, asking the hub, and returns what it says."""

    def outputs() -> dict[Path, bytes]:
        result = [path for folder in OUTPUTS for path in (project / folder).rglob("*")]
        return {path: path.read_bytes() for path in result if path.is_file()}

    def call(*command: str, fails: bool = False, **environment: str) -> str:
        before = outputs()
        process = start(*command, folder=project, environment=environment_of(project, hub), **environment)
        message = ended(process, 1 if fails else 0)
        if fails:
            assert outputs() == before
            assert "Traceback" not in message
            return message.strip().split("\n")[-1]
        return message

    return call


def python(code: str, hub: Hub) -> None:
    """Run `code`, as another program of the user's that shares HF_HOME."""
    subprocess.run([sys.executable, "-c", code], env=environment_of(Path.cwd(), hub), check=True)


@pytest.fixture
def from_hub(set_params) -> None:
    set_params({"weights": "hub"})


WEIGHTS = ("stages.weights", "flan-small")
FOLDER = Path("models/pretrained/flan-small")
WHERE = f"{FLAN['repo']}@{FLAN['revision']}"


# ---- weights


@pytest.mark.usefixtures("from_hub")
def test_weights_come_at_the_commit_verified_and_are_no_second_copy(project, hub, stage, tiny):
    stage(*WEIGHTS)
    provenance = read_json(FOLDER / "provenance.json")
    assert (provenance["source"], provenance["repo"], provenance["commit"]) == ("hub", *FLAN.values())
    written = {path.name for path in FOLDER.iterdir()} - {"provenance.json"}
    assert written == provenance["sha256"].keys() == {path.name for path in tiny["untied"].iterdir()}
    for name in written:
        assert (FOLDER / name).read_bytes() == (tiny["untied"] / name).read_bytes()
        assert (FOLDER / name).stat().st_nlink > 1, f"{name} stands a second time in the cache"
    assert not any(name in request for name in NEVER for request in hub.requests)


# What the clients ask, in this order but for the files, which are fetched side by side; of the weights the
# header comes first. With a Xet hash in
# the listing they would ask /api/models/…/xet-read-token/COMMIT and fetch from Xet's servers.
ASKED = """\
GET /api/models/R/revision/C
GET /api/models/R/tree/C?recursive=true&expand=false
GET /api/models/R/tree/C?recursive=true&expand=false
HEAD /R/resolve/C/config.json
HEAD /api/resolve-cache/models/R/C/config.json
GET /api/resolve-cache/models/R/C/config.json
HEAD /R/resolve/C/generation_config.json
HEAD /api/resolve-cache/models/R/C/generation_config.json
GET /api/resolve-cache/models/R/C/generation_config.json
GET /R/resolve/C/model.safetensors
GET /cdn/models/R/C/model.safetensors
HEAD /R/resolve/C/model.safetensors
GET /cdn/models/R/C/model.safetensors
HEAD /R/resolve/C/tokenizer.json
HEAD /api/resolve-cache/models/R/C/tokenizer.json
GET /api/resolve-cache/models/R/C/tokenizer.json
"""


@pytest.mark.usefixtures("from_hub")
def test_what_the_clients_ask_is_on_record(hub, stage):
    stage("stages.weights", "t5-base")
    asked = [text.replace(BASE["repo"], "R").replace(BASE["revision"], "C") for text in hub.requests]
    assert sorted(asked) == sorted(ASKED.splitlines())


@pytest.mark.usefixtures("from_hub")
def test_a_second_run_fetches_no_file_and_offline_none_is_asked(hub, stage):
    stage(*WEIGHTS)
    first, served = FOLDER.joinpath("provenance.json").read_bytes(), hub.bytes_served
    stage(*WEIGHTS)
    assert hub.bytes_served == served
    count = len(hub.requests)
    stage(*WEIGHTS, HF_HUB_OFFLINE="1")
    assert len(hub.requests) == count
    assert FOLDER.joinpath("provenance.json").read_bytes() == first


@pytest.mark.usefixtures("from_hub")
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_offline_a_file_that_is_damaged_in_the_cache_is_refused(hub, stage, name):
    stage(*WEIGHTS)
    file = FOLDER / name
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)  # a link into the cache
    message = stage(*WEIGHTS, fails=True, HF_HUB_OFFLINE="1")
    assert re.fullmatch(
        rf"error: {WHERE}: {name}: damaged in HF_HOME \(.*/blobs/[0-9a-f]{{40,64}}\); unset "
        "HF_HUB_OFFLINE, and it is fetched again",
        message,
    )


@pytest.mark.usefixtures("from_hub")
def test_offline_with_an_empty_cache_is_said(hub, stage):
    message = stage(*WEIGHTS, fails=True, HF_HUB_OFFLINE="1")
    assert message == (
        f"error: {WHERE}: HF_HUB_OFFLINE is set, and HF_HOME lacks it; unset it, or use profile=mini"
    )
    assert hub.requests == []


@pytest.mark.parametrize("by", ["this project", "another program"])
def test_offline_a_branch_names_the_commit_that_the_cache_knows(hub, stage, set_params, by):
    set_params({"weights": "hub", "checkpoints.flan-small.revision": "main"})
    if by == "this project":
        stage(*WEIGHTS)
    else:
        python(f"from huggingface_hub import snapshot_download; snapshot_download({FLAN['repo']!r})", hub)
    count = len(hub.requests)
    hub.repos["models", FLAN["repo"]].branches["main"] = "f" * 40
    stage(*WEIGHTS, HF_HUB_OFFLINE="1")
    assert len(hub.requests) == count
    assert read_json(FOLDER / "provenance.json")["commit"] == FLAN["revision"]


def test_offline_a_branch_that_the_cache_does_not_know_is_said(hub, stage, set_params):
    set_params({"weights": "hub"})
    stage(*WEIGHTS)  # at the commit
    set_params({"checkpoints.flan-small.revision": "main"})
    assert stage(*WEIGHTS, fails=True, HF_HUB_OFFLINE="1") == (
        f"error: {FLAN['repo']}@main: HF_HUB_OFFLINE is set, and HF_HOME lacks it; unset it, or use "
        "profile=mini"
    )


def test_offline_what_a_branch_lacks_in_the_cache_is_said(hub, stage, set_params):
    set_params({"weights": "hub", "checkpoints.flan-small.revision": "main"})
    python(f"from huggingface_hub import hf_hub_download as get; get({FLAN['repo']!r}, 'config.json')", hub)
    message = stage(*WEIGHTS, fails=True, HF_HUB_OFFLINE="1")
    assert message == (
        f"error: {WHERE}: lacks model*.safetensors in HF_HOME; unset HF_HUB_OFFLINE, and it is fetched"
    )


@pytest.mark.usefixtures("from_hub")
@pytest.mark.parametrize("how", ["gated", "private"])
def test_a_token_opens_gated_and_private_repositories(hub, stage, how):
    setattr(hub.repos["models", FLAN["repo"]], how, True)
    wanted = {"gated": "gated; accept its terms", "private": "no such repository, or a private one"}[how]
    for environment in ({}, {"HF_TOKEN": "hf_other"}):
        message = stage(*WEIGHTS, fails=True, **environment)
        assert message.startswith(f"error: {WHERE}: {wanted}")
        assert "set HF_TOKEN" in message
    stage(*WEIGHTS, HF_TOKEN=ALLOWED)
    assert (FOLDER / "model.safetensors").is_file()


WEIGHTS_FILE = "GET /cdn/.*/model.safetensors"  # is asked for twice: its header, then all of it

# A fault, and what passes for it: the stage ends well all the same.
MENDED = {
    "429, then fine": ("GET .*/tree/", {"status": 429, "headers": {"Retry-After": "1"}}),
    "500 on the listing": ("GET .*/tree/", {"status": 500}),
    "500 on a file's head": ("HEAD .*tokenizer.json", {"status": 500}),
    "500 on a small file": ("GET .*/generation_config.json", {"status": 500}),
    "500 on the header": (WEIGHTS_FILE, {"status": 503}),
    "a cut header": (WEIGHTS_FILE, {"cut_after": 5_000}),
    "500 on the weights": (WEIGHTS_FILE, {"after": 1, "status": 503}),
    "429 on the weights": (WEIGHTS_FILE, {"after": 1, "status": 429, "headers": {"Retry-After": "1"}}),
    "a cut connection": (WEIGHTS_FILE, {"after": 1, "cut_after": 5_000}),
    "a cut before the first byte": (WEIGHTS_FILE, {"after": 1, "cut_after": 0}),
    "a wrong byte in the weights": (WEIGHTS_FILE, {"after": 1, "wrong_byte": 4_000}),
    "a wrong byte in a small file": ("GET .*/tokenizer.json", {"wrong_byte": 4_000}),
}


@pytest.mark.usefixtures("from_hub")
@pytest.mark.parametrize("name", MENDED)
def test_a_passing_fault_is_mended(hub, stage, tiny, name):
    pattern, how = MENDED[name]
    hub.fail(pattern, **how)
    stage(*WEIGHTS)
    assert not any(fault.times for fault in hub.faults), "the fault did not happen"
    for path in tiny["untied"].iterdir():
        assert (FOLDER / path.name).read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("from_hub")
def test_after_a_cut_only_the_rest_is_fetched(hub, stage, tiny):
    """huggingface_hub writes 10 MB at a time, so what a cut costs is at most that."""
    files = {path.name: path.read_bytes() for path in tiny["untied"].iterdir()}
    noise = {"noise": np.frombuffer(Random(1).randbytes(32_000_000), np.uint8)}  # no tensor of a T5
    files["model.safetensors"] = save(load(files["model.safetensors"]) | noise)
    hub.add(FLAN["repo"], FLAN["revision"], files)
    hub.fail(WEIGHTS_FILE, after=1, cut_after=31_000_000)
    stage(*WEIGHTS)
    assert (FOLDER / "model.safetensors").read_bytes() == files["model.safetensors"]
    sizes = sum(map(len, files.values()))
    assert sizes < hub.bytes_served < sizes + 11_000_000


@pytest.mark.usefixtures("from_hub")
def test_what_was_whole_before_a_kill_is_not_fetched_again(project, hub, stage):
    hub.fail(WEIGHTS_FILE, times=99, after=1, status=500)
    running = start(*WEIGHTS, folder=project, environment=environment_of(project, hub))
    for _ in range(200):
        if sum(bool(re.match(WEIGHTS_FILE, request)) for request in hub.requests) > 1:
            break
        time.sleep(0.1)
    running.kill()
    running.communicate()
    assert not FOLDER.exists()
    hub.faults.clear()
    count = len(hub.requests)
    stage(*WEIGHTS)
    again = [
        request for request in hub.requests[count:] if request.startswith("GET") and "/tree/" not in request
    ]
    assert any("model.safetensors" in request for request in again)
    assert not any(request.endswith("/config.json") for request in again)
    assert (FOLDER / "model.safetensors").is_file()


# A fault that stays, and what the message says after the repository and its commit.
LASTING = {
    "401": ("/api/", {"status": 401}, "the hub answered 401; set HF_TOKEN to a token that may read it"),
    "403": ("/api/", {"status": 403}, "the hub answered 403; set HF_TOKEN to a token that may read it"),
    "500": ("/api/", {"status": 500}, "the hub answered "),
    "500 on the weights": ("GET .*/model.safetensors", {"status": 500}, "the hub answered "),
    "a wrong byte": (
        WEIGHTS_FILE,
        {"after": 1, "wrong_byte": 4_000},
        "model.safetensors: 3 times another content than the hub lists",
    ),
}


@pytest.mark.usefixtures("from_hub")
@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_fault_is_one_line_and_the_next_run_completes(hub, stage, name):
    pattern, how, wanted = LASTING[name]
    hub.fail(pattern, times=99, **how)
    assert stage(*WEIGHTS, fails=True).startswith(f"error: {WHERE}: {wanted}")
    hub.faults.clear()
    stage(*WEIGHTS)
    assert (FOLDER / "model.safetensors").is_file()


@pytest.mark.usefixtures("from_hub")
def test_no_hub_at_all_is_said_with_a_way_out(stage):
    message = stage(*WEIGHTS, fails=True, HF_ENDPOINT="http://127.0.0.1:9")
    assert message.startswith(f"error: {WHERE}: cannot reach http://127.0.0.1:9 (ConnectError); connect, set")


IMPATIENT = {"HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}
HANGING = {  # which request of `weights` has no answer, and what the message names
    "the listing": ("GET /api/models/.*/tree/", "127.0.0.1", "HF_HUB_DOWNLOAD_TIMEOUT"),
    "a file's head": ("HEAD .*/config.json", "127.0.0.1", "HF_HUB_ETAG_TIMEOUT"),
    "the weights": (WEIGHTS_FILE, "localhost", "HF_HUB_DOWNLOAD_TIMEOUT"),
}


@pytest.mark.usefixtures("from_hub")
@pytest.mark.parametrize("name", HANGING)
def test_a_hub_that_never_answers_is_asked_three_times_and_named(hub, stage, name):
    pattern, host, variable = HANGING[name]
    hub.fail(pattern, times=99, hangs=True)
    message = stage(*WEIGHTS, fails=True, **IMPATIENT)
    assert message == (
        f"error: {WHERE}: http://{host}:{hub.port} does not answer within 1 s; try again later, set "
        f"HF_ENDPOINT to a mirror, or {variable} to more seconds"
    )
    assert sum(bool(re.search(pattern, request)) for request in hub.requests) == 3


@pytest.mark.usefixtures("from_hub")
def test_a_retry_is_said(hub, stage):
    hub.fail("GET /api/models/.*/revision/", times=2, hangs=True)
    message = stage(*WEIGHTS, **IMPATIENT)
    asked = (
        f"hub: GET {hub.url}/api/models/{FLAN['repo']}/revision/{FLAN['revision']}: no answer; trying again"
    )
    assert f"{asked} (2 of 3)\n{asked} (3 of 3)\n" in message


@pytest.mark.usefixtures("from_hub")
def test_weights_that_stall_each_time_are_given_up(hub, stage):
    hub.fail(WEIGHTS_FILE, after=1, times=99, hangs=True, cut_after=5_000)
    message = stage(*WEIGHTS, fails=True, **IMPATIENT)
    assert message.startswith(f"error: {WHERE}: {hub.cdn} does not answer within 1 s; try again later, ")
    assert sum(bool(re.search(WEIGHTS_FILE, request)) for request in hub.requests) < 9


def too_many(seconds: str) -> dict[str, Any]:
    return {"status": 429, "headers": {"Retry-After": seconds}}


@pytest.mark.usefixtures("from_hub")
def test_a_429_is_waited_out_and_said_once(hub, stage):
    hub.fail("HEAD .*json", times=3, **too_many("3"))  # of several files, which are fetched side by side
    message = stage(*WEIGHTS)
    waits = [line for line in message.splitlines() if "429" in line]
    wanted = (
        r"hub: 127.0.0.1 answered 429, too many requests; waiting 3 s \(try 2 of 3\); HF_TOKEN raises the"
    )
    assert len([line for line in waits if re.match(wanted, line)]) == len(waits) == 1


@pytest.mark.usefixtures("from_hub")
def test_a_429_that_lasts_is_tried_three_times(hub, stage):
    hub.fail("GET .*/tree/", times=99, **too_many("2"))
    message = stage(*WEIGHTS, fails=True, HF_TOKEN=ALLOWED)
    assert message == f"error: {WHERE}: 127.0.0.1 answered 429, too many requests; try again in 2 s"
    assert sum("/tree/" in request for request in hub.requests) == 3


@pytest.mark.usefixtures("from_hub")
def test_a_429_of_an_hour_is_not_waited_for(hub, stage):
    hub.fail("GET .*/tree/", times=99, **too_many("3600"))
    message = stage(*WEIGHTS, fails=True)
    assert message == (
        f"error: {WHERE}: 127.0.0.1 answered 429, too many requests; try again in 3,600 s; HF_TOKEN raises "
        "the limit"
    )
    assert sum("/tree/" in request for request in hub.requests) == 1


# A proxy, and what the message says of it.
PROXIES = {
    "a dead one": (
        {"http_proxy": "http://me:secret@127.0.0.1:9"},
        "through the proxy http_proxy=http://127.0.0.1:9 (ConnectError: ",
    ),
    "a dead one for all": (
        {"ALL_PROXY": "http://127.0.0.1:9"},
        "through the proxy ALL_PROXY=http://127.0.0.1:9 (",
    ),
    "SOCKS without its package": (
        {"ALL_PROXY": "socks5://me:secret@127.0.0.1:9"},
        f"{WHERE}: ALL_PROXY=socks5://127.0.0.1:9: a SOCKS proxy needs a package: `pip install socksio`, or",
    ),
    "another kind": (
        {"HTTPS_PROXY": "gopher://me:secret@127.0.0.1:9"},
        f"{WHERE}: HTTPS_PROXY=gopher://127.0.0.1:9: no proxy's address (",
    ),
    "no address": (
        {"HTTP_PROXY": "http://me:secret@127.0.0.1:port"},
        f"{WHERE}: HTTP_PROXY=http://127.0.0.1:port: no proxy's address (",
    ),
}


@pytest.mark.usefixtures("from_hub")
@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_that_does_not_serve_is_named_without_its_password(stage, name):
    variables, wanted = PROXIES[name]
    message = stage(*WEIGHTS, fails=True, **variables, no_proxy="")
    assert wanted in message
    assert message.endswith("unset it")
    assert "secret" not in message


@pytest.mark.usefixtures("from_hub")
def test_a_proxy_that_never_answers_is_named(stage):
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
        message = stage(*WEIGHTS, fails=True, http_proxy=proxy, **IMPATIENT)
    assert f"does not answer within 1 s through the proxy http_proxy={proxy}; try again" in message


@pytest.mark.usefixtures("from_hub")
def test_a_warning_of_the_client_is_printed_once(hub, stage):
    hub.fail("GET .*/tree/", times=2, status=500)
    lines = stage(*WEIGHTS).splitlines()
    warnings = [line for line in lines if "HTTP Error 500" in line or "Retrying in" in line]
    assert len(warnings) == len(set(warnings)) == 3  # the error, and two waits of different length
    assert all(line.startswith("huggingface_hub.") for line in warnings)


@pytest.mark.usefixtures("from_hub")
def test_xet_is_asked_for_by_name_and_its_absence_is_said(hub, stage):
    hub.repos["models", FLAN["repo"]].xet = True
    message = stage(*WEIGHTS, fails=True)
    assert message.startswith(f"error: {WHERE}: Xet: ")
    assert message.endswith("; try again later, or set HF_HUB_DISABLE_XET=1 to fetch over plain HTTP")
    assert f"GET /api/models/{FLAN['repo']}/xet-read-token/{FLAN['revision']}" in hub.requests
    stage(*WEIGHTS, HF_HUB_DISABLE_XET="1")
    assert (FOLDER / "model.safetensors").is_file()


REFUSED = {
    "no name of a repository": ({"repo": "https://hub/flan"}, "expected a repository as owner/name"),
    "an unknown repository": ({"repo": "google/flan-t5-smal"}, "no such repository, or a private one"),
    "a commit that is not there": ({"revision": "f" * 40}, "no such revision in this repository"),
    "a branch that is not there": ({"revision": "develop"}, "no such revision in this repository"),
    "pickles only": ({"repo": "me/pickles", "revision": "main"}, "has its weights as pytorch_model.bin only"),
    "another architecture": (
        {"repo": "me/bert", "revision": "main"},
        "config.json: 'bert' (None) is not run here: neither an encoder-decoder",
    ),
    "no tokenizer": ({"repo": "me/bare", "revision": "main"}, "lacks tokenizer.json; expected what"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_repository_that_holds_no_such_model_is_refused(hub, stage, set_params, tiny, name):
    files = {path.name: path.read_bytes() for path in tiny["untied"].iterdir()}
    weights = files.pop("model.safetensors")
    hub.add("me/pickles", "1" * 40, files | NEVER)
    hub.add(
        "me/bert", "2" * 40, files | {"model.safetensors": weights, "config.json": b'{"model_type": "bert"}'}
    )
    del files["tokenizer.json"]
    hub.add("me/bare", "3" * 40, files | {"model.safetensors": weights})
    change, wanted = REFUSED[name]
    set_params({"weights": "hub", "checkpoints.flan-small": dict(FLAN) | change})
    assert wanted in stage(*WEIGHTS, fails=True)
    assert not any("GET" in request and "model.safetensors" in request for request in hub.requests)


def test_weights_in_a_pull_request_are_named_with_who_opened_it_and_taken_when_asked_for(
    hub, stage, set_params, tiny
):
    files = {path.name: path.read_bytes() for path in tiny["mt5"].iterdir()}
    pickles = {name: content for name, content in files.items() if name != "model.safetensors"} | NEVER
    hub.add("google/mt5-small", "5" * 40, pickles)
    for number, content in ((2, pickles), (9, files | NEVER)):
        hub.add("google/mt5-small", f"{number}" * 40, content, branch=f"refs/pr/{number}")
    given = {"repo": "google/mt5-small", "revision": "main"}
    set_params({"weights": "hub", "checkpoints.flan-small": given})
    message = stage(*WEIGHTS, fails=True)
    assert message == (
        f"error: google/mt5-small@{'5' * 40}: has its weights as pytorch_model.bin only, which can run "
        "code when it is read; refs/pr/9 has model.safetensors, by opener-of-9, which the repository's owner "
        "has not taken over; if you trust it: `revision: refs/pr/9`"
    )
    set_params({"checkpoints.flan-small": given | {"revision": "refs/pr/9"}})
    stage(*WEIGHTS)
    assert (FOLDER / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert read_json(FOLDER / "provenance.json")["commit"] == "9" * 40


NO_OTHER = (
    "no branch and no pull request with model.safetensors was found; save it as one and give the checkpoint "
    "its folder"
)
LAYOUTS = {  # as repositories of the field are: the kind, what is on main, the pull request with safetensors
    "google/mt5-small": ("mt5", ("pytorch_model.bin", "spiece.model"), None),
    "google/umt5-small": ("umt5", ("pytorch_model.bin", "spiece.model"), 1),
    "google/t5-base-lm-adapt": ("untied", ("pytorch_model.bin", "spiece.model"), 2),
    "vgaraujov/t5-base-spanish": ("untied", ("model.safetensors", "spiece.model"), None),
    "LeoCordoba/mt5-small-mlsum": ("mt5", ("model.safetensors", "spiece.model", "tokenizer.json"), None),
    "csebuetnlp/mT5_multilingual_XLSum": ("mt5", ("pytorch_model.bin", "spiece.model"), None),
}


@pytest.mark.parametrize("repo", LAYOUTS)
def test_a_layout_of_the_field_works_by_params_alone_or_a_line_names_the_way(
    hub, stage, set_params, tiny, spiece, repo
):
    kind, names, request = LAYOUTS[repo]
    has = {path.name: path.read_bytes() for path in tiny[kind].iterdir()}
    has |= {"spiece.model": spiece.read_bytes(), "pytorch_model.bin": b"a pickle"}
    main = {"config.json": has["config.json"], **{name: has[name] for name in names}}
    hub.add(repo, "1" * 40, main)
    if request:
        changed = main | {"model.safetensors": has["model.safetensors"]}
        hub.add(repo, "2" * 40, changed, branch=f"refs/pr/{request}")
    given = {"repo": repo, "revision": "main"}
    set_params({"weights": "hub", "checkpoints.flan-small": given})
    if "pytorch_model.bin" in names:
        message = stage(*WEIGHTS, fails=True)
        way = f"if you trust it: `revision: refs/pr/{request}`" if request else NO_OTHER
        assert message.endswith(f"; {way}")
        if not request:
            return
        set_params({"checkpoints.flan-small": given | {"revision": f"refs/pr/{request}"}})
    stage(*WEIGHTS)
    model, tokenizer = load_t5(FOLDER, torch.float32, torch.device("cpu")), load_tokenizer(FOLDER)
    assert model.config.model_type == ("t5" if kind == "untied" else kind)
    (text,) = decode(tokenizer, encode(tokenizer, ["El agua corre."]))
    assert text == "El agua corre."


def test_a_hub_that_does_not_list_its_refs_is_no_hub_without_them(hub, stage, set_params, tiny):
    pickles = {name: (tiny["mt5"] / name).read_bytes() for name in ("config.json", "tokenizer.json")} | NEVER
    hub.add("google/mt5-small", "5" * 40, pickles)
    hub.fail("GET /api/models/.*/refs", times=99, status=403)
    set_params({"weights": "hub", "checkpoints.flan-small": {"repo": "google/mt5-small", "revision": "main"}})
    message = stage(*WEIGHTS, fails=True)
    assert "; whether another revision has model.safetensors is not known: " in message
    assert message.endswith("the hub answered 403; set HF_TOKEN to a token that may read it")


@pytest.mark.usefixtures("from_hub")
@pytest.mark.parametrize("extra_ids", [None, 0])
def test_a_tokenizer_is_made_of_a_spiece_model_where_there_is_no_other(hub, stage, tiny, spiece, extra_ids):
    files = {path.name: path.read_bytes() for path in tiny["untied"].iterdir()}
    del files["tokenizer.json"]
    kind = {"tokenizer_class": "T5Tokenizer"} | ({} if extra_ids is None else {"extra_ids": extra_ids})
    own = {"spiece.model": spiece.read_bytes(), "tokenizer_config.json": json.dumps(kind).encode()}
    hub.add(FLAN["repo"], FLAN["revision"], files | own)
    stage(*WEIGHTS)
    pieces = len(SentencePieceProcessor(model_file=str(spiece)))
    made = load_tokenizer(FOLDER)
    assert made.get_vocab_size() == pieces + (100 if extra_ids is None else extra_ids)
    assert read_json(FOLDER / "provenance.json")["sha256"].keys() >= {"spiece.model", "tokenizer.json"}


@pytest.mark.usefixtures("from_hub")
@pytest.mark.parametrize("name", INCOMPLETE)
def test_incomplete_weights_are_refused_by_their_headers_alone(hub, stage, tiny, name):
    files = {path.name: path.read_bytes() for path in tiny["untied"].iterdir()}
    tensors = load(files.pop("model.safetensors"))
    noise = {"noise": np.zeros(3_000_000, np.uint8)}  # the header comes with the first 100 kB of a file
    weights, message = INCOMPLETE[name]
    hub.add(FLAN["repo"], FLAN["revision"], files | weights(tensors | noise))
    refused = stage(*WEIGHTS, fails=True)
    assert refused.startswith(f"error: {WHERE}")
    assert message in refused
    assert hub.bytes_served < 1_000_000
    assert not any(re.match("HEAD .*safetensors$", request) for request in hub.requests)


@pytest.mark.usefixtures("from_hub")
def test_weights_in_shards_are_fetched(hub, stage, tiny):
    files = {path.name: path.read_bytes() for path in tiny["untied"].iterdir()}
    tensors = load(files.pop("model.safetensors"))
    hub.add(FLAN["repo"], FLAN["revision"], files | COMPLETE["shards"](tensors))
    stage(*WEIGHTS)
    assert len(list(FOLDER.glob("model-*.safetensors"))) == 2


@pytest.mark.usefixtures("from_hub")
def test_offline_incomplete_weights_in_the_cache_are_refused(hub, stage, tiny):
    files = {path.name: path.read_bytes() for path in tiny["untied"].iterdir()}
    weights, message = INCOMPLETE["a tensor is missing"]
    hub.add(FLAN["repo"], FLAN["revision"], files | weights(load(files["model.safetensors"])))
    fetch = "from huggingface_hub import snapshot_download; "
    fetch += f"snapshot_download({FLAN['repo']!r}, revision={FLAN['revision']!r})"
    python(fetch, hub)
    assert stage(*WEIGHTS, fails=True, HF_HUB_OFFLINE="1").startswith(f"error: {WHERE}{message}")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.usefixtures("from_hub")
def test_a_full_disk_is_said_and_leaves_nothing_half_written(project, stage):
    small = project / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a disk")
    try:
        message = stage(*WEIGHTS, fails=True, HF_HOME=str(small))
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert re.search(r"no space left for it under .*small; free some, or set HF_HOME", message)


# ---- the dataset


FETCH = ("stages.fetch",)


def rows_of(split: str) -> list[dict]:
    return list(read_table(Path(f"data/raw/{split}.parquet"), RAW.names))


@pytest.fixture
def course(set_params) -> None:
    set_params({"profile": "course", "data.train": 150, "data.validation": 50, "data.test": 20})


@pytest.mark.usefixtures("course")
def test_the_first_rows_are_streamed_and_no_more_is_fetched_than_they_need(hub, stage):
    message = stage(*FETCH)
    rows = rows_of("train")
    assert [row["text"].split(":")[0] for row in rows] == [f"text es train {number}" for number in range(150)]
    assert (len(rows_of("validation")), len(rows_of("test"))) == (50, 20)
    assert not any("/fr/" in request and "tree" not in request for request in hub.requests)
    assert f"reciTAL/mlsum at commit {MLSUM}; licence: non-commercial research only" in message
    assert "has 1000 rows in the repository; MLSUM's card says 266367" in message


@pytest.mark.usefixtures("course")
def test_no_more_is_fetched_than_the_row_groups_that_are_wanted(hub, stage):
    rng = Random(1)
    files = mlsum()
    files["es/train/0000.parquet"] = parquet("es", "train", 3_000, extra=lambda: rng.randbytes(3_000).hex())
    hub.add("reciTAL/mlsum", MLSUM, files, kind="datasets", branch="refs/convert/parquet")
    stage(*FETCH)
    assert len(rows_of("train")) == 150
    assert hub.bytes_served < 0.25 * len(files["es/train/0000.parquet"])


@pytest.mark.usefixtures("course")
def test_the_commit_and_the_licence_are_recorded(stage):
    stage(*FETCH)
    (origin,) = read_json(Path("metrics/data.json"))["provenance"]
    assert (origin["repo"], origin["commit"], origin["data_dir"]) == ("reciTAL/mlsum", MLSUM, "es")
    assert origin["licence"].startswith("non-commercial research only")


def test_all_rows_are_fetched_whole_and_verified(hub, stage, set_params):
    set_params({"profile": "mlsum"})
    hub.fail("GET /cdn/.*es/train", wrong_byte=20_000)
    message = stage(*FETCH)
    assert "es/train/0000.parquet is not what the hub lists; fetching it again" in message
    assert [len(rows_of(split)) for split in ("train", "validation", "test")] == [1000, 60, 50]
    served = hub.bytes_served
    stage(*FETCH)
    assert hub.bytes_served == served


def test_another_language_is_another_folder(stage, set_params):
    set_params({"profile": "mlsum", "profiles.mlsum.data.data_dir": "fr"})
    stage(*FETCH)
    assert all(row["text"].startswith("text fr train") for row in rows_of("train"))


def test_a_repository_with_names_is_read_by_name(stage, set_params):
    source = {"source": "hub", "repo": "mteb/mlsum", "revision": "main", "config": "es"}
    set_params(
        {
            "profile": "mlsum",
            "profiles.mlsum.data": source | dict.fromkeys(("train", "validation", "test"), "all"),
        }
    )
    stage(*FETCH)
    assert len(rows_of("train")) == 1000
    (origin,) = read_json(Path("metrics/data.json"))["provenance"]
    assert (origin["commit"], origin["config"]) == (MTEB, "es")


@pytest.mark.usefixtures("course")
def test_a_branch_that_moved_is_another_commit_until_it_is_pinned(project, hub, stage):
    stage(*FETCH)
    first = rows_of("train")
    before = (project / "params.yaml").read_text(encoding="utf-8")
    message = stage(*FETCH, "--pin")
    assert f"profiles.course.data.revision is now {MLSUM} (it was refs/convert/parquet)" in message
    after = (project / "params.yaml").read_text(encoding="utf-8")
    changed = [
        pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]
    ]
    assert changed == [("      revision: refs/convert/parquet", f'      revision: "{MLSUM}"')]
    branch = "refs/convert/parquet"
    hub.add("reciTAL/mlsum", MOVED, mlsum(train=300), kind="datasets", branch=branch)
    stage(*FETCH)
    assert rows_of("train") == first
    assert "is a commit already" in stage(*FETCH, "--pin")
    set_text(project / "params.yaml", "profiles.course.data.revision", branch)
    stage(*FETCH)
    assert read_json(Path("metrics/data.json"))["provenance"][0]["commit"] == MOVED


def test_there_is_nothing_to_pin_without_the_hub(stage):
    message = stage(*FETCH, "--pin", fails=True)
    assert message.startswith(
        "error: params.yaml: profile: mini takes no rows from the hub, so there is nothing"
    )


def by_name(profile: dict[str, Any]) -> dict[str, Any]:
    """Return the params of a profile that takes its rows from mteb/mlsum, whose card has names."""
    source = {"source": "hub", "repo": "mteb/mlsum", "revision": "main", "config": "es"}
    return {"profile": "mlsum", "profiles.mlsum.data": source | profile}


WHOLE = dict.fromkeys(("train", "validation", "test"), "all")
OFFLINE = {"HF_HUB_OFFLINE": "1"}


@pytest.mark.parametrize("params", [{"profile": "mlsum"}, by_name(WHOLE)], ids=["a folder", "a name"])
def test_offline_a_dataset_that_lies_whole_in_the_cache_is_read_from_it(hub, stage, set_params, params):
    set_params(params)
    stage(*FETCH)
    outputs = [*Path("data/raw").iterdir(), Path("metrics/data.json")]
    before, count = [path.read_bytes() for path in outputs], len(hub.requests)
    stage(*FETCH, **OFFLINE)
    assert [path.read_bytes() for path in outputs] == before
    set_params({"profiles.mlsum.data.train": 150})  # of a file that lies whole in the cache
    stage(*FETCH, **OFFLINE)
    assert len(rows_of("train")) == 150
    assert len(hub.requests) == count


@pytest.mark.usefixtures("course")
def test_offline_rows_that_were_streamed_are_said_not_to_be_kept(stage):
    stage(*FETCH)
    message = stage(*FETCH, fails=True, **OFFLINE)
    assert message.startswith(
        f"error: reciTAL/mlsum@{MLSUM}: HF_HUB_OFFLINE is set, and HF_HOME lacks it: the"
    )


def test_offline_a_file_that_the_cache_lacks_is_said(project, stage, set_params):
    set_params({"profile": "mlsum"})
    stage(*FETCH)
    (file,) = project.glob("huggingface/hub/datasets--*/snapshots/*/es/test/0000.parquet")
    file.unlink()
    message = stage(*FETCH, fails=True, **OFFLINE)
    assert message.startswith(
        f"error: reciTAL/mlsum@{MLSUM}: es/test/0000.parquet: HF_HUB_OFFLINE is set, and"
    )


def test_offline_the_licence_is_that_of_the_card_in_the_cache(hub, stage, set_params):
    files = {"README.md": b"---\nlicense: cc-by-4.0\n---\n"} | mlsum(("es",))
    hub.add("me/noticias", "1" * 40, files, kind="datasets", card={"license": "cc-by-4.0"})
    set_params({"profile": "mlsum"})
    set_params(
        {
            f"profiles.mlsum.data.{key}": value
            for key, value in (("repo", "me/noticias"), ("revision", "main"))
        }
    )
    for environment in ({}, OFFLINE):
        stage(*FETCH, **environment)
        assert read_json(Path("metrics/data.json"))["provenance"][0]["licence"] == "cc-by-4.0"


ROWS_MENDED = {
    "429, then fine": ("GET /api/datasets/.*/revision/", {"status": 429, "headers": {"Retry-After": "1"}}),
    "500 on the branch": ("GET /api/datasets/.*/revision/refs", {"status": 500}),
    "500 on the listing": ("GET /api/datasets/.*/tree/", {"status": 500}),
    "500 on the rows": ("GET /cdn/.*train", {"status": 500}),
    "500 on the listing's check": ("GET /api/datasets/.*/auth-check", {"status": 500}),
    "a cut connection": ("GET /cdn/.*train", {"cut_after": 2_000}),
}


@pytest.mark.usefixtures("course")
@pytest.mark.parametrize("name", ROWS_MENDED)
def test_a_passing_fault_of_the_dataset_is_mended(hub, stage, name):
    pattern, how = ROWS_MENDED[name]
    hub.fail(pattern, **how)
    stage(*FETCH)
    assert not any(fault.times for fault in hub.faults), "the fault did not happen"
    assert len(rows_of("train")) == 150


ROWS_HANGING = {
    "the check": "GET /api/datasets/.*/auth-check",
    "the rows": "GET /cdn/.*train",
}


@pytest.mark.usefixtures("course")
@pytest.mark.parametrize("name", ROWS_HANGING)
def test_a_hub_that_never_answers_for_a_dataset_is_asked_three_times_and_named(hub, stage, name):
    hub.fail(ROWS_HANGING[name], times=99, hangs=True)
    message = stage(*FETCH, fails=True, **IMPATIENT)
    assert re.match(
        r"error: .*reciTAL/mlsum@.*: http://\S+ does not answer within 1 s; try again later, ", message
    )
    assert sum(bool(re.search(ROWS_HANGING[name], request)) for request in hub.requests) == 3


ROWS_REFUSED = {
    "no name of a repository": ({"repo": "mlsum/es/all"}, "expected a repository as owner/name"),
    "an unknown repository": ({"repo": "reciTAL/mlsun"}, "no such repository, or a private one"),
    "a commit that is not there": ({"revision": "f" * 40}, "no such revision in this repository"),
    "an unknown folder": ({"data_dir": "it"}, "nothing for data_dir 'it'"),
    "an unknown name": (
        {"data_dir": None, "config": "es", "repo": "me/none", "revision": "main"},
        "nothing for config",
    ),
    "a script": (
        {"revision": "main"},
        "has a loading script, which is never run; set revision: refs/convert/parquet, and data_dir to one "
        "of es, fr",
    ),
    "without a column": (
        {"repo": "me/bare", "revision": "main"},
        "lacks columns ['summary'], has ['text']; set the profile's data.columns to those that it has",
    ),
    "without a split": (
        {"repo": "me/lone", "revision": "main", "validation": "all"},
        "data_dir 'es' lacks validation, has ['train']; set the profile's data.splits.validation to one of "
        "them, or a number of rows, which are cut from train",
    ),
    "without a split that is named": (
        {"repo": "me/lone", "revision": "main", "splits": {"test": "test.i"}},
        "data_dir 'es' lacks test.i, has ['train']; set",
    ),
    "too few rows to cut from": (
        {"repo": "me/lone", "revision": "main"},
        "expected fewer than the 50 rows of train, which they are cut from, got 700; lower them",
    ),
    "a format of no rows": ({"repo": "me/texts", "revision": "main"}, "expected one of .csv, "),
    "broken Parquet": ({"repo": "me/broken", "revision": "main"}, "not readable as Parquet"),
}


@pytest.mark.parametrize("name", ROWS_REFUSED)
def test_a_dataset_that_cannot_be_read_is_refused(hub, stage, set_params, name):
    bare = {path: parquet("es", "train", 50, ("text",)) for path in mlsum(("es",))}
    line = b'{"text": "a", "summary": "b"}\n'
    hub.add("me/bare", "1" * 40, bare, kind="datasets")
    hub.add("me/lone", "2" * 40, {"es/train/0000.parquet": parquet("es", "train", 50)}, kind="datasets")
    splits = ("train", "validation", "test")
    hub.add("me/texts", "3" * 40, {f"es/{split}.txt": line for split in splits}, kind="datasets")
    hub.add(
        "me/broken", "4" * 40, dict.fromkeys(mlsum(("es",)), b"PAR1 no rows at all PAR1"), kind="datasets"
    )
    hub.add("me/none", "5" * 40, mlsum(("es",)), kind="datasets")
    change, wanted = ROWS_REFUSED[name]
    set_params(
        {"profile": "course"} | {f"profiles.course.data.{key}": value for key, value in change.items()}
    )
    assert wanted in stage(*FETCH, fails=True)


@pytest.mark.usefixtures("course")
def test_two_runs_with_an_empty_cache_each_make_the_same_bytes(project, stage):
    stage(*FETCH)
    first = {path.name: path.read_bytes() for path in Path("data/raw").iterdir()}
    shutil.rmtree(project / "huggingface")
    stage(*FETCH)
    assert first == {path.name: path.read_bytes() for path in Path("data/raw").iterdir()}


def rows_in(format_: str, names: dict[str, str], split: str, count: int) -> bytes:
    """Return `count` rows under a repository's own `names`, a column more beside them."""
    rows = [
        {theirs: f"{ours} {split} {row}: {'que no ' * 20}" for ours, theirs in names.items()}
        | {"extra": [row]}
        for row in range(count)
    ]
    if format_ == "parquet":
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), file)
        return file.getvalue()
    plain = [{name: value for name, value in row.items() if name != "extra"} for row in rows]
    if format_ == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, plain[0].keys())
        writer.writeheader()
        writer.writerows(plain)
        return out.getvalue().encode()
    return "".join(json.dumps(row) + "\n" for row in plain).encode()


SPLIT_NAMES = ("train", "validation", "test")
DACSA_SPLITS = ("train", "validation", "test.i", "test.ni")
ARTICLE, DIALOGUE, DOCUMENT = (
    {"text": text, "summary": summary}
    for text, summary in (("article", "highlights"), ("dialogue", "summary"), ("document", "summary"))
)
CORPORA = {  # by what they are: repository, files, what params say
    "XL-Sum": (
        "csebuetnlp/xlsum",
        {
            f"spanish/{split}/0000.parquet": ("parquet", {"text": "text", "summary": "summary"})
            for split in SPLIT_NAMES
        },
        {"data_dir": "spanish"},
    ),
    "CNN/DailyMail": (
        "abisee/cnn_dailymail",
        {
            f"{version}/{split}-00000-of-00001.parquet": ("parquet", ARTICLE)
            for version in ("1.0.0", "2.0.0", "3.0.0")
            for split in SPLIT_NAMES
        },
        {"revision": "main", "data_dir": "3.0.0"}
        | {"columns.text": "article", "columns.summary": "highlights"},
    ),
    "XSum": (
        "EdinburghNLP/xsum",
        {f"default/{split}/0000.parquet": ("parquet", DOCUMENT) for split in SPLIT_NAMES},
        {"data_dir": "default", "columns.text": "document"},
    ),
    "samsum": (
        "knkarthick/samsum",
        {f"{split}.csv": ("csv", DIALOGUE) for split in SPLIT_NAMES},
        {"revision": "main", "data_dir": None, "columns.text": "dialogue"},
    ),
    "JSON Lines": (
        "me/lines",
        {f"data/{split}.jsonl": ("jsonl", DIALOGUE) for split in SPLIT_NAMES},
        {"data_dir": None, "columns.text": "dialogue"},
    ),
    "DACSA": (
        "ELiRF/dacsa",
        {
            f"data/{split}-00000-of-00001.parquet": ("parquet", {"text": "article", "summary": "summary"})
            for split in DACSA_SPLITS
        },
        {"data_dir": None, "columns.text": "article", "splits.test": "test.i", "revision": "main"},
    ),
    "a team's": (
        "equipo/noticias",
        {"train.csv": ("csv", {"text": "Artículo", "summary": "Titular"})},
        {"data_dir": None, "columns.text": "Artículo", "columns.summary": "Titular", "seed": None},
    ),
}


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_of_any_layout_is_fetched_by_params_alone(hub, stage, set_params, name):
    repo, files, params = CORPORA[name]
    sizes = {"train": 60, "validation": 9, "test": 8}
    content = {
        path: rows_in(format_, names, next(split for split in SPLIT_NAMES if split in path), 90)
        for path, (format_, names) in files.items()
    }
    if name == "CNN/DailyMail":
        versions = ("1.0.0", "2.0.0", "3.0.0")
        content["README.md"] = "\n".join(
            ["---", "configs:"]
            + [
                line
                for version in versions
                for line in [
                    f"- config_name: {version}",
                    "  data_files:",
                    *(f"  - split: {one}\n    path: {version}/{one}-*" for one in SPLIT_NAMES),
                ]
            ]
            + ["---", ""]
        ).encode()
    if name == "DACSA":
        parts = "".join(f"  - split: {split}\n    path: data/{split}-*\n" for split in DACSA_SPLITS)
        content["README.md"] = f"---\nconfigs:\n- config_name: default\n  data_files:\n{parts}---\n".encode()
        content["data/test.ni-00000-of-00001.parquet"] = rows_in("parquet", ARTICLE, "other", 9)
    branch = params.get("revision", "refs/convert/parquet")
    hub.add(
        repo,
        "7" * 40,
        content | {"index.duckdb": b"no rows"},
        kind="datasets",
        branch=branch,
        gated=name == "DACSA",
    )
    given = {"repo": repo, **params, **sizes}
    given.pop("seed", None)
    set_params(
        {
            "profile": "hub",
            "data.drop.near_duplicate": False,
            "data.drop.near_duplicate_in_earlier_split": False,
        }
    )
    set_params({f"profiles.hub.data.{key}": value for key, value in given.items()})
    if name == "DACSA":
        assert "gated; accept its terms on the hub and set HF_TOKEN" in stage(*FETCH, fails=True)
    message = stage(*FETCH, **({"HF_TOKEN": ALLOWED} if name == "DACSA" else {}))
    rows = {split: rows_of(split) for split in SPLIT_NAMES}
    assert {split: len(found) for split, found in rows.items()} == sizes
    assert all(
        row["text"].startswith("text ") and row["summary"].startswith("summary ") for row in rows["train"]
    )
    if name == "a team's":
        assert "validation is not in the repository: 9 rows are cut from train, by data.seed" in message
        (origin,) = read_json(Path("metrics/data.json"))["provenance"]
        assert origin["validation_cut_from_train"] == 9
        assert origin["test_cut_from_train"] == 8
        ids = [row["id"] for found in rows.values() for row in found]
        assert len(set(ids)) == sum(sizes.values())
        assert all(one.startswith("train-") for one in ids)
    else:
        assert [row["text"].split(":")[0] for row in rows["test"]] == [
            f"text test {number}" for number in range(8)
        ]


def test_the_parts_of_a_corpus_are_named_where_none_is_chosen(hub, stage, set_params):
    content = {
        f"{language}/{split}.jsonl": rows_in("jsonl", DIALOGUE, split, 9)
        for language in ("ca", "es")
        for split in SPLIT_NAMES
    }
    hub.add("me/folders", "7" * 40, content, kind="datasets")
    parts = "".join(f"- config_name: {one}\n  data_files: {one}/*.jsonl\n" for one in ("ca", "es"))
    card = f"---\nconfigs:\n{parts}---\n".encode()
    hub.add("me/parts", "8" * 40, content | {"README.md": card}, kind="datasets")
    set_params({"profile": "hub"})
    for repo, data_dir, wanted in (
        ("me/parts", None, "; set the profile's data.config to one of 'ca', 'es'"),
        ("me/folders", "eu", "; set the profile's data.data_dir to one of ca, es"),
    ):
        given = {"repo": repo, "revision": "main", "data_dir": data_dir}
        set_params({f"profiles.hub.data.{key}": value for key, value in given.items()})
        assert stage(*FETCH, fails=True).endswith(wanted)


def test_the_licence_of_converted_rows_is_that_of_the_main_branch(hub, stage, set_params):
    files = {
        f"spanish/{split}/0000.parquet": rows_in("parquet", {"text": "text", "summary": "summary"}, split, 30)
        for split in SPLIT_NAMES
    }
    hub.add("csebuetnlp/xlsum", "7" * 40, files, kind="datasets", branch="refs/convert/parquet")
    script = {"xlsum.py": b"raise SystemExit"}
    licence = {"license": ["cc-by-nc-sa-4.0"]}
    hub.add("csebuetnlp/xlsum", "6" * 40, script, kind="datasets", card=licence)
    set_params({"profile": "hub", "data.drop.near_duplicate": False})
    set_params({"data.drop.near_duplicate_in_earlier_split": False})
    set_params({f"profiles.hub.data.{split}": 9 for split in SPLIT_NAMES})
    assert "licence: cc-by-nc-sa-4.0" in stage(*FETCH)
    (origin,) = read_json(Path("metrics/data.json"))["provenance"]
    assert origin["licence"] == "cc-by-nc-sa-4.0"


@pytest.mark.parametrize("format_", ["parquet", "jsonl"])
def test_a_list_in_a_column_that_is_not_needed_is_left_out_and_said(hub, stage, set_params, format_):
    """And several summaries are references."""
    rows = [
        {"text": f"texto {number} {'que no ' * 20}", "summary": [f"uno {number} más", f"dos {number} más"]}
        | {"topic": ["a", "b"], "id": "the same"}
        for number in range(30)
    ]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    content = file.getvalue() if format_ == "parquet" else lines
    files = {f"spanish/{split}.{format_}": content for split in SPLIT_NAMES}
    hub.add("csebuetnlp/xlsum", "7" * 40, files, kind="datasets", branch="refs/convert/parquet")
    kept = {f"data.drop.{name}": False for name in DUPLICATES}
    set_params({"profile": "hub", "profiles.hub.data.columns.topic": "topic"} | kept)
    set_params({f"profiles.hub.data.{split}": 20 for split in SPLIT_NAMES})
    message = stage(*FETCH)
    assert message.count("column topic holds no texts, and is left out") == 1
    (first, *_) = rows_of("test")
    assert (first["id"], first["topic"]) == ("test-1", "")
    assert (first["summary"], first["references"]) == ("uno 0 más", ["dos 0 más"])


DUPLICATES = (
    *("duplicate_text", "near_duplicate", "text_in_earlier_split", "near_duplicate_in_earlier_split"),
    "other_language",
)
FRENCH = [
    "Le maire a inauguré la nouvelle bibliothèque du quartier devant une centaine d'habitants.",
    "Les pompiers ont éteint l'incendie après trois heures d'efforts, sans faire de blessés.",
    "L'équipe a gagné le match deux à un grâce à un but à la dernière minute.",
    "La rivière a débordé et plusieurs rues du centre sont restées sous l'eau.",
    "Une chercheuse de l'université a découvert une plante que l'on croyait disparue.",
    "Le prix du pain augmentera de cinq centimes dès le mois prochain, disent les boulangers.",
]


def test_a_corpus_in_another_language_goes_to_the_end(hub, stage, set_params, runs_after_fetch, caplog):
    draw = Random(4)

    def rows(split: str, count: int) -> bytes:
        found = [draw.sample(FRENCH, 4) for _ in range(count)]
        texts = [
            {"text": " ".join([*parts, f"Numéro {split} {place}."]), "summary": parts[0]}
            for place, parts in enumerate(found)
        ]
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(texts), file)
        return file.getvalue()

    files = {f"french/{split}/0000.parquet": rows(split, 60) for split in SPLIT_NAMES}
    hub.add("csebuetnlp/xlsum", "7" * 40, files, kind="datasets", branch="refs/convert/parquet")
    set_params(SMALL)
    set_params(
        {"profile": "hub", "weights": "embedded", "data.language": "fr", "evaluate.stemming": "snowball"}
    )
    set_params({f"data.drop.{name}": name == "other_language" for name in DUPLICATES})
    set_params(
        {"profiles.hub.data.data_dir": "french", "format.template": "Résume cet article :\n\n{text}"}
        | {f"profiles.hub.data.{split}": count for split, count in zip(SPLIT_NAMES, (24, 8, 6), strict=True)}
    )
    assert "dropped none" in stage(*FETCH)
    runs_after_fetch()
    evaluation = read_json(Path("metrics/evaluation.json"))
    assert {"stem:snowball-fr", "content:snowball-fr"} <= set(evaluation["signature"])
    assert evaluation["content"]["differences"]
    page = Path("reports/report.html").read_text(encoding="utf-8")
    assert "at summarizing texts in French?" in page
    assert "al resumir textos en francés?" in page
    assert "The articles are in French. What is made for Spanish stays so" in page
    assert "in French" in Path("reports/model_card.md").read_text(encoding="utf-8")
    assert not [message for message in caplog.messages if "no stop words" in message]


def test_fewer_rows_than_asked_for_and_a_part_of_a_corpus_are_said(hub, stage, set_params):
    names = {"text": "text", "summary": "summary"}
    files = {
        f"spanish/{split}/0000.parquet": rows_in("parquet", names, split, 40)
        for split in ("validation", "test")
    }
    files["spanish/partial-train/0000.parquet"] = rows_in("parquet", names, "train", 40)
    hub.add("csebuetnlp/xlsum", "7" * 40, files, kind="datasets", branch="refs/convert/parquet")
    set_params(
        {
            "profile": "hub",
            "data.drop.near_duplicate": False,
            "data.drop.near_duplicate_in_earlier_split": False,
        }
    )
    set_params(
        {
            f"profiles.hub.data.{key}": value
            for key, value in {"train": 50, "validation": 5, "test": 5}.items()
        }
    )
    message = stage(*FETCH)
    assert "50 rows were asked for, and the repository has 40" in message
    assert "partial-train/0000.parquet: only the first rows were converted" in message
