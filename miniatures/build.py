"""Build: the vocabulary, the models side by side in processes of their own, and the record of them."""

import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from miniatures.checkpoints import fingerprint
from miniatures.corpus import held_out_stories, read_corpus
from miniatures.evaluation import exact_percent
from miniatures.export import safetensors_bytes, shipped_tensors
from miniatures.readme import readme
from miniatures.recipes import RECIPES
from miniatures.record import model_record, vocabulary_record
from miniatures.tokenizer import tokenizer_files
from miniatures.training import NUM_THREADS, make_deterministic, recent_loss, train
from miniatures.vocabulary import NUM_PIECES, NUM_VOCABULARY_STORIES, train_unigram, vocabulary_lines
from resumen.runtime.files import atomic_write, sha256_of, write_text
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.runtime.paths import CACHE_DIR, MINIATURE_WEIGHTS, MINIATURES_DIR

log = logging.getLogger("miniatures")

CHECKPOINTS_DIR = CACHE_DIR / "miniatures"


def build(names: Sequence[str], num_jobs: int) -> None:
    """Write the vocabulary and the models `names`, and tell of models left with another vocabulary."""
    build_vocabulary(MINIATURE_WEIGHTS)
    path = MINIATURES_DIR / "training.json"
    record = read_json(path) if path.exists() else {"models": {}}
    record["vocabulary"] = vocabulary_record(MINIATURE_WEIGHTS)
    for name, model in built_models(names, MINIATURE_WEIGHTS, num_jobs):
        record["models"][name] = model
        record["models"] = {name: record["models"][name] for name in RECIPES if name in record["models"]}
        write_json(path, record)
        write_text(MINIATURES_DIR / "README.md", readme(record))
    for name, model in record["models"].items():
        if model["vocabulary"] != record["vocabulary"]["sha256"]:
            log.warning("%s: trained with another vocabulary; run python -m miniatures %s", name, name)


def build_vocabulary(folder: Path) -> None:
    """Write the tokenizer's files."""
    log.info("vocabulary: %d pieces from %d stories", NUM_PIECES, NUM_VOCABULARY_STORIES)
    for name, text in tokenizer_files(*train_unigram(vocabulary_lines(), NUM_PIECES)).items():
        write_text(folder / name, text)


def built_models(names: Sequence[str], folder: Path, num_jobs: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the record of each model, as soon as it is written to `folder`."""
    by_steps = sorted(names, key=lambda name: -RECIPES[name].steps)  # the longest first
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_jobs, mp_context=spawn, initializer=start_worker) as pool:
        futures = {pool.submit(build_model, name, folder, bar): name for bar, name in enumerate(by_steps)}
        for future in as_completed(futures):
            yield futures[future], future.result()


def build_model(name: str, folder: Path, bar: int) -> dict[str, Any]:
    """Train a model, write it, and return what README.md says of it."""
    recipe, corpus = RECIPES[name], read_corpus(folder)
    checkpoint = CHECKPOINTS_DIR / f"{name}-{fingerprint(recipe, corpus, NUM_THREADS)}.pt"
    model, losses = train(name, recipe, corpus, checkpoint, bar=bar)
    path = folder / f"{name}.safetensors"
    with atomic_write(path) as partial:
        partial.write_bytes(safetensors_bytes(*shipped_tensors(model, recipe)))
    exact = exact_percent(model, corpus, held_out_stories())
    log.info("%s: loss %.3f, questions answered exactly: %s", name, recent_loss(losses), exact)
    return model_record(path, recipe, losses, exact, sha256_of(folder / "tokenizer.json"))


def start_worker() -> None:
    """Prepare a worker process to train."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    make_deterministic()


def end_with_parent() -> None:
    """End this worker when the process that started it has ended, however that came about."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
