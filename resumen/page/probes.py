"""The probes as the page shows them: exact answers by kind and model, and each prompt with its answers."""

from typing import Any

from resumen.schema.answers import NEWS, read_answers
from resumen.schema.systems import system_params


def by_model(params: dict[str, Any], systems: list[str]) -> dict[str, list[str]]:
    """Return the systems that ask one model, by the first of them: a probe has no template of a system's."""
    models: dict[Any, list[str]] = {}
    for name in systems:
        system = system_params(params, name)
        models.setdefault((system.path, str(system.generate)), []).append(name)
    return {names[0]: names for names in models.values()}


def exact_table(probes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each kind: how many were asked, and each system's exact answers in %.

    `probes` is that of metrics/evaluation.json.
    """
    kinds: dict[str, dict[str, Any]] = {}
    for row in probes:
        for kind in row["kinds"]:
            entry = kinds.setdefault(kind["kind"], {"num_asked": kind["num_asked"], "exact_pct": {}})
            entry["exact_pct"][row["system"]] = kind["exact_pct"]
    return [{"kind": kind, **entry} for kind, entry in kinds.items()]


def shown_probes(systems: list[str]) -> dict[str, Any]:
    """Return the prompts by kind with every system's answer: all of ours, of each about news the first."""
    rows: dict[str, dict[str, Any]] = {}
    for system in systems:
        for answer in read_answers(system):
            row = rows.setdefault(answer.id, {**answer._asdict(), "answers": {}})
            row["answers"][system] = {"text": answer.answer, "is_exact": answer.is_exact}
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in rows.values():
        group = kinds.setdefault(row["kind"], [])
        if not group or not row["kind"].startswith(NEWS):
            group.append(row)
    return {
        "kinds": kinds,
        "num_news": sum(row["kind"].startswith(NEWS) for row in rows.values()),
        "systems": [name for name in systems if any(name in row["answers"] for row in rows.values())],
    }
