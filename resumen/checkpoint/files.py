"""The files of a checkpoint, by name: which are read, which a model has to have, which are refused."""

from fnmatch import fnmatch
from pathlib import Path

from resumen.checkpoint.folder import check_files, check_tokenizer_config, read_config, read_object
from resumen.checkpoint.kinds import ModelKind, is_byte_level, kind_in, model_kind
from resumen.checkpoint.tensors import INDEX, Header, check_dtypes, check_index, check_tensors, header_of
from resumen.runtime.errors import InputError

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
TRAINING_STATE = ("training_args.*", "optimizer.*", "scheduler.*", "rng_state*")  # of a training, no weights
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
    has, transformers says when it is loaded; its numbers are of a type that we read.
    """
    if INDEX in files:
        check_index(files[INDEX], where, headers)
    if check_kind(files, where) == ModelKind.T5:
        check_tensors(headers, read_config(files["config.json"], where), where)
        return
    for header in headers.values():
        check_dtypes(header, where)


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


def other_weights(names: list[str]) -> str:
    """Return the name of weights that are no safetensors, or "": pickles first."""
    weights = [name for name in names if not any(fnmatch(name, pattern) for pattern in TRAINING_STATE)]
    return next((name for pattern in OTHER_WEIGHTS for name in weights if fnmatch(name, pattern)), "")


def why_not_read(name: str) -> str:
    """Return why the weights `name` are not read."""
    return "which " + next(why for pattern, why in OTHER_WEIGHTS.items() if fnmatch(name, pattern))


def check_folder(folder: Path) -> dict[str, Path]:
    """Return the files of a local model folder that are read, by name.

    Raises:
        InputError: it lacks the configuration, weights or tokenizer, one is not what its name says, or the
            weights are not all there, or of a type that is not read.
    """
    where = str(folder)
    files = {path.name: path for pattern in HUB_FILES for path in sorted(folder.glob(pattern))}
    check_files({name: path for name, path in files.items() if name in FIRST_FILES}, where)
    check_names([path.name for path in folder.glob("*")], needed_files(files, where), where)
    check_files(files, where)
    check_local_weights(files, where)
    return files


def makes_tokenizer(folder: Path) -> bool:
    """Return whether the model of a folder wants a tokenizer.json made of its spiece.model."""
    return not (folder / "tokenizer.json").is_file() and model_kind(folder) == ModelKind.T5
