"""The `checkpoints` and `weights` sections of params.yaml."""

from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from resumen.runtime.errors import InputError, nearest, shown
from resumen.runtime.paths import MINIATURE_WEIGHTS
from resumen.schema.params import Block, check_name, parse_block, profile_of, section_of

# The key under which it is recorded why the profile cannot serve a checkpoint, and so has no summaries by it.
LEFT_OUT = "left_out"


class CheckpointParams(Block):
    """Who plays the role under `weights: hub`: a repository at a revision, or a local folder."""

    repo: str | None = None  # owner/name on the hub
    revision: str | None = None  # a commit; a branch or a tag is resolved and recorded
    folder: str | None = None  # a local folder that save_pretrained wrote

    @model_validator(mode="after")
    def names_one_place(self) -> "CheckpointParams":
        hub = self.repo is not None and self.revision is not None
        if hub == (self.folder is not None) or (self.repo is None) != (self.revision is None):
            raise ValueError("expected repo and revision, or folder alone")
        return self


def weights_source(params: dict[str, Any]) -> Literal["embedded", "hub"]:
    """Return where weights come from: the section's value, or else the profile's."""
    source = section_of(params, "weights")
    if source not in ("embedded", "hub"):
        where = "weights" if params["weights"] else f"profiles.{profile_of(params)}.weights"
        known = nearest(str(source), ["embedded", "hub"])
        raise InputError(f"params.yaml: {where}: unknown value {source!r}{known}")
    checked: Literal["embedded", "hub"] = source
    return checked


def checkpoint_params(params: dict[str, Any], name: str) -> CheckpointParams:
    """Return the checked entry of checkpoint `name`.

    Raises:
        InputError: no such entry, or one that names no place or two.
    """
    checkpoints = params.get("checkpoints")
    if not isinstance(checkpoints, dict) or not checkpoints:
        raise InputError(f"params.yaml: checkpoints: expected at least one, got {shown(checkpoints)}")
    check_name("checkpoints", name)
    if name not in checkpoints:
        known = nearest(name, list(checkpoints))
        raise InputError(f"params.yaml: checkpoints.{name}: no such checkpoint{known}")
    return parse_block(CheckpointParams, checkpoints[name], f"checkpoints.{name}")


def miniature_path(name: str) -> Path:
    """Return where the miniature lies that stands in for checkpoint `name`, if one is shipped."""
    return MINIATURE_WEIGHTS / f"{name}.safetensors"


def why_left_out(params: dict[str, Any], name: str) -> str:
    """Return why the profile cannot serve checkpoint `name`, or "".

    Raises:
        InputError: see `checkpoint_params` and `weights_source`.
    """
    in_folder = checkpoint_params(params, name).folder is not None
    if in_folder or weights_source(params) != "embedded" or miniature_path(name).is_file():
        return ""
    shipped = ", ".join(sorted(file.stem for file in MINIATURE_WEIGHTS.glob("*.safetensors")))
    return (
        f"weights is embedded, and no miniature of that name is shipped (there are {shipped}); give it a "
        "folder, or set weights=hub"
    )
