"""Weights: put a checkpoint into a folder that transformers loads.

Reads   miniatures/weights/ (weights: embedded), the hub at a commit (hub), or a local folder
Writes  models/pretrained/C/   config, model.safetensors, tokenizer, provenance.json; without a miniature
                               under weights: embedded, provenance.json alone, with the reason
Params  weights, checkpoints.C

    python -m stages.weights flan-small
"""

import json
import logging
import os
import shutil
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import numpy as np
from huggingface_hub import constants
from safetensors import deserialize, safe_open
from safetensors.numpy import save_file

from resumen.checkpoint.config import require_int
from resumen.checkpoint.files import (
    AS_SAVED,
    FIRST_FILES,
    HUB_FILES,
    NEEDED,
    SMALL_FILES,
    WEIGHT_FILES,
    check_folder,
    check_local_weights,
    check_names,
    check_weights,
    makes_tokenizer,
    needed_files,
    other_weights,
    why_not_read,
)
from resumen.checkpoint.folder import check_files
from resumen.runtime.cli import parser, run
from resumen.runtime.commands import output_of
from resumen.runtime.errors import InputError
from resumen.runtime.files import atomic_write
from resumen.runtime.hub import (
    cached_file,
    fetch_files,
    fetch_header,
    list_repo_files,
    refs_with,
    resolve_commit,
)
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.runtime.paths import MINIATURE_WEIGHTS, PRETRAINED_DIR
from resumen.runtime.provenance import write_provenance
from resumen.schema.checkpoints import (
    LEFT_OUT,
    checkpoint_params,
    miniature_path,
    weights_source,
    why_left_out,
)
from resumen.schema.params import checked_params

log = logging.getLogger("weights")

IN_CACHE = " in HF_HOME; unset HF_HUB_OFFLINE, and it is fetched"


def unpack(miniature: Path, folder: Path) -> None:
    """Write a shipped miniature as the published checkpoints are: a folder with float32 weights.

    bfloat16 is the upper half of float32, so the values stay what they were.
    """
    folder.mkdir()
    with safe_open(miniature, framework="np") as file:
        config = json.loads(file.metadata()["config"])
    tensors = {}
    for name, tensor in deserialize(miniature.read_bytes()):
        upper = np.frombuffer(tensor["data"], dtype="<u2").astype("<u4")
        tensors[name] = (upper << 16).view("<f4").reshape(tensor["shape"])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config)
    special = ("decoder_start_token_id", "eos_token_id", "pad_token_id")
    write_json(folder / "generation_config.json", {name: config[name] for name in special})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(MINIATURE_WEIGHTS / name, folder / name)


def download(repo: str, commit: str, folder: Path) -> None:
    """Fetch the allowed files of `repo` at `commit`, verified, and link them into `folder`.

    They lie in huggingface_hub's cache (HF_HOME), where the next project finds them. A link is no
    second copy, and DVC's cache links too (cache.type in .dvc/config). What is small comes first: the
    configuration, and the headers of the weights, are checked before gigabytes are fetched.

    Raises:
        InputError: the hub cannot be reached, or the repository holds no model in safetensors.
    """
    where = f"{repo}@{commit}"
    listed = {} if constants.is_offline_mode() else list_repo_files(repo, commit, "model")
    if listed:
        first = fetch_files(repo, commit, "model", FIRST_FILES, listed)
        needed = needed_files(first, where) if "config.json" in first else NEEDED
        check_safe(list(listed), where, repo)
        check_names(list(listed), needed, where)
    small = fetch_files(repo, commit, "model", SMALL_FILES, listed)
    if "config.json" not in small:
        raise InputError(f"{where}: lacks config.json{IN_CACHE}")
    check_files(small, where)
    needed = needed_files(small, where)
    weights = [name for name in listed if any(fnmatch(name, pattern) for pattern in WEIGHT_FILES)]
    if not all(cached_file(repo, commit, "model", name) for name in weights):
        check_weights(small, {name: fetch_header(repo, commit, name) for name in weights}, where)
    files = fetch_files(repo, commit, "model", HUB_FILES, listed)
    check_names(list(files), needed, where, AS_SAVED if listed else IN_CACHE)
    check_local_weights(files, where)
    folder.mkdir()
    for name, path in files.items():
        link(path.resolve(), folder / name)


