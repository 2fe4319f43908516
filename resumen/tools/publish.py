"""Publish: put a fine-tuned model and its card together, check them, and copy or push them.

Reads   models/finetuned/F/, the metrics, params.yaml; dvc.lock, data/predictions: whether the card tells of
        this model; of system `finetuned` reports/model_card.md too, of others the card is written here, its
        example from data/raw/test.parquet and data/scores.parquet
Writes  a folder, or a repository on the hub (HF_TOKEN, or `hf auth login`)

    resumen publish --to ../resumen-flan-small
    resumen publish --to me/resumen-flan-small --dry-run
    resumen publish --to me/resumen-flan-small --private
    resumen publish --to ../resumen-t5-small --finetuning t5-small
"""

import logging
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import disable_progress_bars, validate_repo_id
from safetensors import SafetensorError, safe_open

from resumen.page.card import card_of
from resumen.page.table import main_finetuning, system_of
from resumen.runtime.cli import parser
from resumen.runtime.errors import InputError, first_line
from resumen.runtime.files import atomic_write, md5_of, write_text
from resumen.runtime.hub import hub_errors
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import (
    EVALUATION_FILE,
    FINETUNED_DIR,
    LOCK,
    MODEL_CARD,
    PREDICTIONS_DIR,
    PUBLISH_DIR,
)
from resumen.schema.finetunings import finetuning_params
from resumen.schema.params import read_params, read_yaml
from resumen.tools.results import changed_since_run

log = logging.getLogger("publish")

REQUIRED_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
PUBLISHED_SUFFIXES = {".json", ".safetensors", ".model", ".txt"}  # no pickle, no code
REPO = re.compile(r"[\w.-]+/[\w.-]+")


def checked_files(model: Path) -> list[Path]:
    """Return the files of a model folder that are published.

    Raises:
        InputError: one is missing, is of a kind that is not published, or is no safetensors file.
    """
    if missing := [name for name in REQUIRED_FILES if not (model / name).is_file()]:
        raise InputError(
            f"{model}: lacks {', '.join(missing)}; `dvc repro` makes them, `dvc pull` fetches them"
        )
    files = sorted(path for path in model.iterdir() if path.is_file())
    if others := [path.name for path in files if path.suffix not in PUBLISHED_SUFFIXES]:
        raise InputError(
            f"{model}: holds {others[0]}, which is not published; "
            f"run `dvc repro --force finetune@{model.name}`"
        )
    weights = model / "model.safetensors"
    try:
        with safe_open(weights, "numpy") as tensors:
            if not list(tensors.keys()):
                raise InputError(
                    f"{weights}: holds no tensors; run `dvc repro --force finetune@{model.name}`"
                )
    except SafetensorError as error:
        raise InputError(
            f"{weights}: damaged: {first_line(error)}; run `dvc repro --force finetune@{model.name}`"
        ) from error
    return files


def check_run(lock: dict[str, Any], model: Path, system: str) -> None:
    """Raise InputError unless the card is written of summaries that the very weights in `model` wrote.

    `lock` is dvc.lock: what each stage of the last run read and wrote.
    """
    for path, stage, side in (
        (model, f"generate@{system}", "deps"),
        (PREDICTIONS_DIR / f"{system}.jsonl", f"generate@{system}", "outs"),
        (PREDICTIONS_DIR, "evaluate", "deps"),
        (PREDICTIONS_DIR, "report", "deps"),
        (EVALUATION_FILE, "evaluate", "outs"),
        (EVALUATION_FILE, "report", "deps"),
        (MODEL_CARD, "report", "outs"),
    ):
        if not path.exists():
            raise InputError(f"{path}: not found; `dvc repro` makes it, `dvc pull` fetches it")
        entries = lock.get("stages", {}).get(stage, {}).get(side, [])
        recorded = next((entry["md5"] for entry in entries if entry["path"] == path.as_posix()), None)
        if recorded != md5_of(path):
            did = "read" if side == "deps" else "wrote"
            raise InputError(
                f"{path}: not what `{stage}` {did} when {MODEL_CARD} was made, so the card tells of another "
                "model; run `dvc repro`"
            )


def check_card(card: Path, text: str, system: str, evaluation: dict[str, Any]) -> None:
    """Check the text of the card of a system, its header read as the Hub reads it.

    Raises:
        InputError: its header is faulty, or its numbers are not those of the metrics.
    """
    scores = scores_of(evaluation, system)
    try:
        data = ModelCard(text).data
        results = data.eval_results or []  # type: ignore[attr-defined]  # it is a ModelCardData
    except ValueError as error:
        raise InputError(
            f"{card}: its header is faulty: {first_line(error)}; `dvc repro --force report`"
        ) from error
    found = {result.metric_name: result for result in results}
    for name in ("rouge1", "rouge2", "rougeL"):
        result = found.get(name)
        stated = {"value": result.metric_value, **(result.metric_args or {})} if result else {}
        for key, bound in (("value", "mean"), ("lower", "lower"), ("upper", "upper")):
            if stated.get(key) != (number := scores[name][bound]):
                raise InputError(
                    f"{card}: says {name} {key} {stated.get(key)}, {EVALUATION_FILE} says {number}; "
                    "run `dvc repro` first"
                )


def scores_of(evaluation: dict[str, Any], system: str) -> dict[str, Any]:
    """Return the scores of a system with their intervals.

    Raises:
        InputError: it was not scored.
    """
    result: list[dict[str, Any]] = [row for row in evaluation["systems"] if row["system"] == system]
    if not result:
        raise InputError(f"{EVALUATION_FILE}: lacks system {system}; run `dvc repro`")
    return result[0]


