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
from resumen.checkpoint.folder import check_files, check_tokenizer_config, read_config, read_object
from resumen.checkpoint.kinds import ModelKind, is_byte_level, kind_in, model_kind
from resumen.checkpoint.tensors import INDEX, Header, check_index, check_tensors, header_of
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

# Never a pickle, never code: configuration, safetensors with its shards, tokenizer files.
SMALL_FILES = (
    "config.json",
    "generation_config.json",
    INDEX,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    *("spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "source.spm", "target.spm"),
    *("vocab.json", "target_vocab.json", "merges.txt", "vocab.txt"),
)
WEIGHT_FILES = ("model.safetensors", "model-*-of-*.safetensors")
HUB_FILES = (*SMALL_FILES, *WEIGHT_FILES)
RUNS_CODE, OF_ANOTHER = "can run code when it is read", "is another framework's"
OTHER_WEIGHTS = {  # that are not read, by name, and why
    **dict.fromkeys(("*.bin", "*.ckpt", "*.pt"), RUNS_CODE),
    **dict.fromkeys(("flax_model*.msgpack", "tf_model*.h5"), OF_ANOTHER),
}
STATE = ("training_args.*", "optimizer.*", "scheduler.*", "rng_state*")  # of a training, no weights
NEEDED = {  # one of each, by what a message calls it
    "config.json": ("config.json",),
    "model*.safetensors": WEIGHT_FILES,
    "tokenizer.json": ("tokenizer.json", "spiece.model"),
}
VOCABULARIES = (
    *("tokenizer.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "source.spm"),
    *("vocab.json", "vocab.txt"),
)
FIRST_FILES = ("config.json", "tokenizer_config.json")  # they tell what the model is
AS_SAVED = "; expected what save_pretrained writes"
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


def check_kind(files: dict[str, Path], where: str) -> ModelKind:
    """Return what the model is whose configuration is among `files`, by name.

    Raises:
        InputError: it writes no text, asks for code, or is a T5 whose configuration is not one.
    """
    if "config.json" not in files:
        raise InputError(f"{where}: lacks config.json{AS_SAVED}")
    kind = kind_in(read_object(files["config.json"], f"{where}: config.json"), where)
    if kind == ModelKind.T5:
        read_config(files["config.json"], where)
        if "tokenizer_config.json" in files:
            check_tokenizer_config(files["tokenizer_config.json"], where)
    return kind


def check_weights(files: dict[str, Path], headers: dict[str, Header], where: str) -> None:
    """Raise InputError unless the weights with these `headers` are all there, and of a T5 all that it has.

    `files` has the configuration, by name, and the index where the weights are in shards. What another model
    has, transformers says when it is loaded.
    """
    if INDEX in files:
        check_index(files[INDEX], where, headers)
    if check_kind(files, where) == ModelKind.T5:
        check_tensors(headers, read_config(files["config.json"], where), where)


def check_local_weights(files: dict[str, Path], where: str) -> None:
    """Raise InputError unless the weights among `files` are all there, and of a T5 all that it has."""
    weights = {name: path for name, path in files.items() if name.endswith(".safetensors")}
    check_weights(files, {name: header_of(path, where) for name, path in weights.items()}, where)


def needed_files(files: dict[str, Path], where: str) -> dict[str, tuple[str, ...]]:
    """Return what the model has to have whose configuration is among `files`; it raises as `check_kind` does.

    What else than tokenizer.json a vocabulary stands in, transformers knows of each model.
    """
    if check_kind(files, where) == ModelKind.T5:
        return NEEDED
    needed = {**NEEDED, "tokenizer.json": VOCABULARIES}
    if is_byte_level(read_object(files["config.json"], where)):
        del needed["tokenizer.json"]
    return needed


def check_names(
    names: list[str], needed: dict[str, tuple[str, ...]], where: str, advice: str = AS_SAVED
) -> None:
    """Raise InputError, which ends with `advice`, unless `names` have one of each that is `needed`."""
    for what, patterns in needed.items():
        if any(fnmatch(name, pattern) for name in names for pattern in patterns):
            continue
        if patterns == WEIGHT_FILES and (others := other_weights(names)):
            raise InputError(
                f"{where}: has its weights as {others} only, {why_not_read(others)}; take "
                "a revision with model.safetensors, or save it as one and give the checkpoint its folder"
            )
        raise InputError(f"{where}: lacks {what}{advice}")


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
    """Write the tokenizer.json of a model folder that has spiece.model alone.

    Raises:
        InputError: see `tokenizer_of`.
    """
    if (folder / "tokenizer.json").is_file():
        return
    from resumen.vocabulary.spiece import tokenizer_of

    path = folder / "tokenizer_config.json"
    given = read_json(path) if path.is_file() else {}
    try:
        extra_ids = require_int(given, "extra_ids", 100, minimum=0, maximum=1_000)
    except ValueError as error:
        raise InputError(f"{path}: {error}; take another checkpoint") from error
    tokenizer_of(folder / "spiece.model", extra_ids).save(str(folder / "tokenizer.json"))
    log.info("tokenizer.json is made of spiece.model")


def other_weights(names: list[str]) -> str:
    """Return the name of weights that are no safetensors, or "": pickles first."""
    weights = [name for name in names if not any(fnmatch(name, pattern) for pattern in STATE)]
    return next((name for pattern in OTHER_WEIGHTS for name in weights if fnmatch(name, pattern)), "")


def why_not_read(name: str) -> str:
    """Return why the weights `name` are not read."""
    return "which " + next(why for pattern, why in OTHER_WEIGHTS.items() if fnmatch(name, pattern))


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
        InputError: it is not there, lacks the configuration, weights or tokenizer, or one is not what its
            name says.
    """
    files = {path.name: path for pattern in HUB_FILES for path in sorted(source.glob(pattern))}
    check_links(files, source)
    check_files({name: path for name, path in files.items() if name in FIRST_FILES}, str(source))
    check_names([path.name for path in source.glob("*")], needed_files(files, str(source)), str(source))
    check_files(files, str(source))
    check_local_weights(files, str(source))
    folder.mkdir()
    for name, path in files.items():
        shutil.copyfile(path, folder / name)


def check_links(files: dict[str, Path], folder: Path) -> None:
    """Raise InputError if one of the `files` is a link out of its folder, huggingface_hub's cache or DVC's.

    A model that was sent to somebody may hold a link to what is theirs; a copy would publish it.
    """
    home = folder.resolve()
    for path in files.values():
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
        if LEFT_OUT not in origin and model_kind(partial) == ModelKind.T5:
            make_tokenizer(partial)
        hashes = write_provenance(partial, **origin)
    if LEFT_OUT not in origin:
        log.info("%s: %s, %d files", name, origin["source"], len(hashes))


if __name__ == "__main__":
    run(main)