def check_safe(names: list[str], where: str, repo: str) -> None:
    """Raise InputError, with the refs of `repo` that have safetensors, if its weights are others alone."""
    others = other_weights(names)
    if not others or any(fnmatch(name, pattern) for name in names for pattern in WEIGHT_FILES):
        return
    why = f"{where}: has its weights as {others} only, {why_not_read(others)}; "
    try:
        refs = refs_with(repo, WEIGHT_FILES)
    except InputError as error:
        raise InputError(
            f"{why}whether another revision has model.safetensors is not known: {error}"
        ) from error
    if not refs:
        raise InputError(
            f"{why}no branch and no pull request with model.safetensors was found; save it as one and give "
            "the checkpoint its folder"
        )
    by = [
        f"{ref.name} has model.safetensors"
        + (f", by {ref.author}, which the repository's owner has not taken over" if ref.author else "")
        for ref in refs
    ]
    raise InputError(f"{why}{'; '.join(by)}; if you trust it: `revision: {refs[0].name}`")


def make_tokenizer(folder: Path) -> None:
    """Write the tokenizer.json of a model folder from its spiece.model.

    Raises:
        InputError: see `tokenizer_of`.
    """
    from resumen.vocabulary.spiece import tokenizer_of

    path = folder / "tokenizer_config.json"
    given = read_json(path) if path.is_file() else {}
    try:
        extra_ids = require_int(given, "extra_ids", 100, minimum=0, maximum=1_000)
    except ValueError as error:
        raise InputError(f"{path}: {error}; take another checkpoint") from error
    tokenizer_of(folder / "spiece.model", extra_ids).save(str(folder / "tokenizer.json"))
    log.info("tokenizer.json is made of spiece.model")


def link(source: Path, target: Path) -> None:
    """Make `target` another name of `source`, or a copy where no link can be made, as on another disk."""
    try:
        os.link(source, target)
    except OSError as error:
        log.info("%s: copied from HF_HOME, no link can be made (%s)", target.name, error.strerror)
        shutil.copyfile(source, target)


def copy_folder(source: Path, folder: Path) -> None:
    """Copy the allowed files of a local model folder.

    Raises:
        InputError: see `check_links` and `check_folder`.
    """
    check_links([path for pattern in HUB_FILES for path in source.glob(pattern)], source)
    files = check_folder(source)
    folder.mkdir()
    for name, path in files.items():
        shutil.copyfile(path, folder / name)


def check_links(files: list[Path], folder: Path) -> None:
    """Raise InputError if one of the `files` is a link out of its folder, huggingface_hub's cache or DVC's.

    A model that was sent to somebody may hold a link to what is theirs; a copy would publish it.
    """
    home = folder.resolve()
    for path in files:
        file = path.resolve()
        if any(file.is_relative_to(root) for root in (home, home.parent.parent / "blobs")):
            continue
        if not (root := dvc_cache()) or not file.is_relative_to(root):  # `cache.type` may be symlink
            raise InputError(f"{path}: a link out of its folder, to {file}; put the file itself there")


@cache
def dvc_cache() -> Path | None:
    """Return where DVC's cache lies, None outside a repository of DVC."""
    try:
        return Path(output_of("dvc", "cache", "dir").strip()).resolve()
    except InputError:
        return None


def main() -> None:
    arguments = parser(__doc__, "python -m stages.weights flan-small")
    arguments.add_argument("checkpoint", help="a key of `checkpoints` in params.yaml")
    name = arguments.parse_args().checkpoint
    params = checked_params()
    checkpoint = checkpoint_params(params, name)
    with atomic_write(PRETRAINED_DIR / name) as partial:
        if checkpoint.folder is not None:
            copy_folder(Path(checkpoint.folder), partial)
            origin = {"source": "folder"}
        elif reason := why_left_out(params, name):
            partial.mkdir()
            origin = {"source": "none", LEFT_OUT: reason}
            log.warning("%s: left out: %s", name, reason)
        elif weights_source(params) == "embedded":
            assert checkpoint.repo is not None  # `names_one_place`
            unpack(miniature_path(name), partial)
            origin = {"source": "miniature", "stands_for": checkpoint.repo}
        else:
            assert checkpoint.repo is not None
            assert checkpoint.revision is not None
            commit = resolve_commit(checkpoint.repo, checkpoint.revision, "model")
            download(checkpoint.repo, commit, partial)
            origin = {"source": "hub", "repo": checkpoint.repo, "commit": commit}
        if LEFT_OUT not in origin and makes_tokenizer(partial):
            make_tokenizer(partial)
        hashes = write_provenance(partial, **origin)
    if LEFT_OUT not in origin:
        log.info("%s: %s, %d files", name, origin["source"], len(hashes))


if __name__ == "__main__":
    run(main)