def checked_card(params: dict[str, Any], finetuning: str) -> str:
    """Return the text of the card of a fine-tuning: that of the report, or one of its own.

    Raises:
        InputError: no system runs it, or the card is faulty, or tells of another model.
    """
    system = system_of(params, finetuning)
    if system is None:
        raise InputError(
            f"params.yaml: systems: none is from {FINETUNED_DIR / finetuning}, so the card has no scores; "
            "add one"
        )
    check_run(read_yaml(LOCK) or {}, FINETUNED_DIR / finetuning, system)
    is_main = finetuning == main_finetuning(params)
    if not is_main and (changed := changed_since_run(params)):
        raise InputError(changed)
    text = MODEL_CARD.read_text(encoding="utf-8") if is_main else card_of(params, finetuning)
    check_card(
        MODEL_CARD if is_main else Path(f"card of {finetuning}"), text, system, read_json(EVALUATION_FILE)
    )
    return text


def repo_of(to: str) -> str | None:
    """Return the hub's repository that `--to` names, or None where it names a folder.

    Raises:
        InputError: it may be either, or the hub takes no such name.
    """
    if not REPO.fullmatch(to) or to.startswith("."):
        return None
    instead = f"for a folder write ./{to}"
    if (owner := to.split("/")[0]) and Path(owner).is_dir():
        raise InputError(f"--to: {to}: would be a repository on the hub, and {owner} is a folder; {instead}")
    try:
        validate_repo_id(to)
    except HFValidationError as error:
        why = first_line(error).rstrip(".")
        raise InputError(f"--to: {to}: no name of a repository: {why}; {instead}") from error
    return to


def assemble(folder: Path, files: list[Path], card: str) -> None:
    """Write the model's files, and the card as README.md, to `folder`, which is whole or absent."""
    with atomic_write(folder) as partial:
        partial.mkdir()
        for file in files:
            shutil.copyfile(file, partial / file.name)
        write_text(partial / "README.md", card)


@contextmanager
def push_errors(repo: str) -> Iterator[None]:
    """Turn what a push raises besides the hub's own errors into an InputError that starts with `repo`."""
    try:
        with hub_errors(repo):
            yield
    except InputError as error:
        answer = getattr(error.__cause__, "response", None)
        if answer is not None and answer.status_code in (401, 403):
            raise InputError(
                f"{repo}: the hub answered {answer.status_code}; set HF_TOKEN to a token that may write to it"
            ) from error
        raise
    except (RuntimeError, ValueError) as error:  # of an upload, of hf_xet, of the card's header
        why = f" ({first_line(error.__cause__)})" if error.__cause__ else ""
        raise InputError(f"{repo}: {first_line(error)}{why}; nothing was committed, run it again") from error


def push(repo: str, files: list[Path], card: str, private: bool) -> str:
    """Push to a model repository, which is made if it is not there, and return who sees it, and where.

    Raises:
        InputError: the hub cannot be reached, or refuses; or the repository is public, and was not to be.
    """
    if not sys.stderr.isatty():
        disable_progress_bars()
    with push_errors(repo):
        api = HfApi()
        api.create_repo(repo, private=private, exist_ok=True)
        is_private = api.repo_info(repo).private
    if private and not is_private:
        raise InputError(
            f"{repo}: there already, and public; make it private on the hub, or leave --private out"
        )
    staged = PUBLISH_DIR / repo.replace("/", "--")
    assemble(staged, files, card)
    try:
        with push_errors(repo):
            output = api.upload_folder(repo_id=repo, folder_path=staged, commit_message="Publish the model")
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return f"{'private' if is_private else 'public'}: {output}"


def main() -> None:
    arguments = parser(__doc__, "resumen publish --to me/resumen-flan-small --dry-run")
    to = "a new folder, such as ./mine, or a repository on the hub as owner/name"
    arguments.add_argument("--to", required=True, metavar="DIR|REPO", help=to)
    arguments.add_argument(
        "--finetuning", metavar="F", help="a key of `finetunings` (default: that of system finetuned)"
    )
    arguments.add_argument("--private", action="store_true", help="make the repository private")
    arguments.add_argument("--dry-run", action="store_true", help="check, say what would go, send nothing")
    options = arguments.parse_args()
    repo, folder = repo_of(options.to), Path(options.to)
    where = f"folder {folder}"
    if repo:
        new = "private" if options.private else "public unless --private is given"
        where = f"repository {repo} on the hub (a new one is {new})"
    elif options.private:
        raise InputError(f"--private: is said of a repository, got the {where}")
    elif folder.exists():
        raise InputError(f"--to: {where} is there already; name a new folder, or remove it")
    params = read_params()
    finetuning = options.finetuning or main_finetuning(params)
    finetuning_params(params, finetuning)
    model = FINETUNED_DIR / finetuning
    files = checked_files(model)
    card = checked_card(params, finetuning).replace(f'"{model.as_posix()}"', f'"{repo or folder.name}"')
    if "**Miniature.**" in card:
        log.warning("this is a miniature: its card says so; `dvc exp run -S profile=course` makes a real one")
    size = sum(file.stat().st_size for file in files)
    log.info("%d files, %.1f MB, and the card, to the %s", len(files), size / 1e6, where)
    if options.dry_run:
        log.info("dry run: %s and README.md would go there", ", ".join(file.name for file in files))
    elif repo:
        log.info("pushed to the repository %s, %s", repo, push(repo, files, card, options.private))
    else:
        assemble(folder, files, card)
        log.info("wrote the %s", where)
