"""params.yaml: the profile merged in, every block checked, every error with its key and the next step."""

import difflib
import re
from collections.abc import Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeGuard, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from resumen.runtime.errors import InputError, first_line, nearest, shown
from resumen.runtime.files import require_file
from resumen.runtime.guards import MAX_YAML, expanded_yaml_size, read_bounded
from resumen.runtime.paths import PARAMS

ENTRY_NAME = re.compile(r"[A-Za-z0-9_-]+")  # DVC takes no dots and no spaces in the key of a foreach
# What ruamel.yaml raises of a date that no calendar has, a number in letters, a thousand brackets.
NOT_YAML = (YAMLError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)


class Block(BaseModel):
    """A section of params.yaml: frozen, strictly typed, no key that it does not know, no .inf or .nan."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    moved: ClassVar[dict[str, str]] = {}  # keys of old, and where they stand now


AnyBlock = TypeVar("AnyBlock", bound=Block)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file, read as DVC reads it (YAML 1.2: `1e-05` is a number).

    A tag of Python's is no YAML here: nothing in the file is run.

    Raises:
        InputError: the file is missing, is not UTF-8, or is not YAML; the message has file:line. Or it is
            too large, as it stands or with its aliases written out.
    """
    try:
        with require_file(path).open("rb") as file:
            text = read_bounded(file, path, MAX_YAML).decode("utf-8")
        yaml = YAML(typ="safe", pure=True)
        node = yaml.compose(text)
        if expanded_yaml_size(node, {}) > MAX_YAML:
            raise InputError(f"{path}: over {MAX_YAML:,} characters with its aliases written out; use fewer")
        return None if node is None else yaml.constructor.construct_document(node)
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; run from the folder that holds the project") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(f"{path}: not UTF-8, got byte 0x{byte:02x}; save it as UTF-8") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputError(f"{where}: not YAML: {error.problem}") from error
    except InputError:
        raise
    except NOT_YAML as error:
        raise InputError(f"{path}: not YAML: {first_line(error)}; fix it, or fetch it again") from error


def read_params(path: Path = PARAMS) -> dict[str, Any]:
    """Return the whole of params.yaml, unchecked.

    Raises:
        InputError: see `read_yaml`; or the file is no mapping.
    """
    params = read_yaml(path)
    if not isinstance(params, dict):
        raise InputError(f"{path}: expected keys and values, got {params!r}")
    return params


def checked_params() -> dict[str, Any]:
    """Return the whole of params.yaml, each of its sections checked by itself.

    A fault that only a later stage would meet is found in a second, not after the training.

    Raises:
        InputError: see `read_params`; or all faults of the sections.
    """
    params = read_params()
    # By its name: a stage that only reads a section does not depend on what it is checked with.
    import_module("resumen.schema.whole").check_whole(params)
    return params


def merge(section: Any, profile_section: Any) -> Any:
    """Return `section` with the profile's value where it says null; the one rule of profiles.

    >>> merge({"epochs": None, "seed": 13}, {"epochs": 4})
    {'epochs': 4, 'seed': 13}
    >>> merge(None, "embedded")
    'embedded'
    """
    if not isinstance(section, dict) or not isinstance(profile_section, dict):
        return profile_section if section is None else section
    chosen = {key: value for key, value in section.items() if value is not None}
    return {**section, **profile_section, **chosen}


def check_name(section: str, name: Any) -> None:
    """Raise InputError if neither DVC's foreach nor a file would take `name`, a key of `section`."""
    if not isinstance(name, str) or not ENTRY_NAME.fullmatch(name):
        raise InputError(
            f"params.yaml: {section}.{name}: expected letters, digits, - and _ in a name, got {name!r}"
        )


def profile_of(params: dict[str, Any]) -> str:
    """Return the profile's name.

    Raises:
        InputError: there is no such profile.
    """
    profile, profiles = params.get("profile"), params.get("profiles")
    if not isinstance(profiles, dict) or not profiles:
        raise InputError(f"params.yaml: profiles: expected a mapping of profiles, got {profiles!r}")
    if not isinstance(profile, str) or profile not in profiles:
        raise InputError(f"params.yaml: profile: unknown value {profile!r}{nearest(profile, list(profiles))}")
    return profile


def section_of(params: dict[str, Any], name: str) -> Any:
    """Return section `name` merged with the profile's, unchecked.

    Raises:
        InputError: the section is missing.
    """
    if name not in params:
        raise InputError(f"params.yaml: {name}: missing; add the section")
    profile = profile_of(params)
    sections = params["profiles"][profile]
    if not isinstance(sections, dict):
        raise InputError(f"params.yaml: profiles.{profile}: expected sections, got {sections!r}")
    return merge(params[name], sections.get(name))


def parse_section(kind: type[AnyBlock], params: dict[str, Any], name: str) -> AnyBlock:
    """Return section `name` merged with the profile's and checked.

    Raises:
        InputError: see `parse_block`; the key is named where its value stands, here or in the profile.
    """
    section = params.get(name)
    own = [key for key, value in section.items() if value is not None] if isinstance(section, dict) else []
    profile_where = f"profiles.{profile_of(params)}.{name}"
    return parse_block(kind, section_of(params, name), name, profile_where=profile_where, own=own)


