"""Publish: put the fine-tuned model and its card together, check them, and copy or push them.

Reads   models/finetuned/, reports/model_card.md, metrics/systems/finetuned.json
Writes  a folder, or a repository on the hub (HF_TOKEN, or `hf auth login`)

    python -m stages.publish --to ../resumen-flan-small
    python -m stages.publish --to me/resumen-flan-small --dry-run
    python -m stages.publish --to me/resumen-flan-small --private
"""

import logging
import re
import shutil
from pathlib import Path

from huggingface_hub import HfApi, ModelCard
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError, safe_open

from stages.shared.cli import InputError, parser, run
from stages.shared.files import first_line, read_json, whole, write_text
from stages.shared.hub import hub_errors

log = logging.getLogger("publish")

MODEL = Path("models/finetuned")
CARD = Path("reports/model_card.md")
SCORES = Path("metrics/systems/finetuned.json")
NEEDED = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
CARRIED = {".json", ".safetensors", ".model", ".txt"}  # no pickle, no code
REPO = re.compile(r"[\w.-]+/[\w.-]+")


def checked_files(model: Path) -> list[Path]:
    """Return the files of a model folder that are published.

    Raises:
        InputError: one is missing, is of a kind that is not published, or is no safetensors file.
    """
    if missing := [name for name in NEEDED if not (model / name).is_file()]:
        raise InputError(
            f"{model}: lacks {', '.join(missing)}; `dvc repro` makes them, `dvc pull` fetches them"
        )
    files = sorted(path for path in model.iterdir() if path.is_file())
    if others := [path.name for path in files if path.suffix not in CARRIED]:
        raise InputError(
            f"{model}: holds {others[0]}, which is not published; run `dvc repro --force finetune`"
        )
    weights = model / "model.safetensors"
    try:
        with safe_open(weights, "numpy") as tensors:
            if not list(tensors.keys()):
                raise InputError(f"{weights}: holds no tensors; run `dvc repro --force finetune`")
    except SafetensorError as error:
        raise InputError(
            f"{weights}: damaged: {first_line(error)}; run `dvc repro --force finetune`"
        ) from error
    return files


def checked_card(card: Path, scores: dict[str, float]) -> str:
    """Return the card's text, its header read as the Hub reads it.

    Raises:
        InputError: there is no card, its header is faulty, or its numbers are not those of `scores`.
    """
    try:
        text = card.read_text(encoding="utf-8")
        results = ModelCard(text).data.eval_results or []
    except FileNotFoundError as error:
        raise InputError(f"{card}: not found; `dvc repro` makes it") from error
    except ValueError as error:
        raise InputError(
            f"{card}: its header is faulty: {first_line(error)}; `dvc repro --force report`"
        ) from error
    found = {result.metric_name: result.metric_value for result in results}
    for name in ("rouge1", "rouge2", "rougeL"):
        if found.get(name) != scores[name]:
            raise InputError(
                f"{card}: says {name} {found.get(name)}, {SCORES} says {scores[name]}; run `dvc repro` first"
            )
    return text


def put_together(folder: Path, files: list[Path], card: str) -> None:
    """Write the model's files, and the card as README.md, to `folder`, which is whole or absent."""
    with whole(folder) as partial:
        partial.mkdir()
        for file in files:
            shutil.copyfile(file, partial / file.name)
        write_text(partial / "README.md", card)


def push(repo: str, folder: Path, private: bool) -> str:
    """Push `folder` to a model repository, which is made if it is not there, and return its address.

    Raises:
        InputError: the hub cannot be reached, or refuses.
    """
    with hub_errors(repo):
        api = HfApi()
        api.create_repo(repo, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Publish the model"))


def main() -> None:
    arguments = parser(__doc__, "python -m stages.publish --to me/resumen-flan-small --dry-run")
    where = "a new folder, such as ./mine, or a repository as owner/name"
    arguments.add_argument("--to", required=True, metavar="DIR|REPO", help=where)
    arguments.add_argument("--private", action="store_true", help="make the repository private")
    arguments.add_argument("--dry-run", action="store_true", help="check, say what would go, send nothing")
    options = arguments.parse_args()
    files = checked_files(MODEL)
    card = checked_card(CARD, read_json(SCORES))
    is_repo = bool(REPO.fullmatch(options.to)) and not options.to.startswith(".")
    title = options.to if is_repo else Path(options.to).name
    card = card.replace('"models/finetuned"', f'"{title}"')
    if "**Miniature.**" in card:
        log.warning("this is a miniature: its card says so; `dvc exp run -S profile=course` makes a real one")
    if is_repo:
        validate_repo_id(options.to)
    size = sum(file.stat().st_size for file in files)
    log.info("%d files, %.1f MB, and the card", len(files), size / 1e6)
    if options.dry_run:
        log.info(
            "dry run: %s and README.md would go to %s", ", ".join(file.name for file in files), options.to
        )
        return
    if is_repo:
        staged = Path(".cache/publish") / title.replace("/", "--")
        put_together(staged, files, card)
        try:
            log.info("pushed to %s", push(options.to, staged, options.private))
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return
    folder = Path(options.to)
    if folder.exists():
        raise InputError(f"--to: {folder} is there already; name a new folder, or remove it")
    put_together(folder, files, card)
    log.info("wrote %s", folder)


if __name__ == "__main__":
    run(main)
