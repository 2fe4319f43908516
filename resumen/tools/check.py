"""Check: read the whole of params.yaml, and say what is wrong with it before any work.

What DVC itself would say less clearly is caught here too, and what is wrong with RESUMEN_MEMORY_GB and
RESUMEN_THREADS: `make repro` calls this first.

    resumen check
"""

import logging
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from resumen.checkpoint.files import check_folder, makes_tokenizer
from resumen.checkpoint.kinds import why_not_trained
from resumen.news.stories import TRAINING_SEED, VOCABULARY_SEED
from resumen.prompts.templates import read_sets, template_pairs
from resumen.runtime.budget import users_budget
from resumen.runtime.cli import parser
from resumen.runtime.commands import output_of
from resumen.runtime.cpu import num_threads
from resumen.runtime.errors import InputError, nearest, shown
from resumen.runtime.paths import FINETUNED_DIR, PRETRAINED_DIR
from resumen.schema.checkpoints import checkpoint_params, weights_source, why_left_out
from resumen.schema.data import EmbeddedParams, FilesParams, data_params
from resumen.schema.finetunings import (
    finetuning_names,
    finetuning_params,
    is_a_system,
    recipe_key,
    recipe_of,
)
from resumen.schema.params import check_name, parse_block, parse_section, profile_of, read_params
from resumen.schema.probes import read_probes
from resumen.schema.sections import (
    ExtractParams,
    FormatParams,
    GenerateParams,
    ProbeParams,
)
from resumen.schema.suffixes import known_suffix
from resumen.schema.systems import EXTRACTIVE, SystemParams, check_least, system_names, system_params
from resumen.schema.whole import Check, all_of, checks_of, entries_of, section_checks
from resumen.scoring.comparisons import comparisons_of
from resumen.sources.userfiles import file_origin, file_splits
from resumen.text.language import language_of
from resumen.text.stems import has_content_stems, stop_words
from resumen.text.words import words

log = logging.getLogger("check")

FIELD = re.compile(r"\{\w*\}")  # of a template
MIN_ASKED = 3  # words of a prompt by which its language is told


def check_checkpoint(params: dict[str, Any], name: str) -> None:
    """Check that a checkpoint has weights to come from."""
    check_name("checkpoints", name)
    checkpoint = checkpoint_params(params, name)
    if checkpoint.folder is not None:
        check_model(f"checkpoints.{name}.folder", Path(checkpoint.folder))


def check_model(key: str, folder: Path) -> None:
    """Check that a user's own `folder`, which stands at `key`, holds a model that writes text."""
    if not folder.is_dir():
        raise InputError(f"params.yaml: {key}: expected a model folder that is there, got {str(folder)!r}")
    try:
        check_folder(folder)
    except InputError as error:
        raise InputError(f"params.yaml: {key}: {error}") from error


def check_base(params: dict[str, Any], name: str) -> None:
    """Check that the base of a fine-tuning can be one, where that is known beforehand."""
    base = finetuning_params(params, name).base
    folder = checkpoint_params(params, base).folder
    is_there = folder is not None and (Path(folder) / "config.json").is_file()  # else check_checkpoint tells
    if is_there and (reason := why_not_trained(Path(str(folder)))):
        key = f"params.yaml: finetunings.{name}.base"
        raise InputError(f"{key}: {base} is not fine-tuned here, only a system: {reason}")