def parse_key(kind: type[AnyBlock], params: dict[str, Any], name: str, key: str) -> AnyBlock:
    """Return `key` of section `name`, another stage's, as a checked `kind` that holds it alone.

    Raises:
        InputError: see `parse_block`.
    """
    section = section_of(params, name)
    if not isinstance(section, dict):
        raise InputError(f"params.yaml: {name}: expected keys and values, got {section!r}")
    where = f"profiles.{profile_of(params)}.{name}"
    stands_here = isinstance(params[name], dict) and params[name].get(key) is not None
    own = [key] if stands_here else []
    return parse_block(kind, {key: section.get(key)}, name, profile_where=where, own=own)


def parse_block(
    kind: type[AnyBlock],
    value: Any,
    where: str,
    *,
    file: Path = PARAMS,
    profile_where: str = "",
    own: Sequence[str] = (),
) -> AnyBlock:
    """Return the section `value` of `file` as a checked `kind`.

    `where` is its key, such as "finetune". Of a merged section, `own` are the keys that stand there
    and the others come from `profile_where`.

    Raises:
        InputError: `file: key: what is wrong, got value; next step`, a message for each key.
    """
    if not isinstance(value, dict):
        raise InputError(f"{file}: {where}: expected keys and values, got {value!r}")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        faults: dict[tuple[str, ...], list[Any]] = {}
        for fault in error.errors():
            faults.setdefault(tuple(key_path(fault["loc"], value)), []).append(fault)
        # What is missing may be there, misspelt: that is said once.
        unknown = [path[-1] for path, (fault, *_) in faults.items() if fault["type"] == "extra_forbidden"]
        messages = []
        for path, same in faults.items():
            if same[0]["type"] == "missing" and difflib.get_close_matches(path[-1], unknown):
                continue
            is_here = not path or path[0] in own or path[0] not in value
            key = ".".join(filter(None, [where if is_here else profile_where or where, *path]))
            if same[0]["input"] is None and profile_where:
                key = ".".join([where, *path])
            messages.append(f"{file}: {key}: {fault_message(same, path, kind, profile_where)}")
        raise InputError(*messages) from error


def fault_message(same: list[Any], path: Sequence[str], kind: type[Block], profile_where: str) -> str:
    """Return what is wrong with the key at `path`, of which pydantic found `same`."""
    fault = same[0]
    if fault["type"] == "extra_forbidden" and path[-1] in kind.moved:
        return f"belongs in {kind.moved[path[-1]]}, got {fault['input']!r}; set that instead"
    if fault["type"] == "extra_forbidden":
        known = [field.alias or key for key, field in block_at(kind, path[:-1]).model_fields.items()]
        return f"unknown key{nearest(path[-1], known)}"
    if fault["type"] == "missing" or (fault["input"] is None and profile_where):
        return f"no value here nor in {profile_where}; set one" if profile_where else "missing; add it"
    if fault["type"] == "value_error":
        text, given = str(fault["ctx"]["error"]), fault["input"]
        got = f", got {shown(given) if isinstance(given, dict) else repr(given)}"
        what, mark, question = text.rpartition("; ")
        if question.endswith("?"):  # what is misspelt in a block stands in the text
            return f"{what}{'' if isinstance(given, dict) else got}{mark}{question}"
        return f"{text}{got}"
    if fault["type"] == "model_type":
        return f"expected keys and values, got {fault['input']!r}"
    wanted = " or ".join(other["msg"].removeprefix("Input should be ") for other in same)
    message = f"expected {wanted}, got {fault['input']!r}"
    if fault["type"] == "string_type" and isinstance(fault["input"], int | float | date):
        message += "; put it in quotes"
    return message


def block_at(kind: type[Block], path: Sequence[str]) -> type[Block]:
    """Return the block that stands in a `kind` at `path`, or the one around it."""
    for key in path:
        annotation = kind.model_fields[key].annotation if key in kind.model_fields else None
        kind = next((one for one in get_args(annotation) or [annotation] if is_block(one)), kind)
    return kind


def is_block(kind: Any) -> TypeGuard[type[Block]]:
    """Return whether an annotation is a block of its own."""
    return isinstance(kind, type) and issubclass(kind, Block)


def key_path(location: Sequence[Any], value: Any) -> list[str]:
    """Return the keys of pydantic's `location` that lead into `value`; it adds the members of a union.

    >>> key_path(("train", "constrained-int"), {"train": "al"})
    ['train']
    """
    keys = []
    for key in location:
        if not isinstance(value, dict):
            break
        keys.append(str(key))
        value = value.get(key)
    return keys


def load_params(kind: type[AnyBlock], name: str, path: Path = PARAMS) -> AnyBlock:
    """Return section `name` of params.yaml, merged with the profile's and checked.

    Raises:
        InputError: see `read_params` and `parse_block`.
    """
    return parse_section(kind, read_params(path), name)
