"""Results: print the table of systems, or bring the one in README.md up to date.

Reads   params.yaml, metrics/systems/, metrics/evaluation.json
Writes  standard output; with --readme, the table between the marks of README.md

    resumen results
    resumen results --readme
"""

import sys

from resumen.page.table import system_rows, text_table, with_results
from resumen.runtime.cli import parser
from resumen.runtime.files import write_text
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import EVALUATION_FILE, README, REPORT
from resumen.schema.params import read_params


def main() -> None:
    arguments = parser(__doc__, "resumen results")
    arguments.add_argument("--readme", action="store_true", help="write the table into README.md instead")
    options = arguments.parse_args()
    params = read_params()
    if options.readme:
        write_text(README, with_results(README.read_text(encoding="utf-8"), params))
        return
    rows = system_rows(params, read_json(EVALUATION_FILE))
    title = f"profile {params['profile']}, F1 in points"
    where = f"\nThe report: {REPORT}\n" if REPORT.exists() else ""
    sys.stdout.write(f"\n{title}\n{text_table(rows)}\n{where}")