def check_source(name: str, params: dict[str, Any]) -> None:
    """Check that what a system comes `from` is made by the pipeline, or is there."""
    system = parse_block(SystemParams, params["systems"][name], f"systems.{name}")
    where, names = f"params.yaml: systems.{name}.from", finetuning_names(params)
    if system.finetuning:
        if system.finetuning not in names:
            known = is_a_system(params, system.finetuning) or nearest(system.finetuning, names)
            then = "add it, or take the system out"
            raise InputError(f"{where}: {system.finetuning!r} is no key of finetunings{known}; {then}")
    elif system.checkpoint:
        if system.checkpoint not in params["checkpoints"]:
            known = nearest(system.checkpoint, list(params["checkpoints"]))
            raise InputError(f"{where}: {system.checkpoint!r} is no key of checkpoints{known}")
    elif system.is_foreign and system.path.is_file():
        known_suffix(system.path)
    elif system.is_foreign or not system.path.is_dir():
        raise InputError(
            f"{where}: expected models/pretrained/<checkpoint>, models/finetuned/<fine-tuning>, a model "
            f"folder or a file of predictions that is there, got {system.source!r}"
        )
    else:
        check_model(f"systems.{name}.from", system.path)
        if makes_tokenizer(system.path):
            raise InputError(
                f"{where}: {system.source}: lacks tokenizer.json; name it under checkpoints "
                f"(`folder: {system.source}`), where one is made of its spiece.model"
            )
    if system.generate:
        decoding = parse_section(GenerateParams, params, "generate").model_copy(update=system.overrides())
        try:
            check_least(system.generate, decoding.max_new_tokens)
        except ValueError as error:
            raise InputError(f"params.yaml: systems.{name}.{error}") from error


def notes(params: dict[str, Any]) -> list[str]:
    """Return what a run will leave out: checkpoints that the profile cannot serve, tests without a system."""
    result, left_out = [], set()
    for name in params["checkpoints"]:
        if reason := why_left_out(params, name):
            left_out.add(PRETRAINED_DIR / name)
            left_out |= {
                FINETUNED_DIR / one
                for one in finetuning_names(params)
                if finetuning_params(params, one).base == name
            }
            result.append(f"checkpoints.{name}: left out, and what is on it: {reason}")
    known = [*EXTRACTIVE]
    known += [name for name in system_names(params) if system_params(params, name).path not in left_out]
    for one in comparisons_of(params):
        missing = [
            f"{system!r}{nearest(system, known)}"
            for system in dict.fromkeys(one.systems)
            if system is not None and system not in known
        ]
        if None in one.systems and not missing:
            missing = ["runs the base as it was published"]
        if missing:
            result.append(f"comparisons.{one.name}: left out: no system {' and none '.join(missing)}")
    used = {system_params(params, name).finetuning for name in system_names(params)}
    result += [
        f"finetunings.{name}: no system runs it: it is trained, and stands in no table; add a system"
        for name in finetuning_names(params)
        if name not in used
    ]
    return [*result, *language_notes(params)]


def language_notes(params: dict[str, Any]) -> list[str]:
    """Return what stays Spanish, or has no counterpart, where the articles are in another language."""
    language = data_params(params).language
    if language == "es":
        return []
    asked = {"format.template": parse_section(FormatParams, params, "format").template}
    asked |= {
        f"systems.{name}.template": template
        for name in system_names(params)
        if (template := system_params(params, name).template)
    }
    result = [
        f"{key}: asks in Spanish, got {shown(template)}, and data.language is {language}; write it in that "
        "language, if the model is to be asked so"
        for key, template in asked.items()
        if language != "any"
        and len(words(text := FIELD.sub(" ", template))) >= MIN_ASKED
        and language_of(text) == "es"
    ]
    if not stop_words(language) and parse_section(ExtractParams, params, "extract").stop_words is None:
        result.append(
            f"extract.stop_words: there is no list of data.language, {language}: none are passed over"
        )
    if not has_content_stems(language):
        result.append(
            f"data.language: no stemmer and stop words of {language}: ROUGE of content words is left out"
        )
    return result


def check_step(params: dict[str, Any], name: str) -> None:
    """Check that a fine-tuning has the articles that it asks for, where their number is known beforehand."""
    train = data_params(params).train
    if not isinstance(train, int):
        return
    recipe, entry = recipe_of(params, name), finetuning_params(params, name)
    step = recipe.batch_size * recipe.gradient_accumulation
    if train < step:
        key = recipe_key(name, entry, "batch_size")
        raise InputError(
            f"params.yaml: data.train: a step takes {step} articles ({key} × gradient_accumulation), got "
            f"{train}; raise it, or lower the batch size"
        )
    if entry.rows and entry.rows > train:
        raise InputError(
            f"params.yaml: finetunings.{name}.rows: the training split has {train} articles (data.train)"
            f", got {entry.rows}; lower it, or leave it empty for all"
        )


