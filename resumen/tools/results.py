"""Results: print the table of systems, or bring the answer and the table in the READMEs up to date.

Reads   params.yaml, metrics/evaluation.json; dvc.lock, whether they are of these params
Writes  standard output; with --readme, what stands between the marks of README.md
        and README.es.md

    resumen results
    resumen results --readme
"""

import logging
import sys
from typing import Any

from resumen.page.languages import Bilingual
from resumen.page.readme import READMES, results_of, with_results
from resumen.page.table import system_rows, text_table
from resumen.page.terminal import localized, terminal_language
from resumen.runtime.cli import parser
from resumen.runtime.errors import InputError
from resumen.runtime.files import write_text
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import EVALUATION_FILE, LOCK, PARAMS, REPORT
from resumen.schema.params import read_params, read_yaml

log = logging.getLogger("results")


def changed_since_run(params: dict[str, Any]) -> str:
    """Return in a line what has changed in params.yaml since the results were made, or "".

    An experiment that failed, or ran a part of the pipeline, leaves its params beside the results of others.
    """
    if not LOCK.exists():
        return ""
    report = read_yaml(LOCK).get("stages", {}).get("report", {})
    made_with = report.get("params", {}).get(PARAMS.as_posix(), {})
    changed = []
    for key, value in made_with.items():
        now: Any = params
        for name in key.split("."):
            now = now.get(name) if isinstance(now, dict) else None
        if now != value:
            changed.append(key)
    if not changed:
        return ""
    way = "`dvc repro` makes those of these params"
    return f"params.yaml: {', '.join(changed)}: not what the results in metrics/ were made with; {way}"


def main() -> None:
    arguments = parser(__doc__, "resumen results")
    arguments.add_argument(
        "--readme", action="store_true", help="write answer and table into README.md and README.es.md instead"
    )
    options = arguments.parse_args()
    params = read_params()
    changed = changed_since_run(params)
    if options.readme:
        if changed:
            raise InputError(changed)
        texts = [
            with_results(path.read_text(encoding="utf-8"), results, path)
            for path, results in zip(READMES, results_of(params), strict=True)
        ]
        for path, text in zip(READMES, texts, strict=True):
            write_text(path, text)
        return
    if changed:
        log.warning("%s", changed)
    rows = system_rows(params, read_json(EVALUATION_FILE))
    profile = params["profile"]
    title = Bilingual(f"profile {profile}, F1 in points", f"perfil {profile}, F1 en puntos")
    page = Bilingual(f"\nThe report: {REPORT}\n", f"\nEl informe: {REPORT}\n")
    where = localized(page) if REPORT.exists() else ""
    sys.stdout.write(f"\n{localized(title)}\n{text_table(rows, terminal_language())}\n{where}")
