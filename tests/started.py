"""Stages in processes of their own, to be killed, on a training of seconds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRAINING = {
    "finetune.epochs": 4,
    "finetune.batch_size": 2,
    "finetune.gradient_accumulation": 2,
    "finetune.learning_rate": 1e-2,
    "finetune.dropout": 0.1,
    "finetune.max_new_tokens": 6,
    "finetune.precision": "fp32",
    "generate.batch_size": 1,
    "generate.max_new_tokens": 24,
    "generate.precision": "fp32",
    "systems": {"flan-small": {"from": "models/pretrained/flan-small", "num_beams": 2}},
}


def start(module: str, *arguments: str, folder: Path = Path(), **variables: str) -> subprocess.Popen:
    """Start a stage in a process group of its own, a checkpoint at every step."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "RESUMEN_CHECKPOINT_SECONDS": "0", **variables},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen, code: int = 0) -> str:
    """Return what a stage has said to its end, which is `code`."""
    said = process.communicate(timeout=300)[1]
    assert process.returncode == code, said
    return said


def outputs() -> dict[str, bytes]:
    """Return the bytes of all that the stages wrote."""
    found = [
        path
        for folder in ("models/finetuned", "metrics", "data/predictions")
        for path in Path(folder).rglob("*")
    ]
    return {str(path): path.read_bytes() for path in found if path.is_file()}


def forget() -> None:
    for folder in ("models/finetuned", "metrics/plots", "data/predictions", ".resumen"):
        shutil.rmtree(folder, ignore_errors=True)