def check_seeds(params: dict[str, Any]) -> None:
    """Check that the splits, the probes and the miniatures' training have made-up articles of their own."""
    probe, data = parse_section(ProbeParams, params, "probe"), data_params(params)
    seeds = {"data.seed": data.seed} if isinstance(data, EmbeddedParams) else {}
    if probe.generated:
        if probe.seed in seeds.values():
            raise InputError(
                f"params.yaml: probe.seed: is data.seed too, got {probe.seed}: the questions would be about "
                "articles of the splits; choose another"
            )
        seeds["probe.seed"] = probe.seed
    if weights_source(params) == "embedded":
        for key, seed in seeds.items():
            if seed in (VOCABULARY_SEED, TRAINING_SEED):
                raise InputError(
                    f"params.yaml: {key}: the embedded miniatures have seen the news of this seed, "
                    f"got {seed}; choose another"
                )


def profile_alone(params: dict[str, Any], profile: str) -> dict[str, Any]:
    """Return `params` under `profile`, its own values not covered by what is set for the chosen one."""
    sections = params["profiles"][profile]
    if not isinstance(sections, dict):
        return {**params, "profile": profile}
    bare: dict[str, Any] = {}
    for name, own in sections.items():
        section = params.get(name)
        if isinstance(section, dict) and isinstance(own, dict):
            bare[name] = {key: None if key in own else value for key, value in section.items()}
        else:
            bare[name] = section if own is None else None
    return {**params, **bare, "profile": profile}


def check_first_rows(params: dict[str, Any]) -> None:
    """Check that the user's files are there, and the first row of each."""
    data = data_params(params)
    if isinstance(data, FilesParams):
        for rows in file_splits(data, file_origin(data)).values():
            next(iter(rows), None)


def checks_together(params: dict[str, Any]) -> list[Check]:
    """Return the checks of how the sections go together."""
    return [
        *(partial(check_checkpoint, params, name) for name in entries_of(params, "checkpoints")),
        *(partial(check_base, params, name) for name in entries_of(params, "finetunings")),
        *(partial(check_step, params, name) for name in entries_of(params, "finetunings")),
        lambda: template_pairs(parse_section(FormatParams, params, "format")),
        partial(check_seeds, params),
        partial(comparisons_of, params),
        *(partial(check_source, name, params) for name in entries_of(params, "systems")),
        partial(check_first_rows, params),
        users_budget,
        num_threads,
    ]


def told_of_the_rest(checks: Iterable[Check]) -> list[str]:
    """Return the faults that `checks` find although a section is wrong; what breaks on that tells nothing."""
    messages = []
    for one in checks:
        try:
            one()
        except InputError as error:
            messages += error.messages
        except (LookupError, TypeError, ValueError, AttributeError):
            continue
    return messages


def check(params: dict[str, Any]) -> str:
    """Check all of `params`, and return what was found in a line.

    Raises:
        InputError: all faults of the sections and of how they go together, of the chosen profile before the
            others'.
    """
    chosen = profile_of(params)
    try:
        all_of([*checks_of(params), read_sets, read_probes])
    except InputError as error:
        messages = [*error.messages, *told_of_the_rest(checks_together(params))]
        raise InputError(*dict.fromkeys(messages)) from error
    all_of(checks_together(params))
    for profile in params["profiles"]:
        all_of(section_checks(profile_alone(params, profile)))
    num_probes = len(read_probes()[1]) + parse_section(ProbeParams, params, "probe").generated
    num_systems = len(system_names(params))
    return f"params.yaml is fine: profile {chosen}, {num_systems} systems, {num_probes} probes"


def git_notes() -> list[str]:
    """Return what is missing outside a repository of git, as in a ZIP from GitHub."""
    try:
        output_of("git", "rev-parse", "--git-dir")
    except (InputError, OSError):
        return [
            'no git repository here, and DVC wants one: `git init && git add . && git commit -m "Start"`, or '
            "`git clone` instead of a ZIP"
        ]
    return []


def main() -> None:
    parser(__doc__, "resumen check").parse_args()
    params = read_params()
    result = check(params)
    for note in [*(f"params.yaml: {note}" for note in notes(params)), *git_notes()]:
        log.warning("%s", note)
    log.info("%s", result)
