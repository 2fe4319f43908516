"""The `finetunings` section of params.yaml: a base × a recipe, `finetune`'s where an entry is silent."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, NonNegativeFloat, PositiveFloat, PositiveInt

from resumen.runtime.errors import InputError, nearest, shown
from resumen.runtime.paths import FINETUNED_DIR
from resumen.schema.params import Block, check_name, parse_block, parse_section
from resumen.schema.sections import (
    FinetuneParams,
    Precision,
    Schedule,
    Share,
    TokenizeParams,
    ValidationRows,
)


def check_count(value: Any) -> Any:
    """Return `value` if it is a number of articles, or None, which is all.

    Raises:
        ValueError: it is neither.
    """
    if value is None or (type(value) is int and value >= 1):
        return value
    raise ValueError("expected a number of articles ≥ 1, or nothing for all")


class FinetuningParams(Block):
    """One entry of `finetunings`: every key of `finetune` but the seed, which draws the articles of all."""

    moved: ClassVar = {"seed": "finetune.seed"}

    base: str  # a key of `checkpoints`
    rows: Annotated[int | None, BeforeValidator(check_count)] = None  # of the training split; None: all
    spell_spanish: bool | None = None  # None: as `tokenize` says
    epochs: PositiveInt | None = None  # None, here and below: as `finetune` says
    learning_rate: PositiveFloat | None = None
    batch_size: PositiveInt | None = None
    gradient_accumulation: PositiveInt | None = None
    schedule: Schedule | None = None
    warmup_ratio: Share | None = None
    weight_decay: NonNegativeFloat | None = None
    max_grad_norm: PositiveFloat | None = None
    label_smoothing: Share | None = None
    dropout: Share | None = None
    compile: bool | None = None
    precision: Precision | None = None
    max_new_tokens: PositiveInt | None = None
    validation_rows: ValidationRows | None = None


def finetuning_names(params: dict[str, Any]) -> list[str]:
    """Return the keys of `finetunings`, in their order.

    Raises:
        InputError: there are none, or neither DVC nor a file would take a key.
    """
    entries = params.get("finetunings")
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"params.yaml: finetunings: expected at least one, got {shown(entries)}")
    for name in entries:
        check_name("finetunings", name)
    return list(entries)


def finetuning_params(params: dict[str, Any], name: str) -> FinetuningParams:
    """Return the checked entry of fine-tuning `name`.

    Raises:
        InputError: no such fine-tuning, a fault in its entry, or a base that is no checkpoint.
    """
    names = finetuning_names(params)
    if name not in names:
        known = is_a_system(params, name) or nearest(name, names)
        raise InputError(f"params.yaml: finetunings.{name}: no such fine-tuning{known}")
    entry = parse_block(FinetuningParams, params["finetunings"][name], f"finetunings.{name}")
    checkpoints = params.get("checkpoints")
    if isinstance(checkpoints, dict) and entry.base not in checkpoints:
        known = is_a_system(params, entry.base) or nearest(entry.base, list(checkpoints))
        raise InputError(
            f"params.yaml: finetunings.{name}.base: {entry.base!r} is no key of checkpoints{known}"
        )
    return entry


def is_a_system(params: dict[str, Any], name: str) -> str:
    """Return, as the end of a message, that `name` is a system, and what it runs; "" if it is none.

    Nor is one that would run what has this name, and is not there.
    """
    systems = params.get("systems")
    entry = systems.get(name) if isinstance(systems, dict) else None
    if not isinstance(entry, dict) or "from" not in entry or Path(str(entry["from"])) == FINETUNED_DIR / name:
        return ""
    return f"; it is a system, from {entry['from']}"


def recipe_of(params: dict[str, Any], name: str) -> FinetuneParams:
    """Return `finetune` with what fine-tuning `name` says laid over it.

    Raises:
        InputError: see `finetuning_params`; or a fault in `finetune`.
    """
    entry = finetuning_params(params, name)
    own = entry.model_dump(exclude={"base", "rows", "spell_spanish"}, exclude_none=True)
    return parse_section(FinetuneParams, params, "finetune").model_copy(update=own)


STEP = ("batch_size", "gradient_accumulation")  # a pair


def recipe_key(name: str, entry: FinetuningParams, key: str) -> str:
    """Return what says `key` of fine-tuning `name`: its own entry, or `finetune`.

    >>> recipe_key("f", FinetuningParams(base="t5-small", gradient_accumulation=2), "batch_size")
    'finetunings.f.batch_size'
    """
    is_own = any(getattr(entry, one) is not None for one in (STEP if key in STEP else [key]))
    return f"finetunings.{name}.{key}" if is_own else f"finetune.{key}"


def vocabulary_of(params: dict[str, Any], name: str) -> TokenizeParams:
    """Return `tokenize` with what fine-tuning `name` says laid over it.

    Raises:
        InputError: see `finetuning_params`; or a fault in `tokenize`.
    """
    own = finetuning_params(params, name).model_dump(include={"spell_spanish"}, exclude_none=True)
    return parse_section(TokenizeParams, params, "tokenize").model_copy(update=own)
