"""The whole of params.yaml: each section by itself, as each stage reads it before it works.

A fault that only a later stage would meet is found in a second, not after the training.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from resumen.runtime.errors import InputError, nearest, shown
from resumen.schema.checkpoints import checkpoint_params, weights_source
from resumen.schema.comparisons import comparison_params
from resumen.schema.data import LanguageParams, data_params
from resumen.schema.finetunings import finetuning_params
from resumen.schema.params import Block, parse_key, parse_section, profile_of
from resumen.schema.sections import (
    EvaluateParams,
    ExtractParams,
    FinetuneParams,
    FormatParams,
    GenerateParams,
    ProbeParams,
    TokenizeParams,
)
from resumen.schema.systems import system_params
from resumen.text.stems import has_stemmer

Check = Callable[[], object]  # raises InputError for what is wrong

SECTION_PARAMS: dict[str, type[Block]] = {
    "format": FormatParams,
    "tokenize": TokenizeParams,
    "finetune": FinetuneParams,
    "generate": GenerateParams,
    "probe": ProbeParams,
    "extract": ExtractParams,
    "evaluate": EvaluateParams,
}
KEYS = (
    "profile",
    "profiles",
    "data",
    "weights",
    "checkpoints",
    "finetunings",
    "systems",
    "comparisons",
    *SECTION_PARAMS,
)
PROFILE_SECTIONS = ("data", "weights", *SECTION_PARAMS)


def check_keys(section: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raise InputError for the keys of `section` that are not `known`."""
    unknown = [key for key in section if key not in known]
    if unknown:
        raise InputError(
            *(f"params.yaml: {where}{key}: unknown key{nearest(str(key), list(known))}" for key in unknown)
        )


def section_checks(params: dict[str, Any]) -> list[Check]:
    """Return the checks of every section under the profile that `params` names."""
    profile = profile_of(params)
    sections = params["profiles"][profile]
    if not isinstance(sections, dict):
        raise InputError(f"params.yaml: profiles.{profile}: expected sections, got {sections!r}")
    return [
        partial(data_params, params),
        partial(check_keys, sections, PROFILE_SECTIONS, f"profiles.{profile}."),
        partial(weights_source, params),
        *(partial(parse_section, kind, params, name) for name, kind in SECTION_PARAMS.items()),
        partial(check_stemmer, params),
    ]


def check_stemmer(params: dict[str, Any]) -> None:
    """Raise InputError if words are to be stemmed in a language that has no stemmer."""
    language = parse_key(LanguageParams, params, "data", "language").language
    if parse_section(EvaluateParams, params, "evaluate").stemming != "none" and not has_stemmer(language):
        raise InputError(
            f"params.yaml: evaluate.stemming: Snowball has no stemmer of data.language, got {language!r} "
            "there; set none"
        )


def all_of(checks: Iterable[Check]) -> None:
    """Make every check, and raise InputError with all faults that they found, each once."""
    messages: dict[str, None] = {}
    for one in checks:
        try:
            one()
        except InputError as error:
            messages |= dict.fromkeys(error.messages)
    if messages:
        raise InputError(*messages)


def entries_of(params: dict[str, Any], section: str) -> list[str]:
    """Return the keys of a section of entries, such as `systems`; none of one that is no mapping."""
    return list(params[section]) if isinstance(params.get(section), dict) else []


def check_entries(params: dict[str, Any], section: str) -> None:
    """Raise InputError unless a section has an entry."""
    if not entries_of(params, section):
        raise InputError(f"params.yaml: {section}: expected at least one, got {shown(params.get(section))}")


def checks_of(params: dict[str, Any]) -> list[Check]:
    """Return the checks of all that stands in `params`, under the profile that they name."""
    return [
        partial(check_keys, params, KEYS, ""),
        *(partial(check_entries, params, section) for section in ("checkpoints", "systems", "finetunings")),
        *section_checks(params),
        *(partial(checkpoint_params, params, name) for name in entries_of(params, "checkpoints")),
        *(partial(finetuning_params, params, name) for name in entries_of(params, "finetunings")),
        *(partial(system_params, params, name) for name in entries_of(params, "systems")),
        partial(comparison_params, params),
    ]


def check_whole(params: dict[str, Any]) -> None:
    """Check all sections of `params`, each by itself.

    Raises:
        InputError: all their faults.
    """
    all_of(checks_of(params))
