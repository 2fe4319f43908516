"""Probe: ask a system our own prompts, and questions about made-up news.

Reads   prompts/probes.yaml, systems.S.from
Writes  data/answers/S.jsonl   id, kind, prompt, answer, reference: the right answer, or null
                               (no rows for somebody else's predictions, and for what was left out)
Params  systems.S, probe; the decoding stands in probes.yaml: greedy, the same for all

    python -m stages.probe flan-small
"""

import logging

from resumen.checkpoint.folder import reason_left_out
from resumen.news.questions import news_probes
from resumen.runtime.cli import parser, run
from resumen.runtime.cpu import share_cores
from resumen.runtime.paths import ANSWERS_DIR
from resumen.schema.answers import Answer
from resumen.schema.jsonl import write_jsonl
from resumen.schema.params import checked_params, parse_section
from resumen.schema.probes import read_probes
from resumen.schema.sections import ProbeParams
from resumen.schema.systems import system_params

log = logging.getLogger("probe")


def main() -> None:
    arguments = parser(__doc__, "python -m stages.probe flan-small")
    arguments.add_argument("system", help="a key of `systems` in params.yaml")
    name = arguments.parse_args().system
    params = checked_params()
    system, asked = system_params(params, name), parse_section(ProbeParams, params, "probe")
    max_new_tokens, probes = read_probes()
    probes |= news_probes(asked.generated, asked.seed)
    rows = []
    if not system.is_foreign and not reason_left_out(system.path):
        share_cores(log)
        from resumen.generation.answers import answer  # PyTorch takes seconds to import

        search = system.generate.of_an_answer() if system.generate else None
        prompts = [probe.prompt for probe in probes.values()]
        answers = answer(system.path, prompts, max_new_tokens, f"probe {name}", search)
        rows = [
            Answer(key, probe.kind, probe.prompt, text, probe.answer)._asdict()
            for (key, probe), text in zip(probes.items(), answers, strict=True)
        ]
    write_jsonl(ANSWERS_DIR / f"{name}.jsonl", rows)
    log.info("%s: %d answers", name, len(rows))


if __name__ == "__main__":
    run(main)
