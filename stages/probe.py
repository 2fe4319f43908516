"""Probe: ask a system our own prompts, and questions about made-up news.

Reads   prompts/probes.yaml, systems.S.from
Writes  data/answers/S.jsonl   id, kind, prompt, answer, reference: the right answer, or null
                               (no rows for somebody else's predictions, and for what was left out)
Params  systems.S, probe; the decoding stands in probes.yaml: greedy, the same for all

    python -m stages.probe flan-small
"""

import logging
from pathlib import Path

import torch

from resumen.checkpoint.folder import reason_left_out
from resumen.model.decoding import encode_prompts, generate_texts, greedy, make_generate
from resumen.model.loading import check_vocabulary, load_t5
from resumen.model.prepare import announce, prepare_torch
from resumen.news.questions import news_probes
from resumen.runtime.cli import parser, run
from resumen.runtime.paths import ANSWERS_DIR
from resumen.schema.answers import Answer
from resumen.schema.jsonl import write_jsonl
from resumen.schema.params import parse_section, read_params
from resumen.schema.probes import read_probes
from resumen.schema.sections import ProbeParams
from resumen.schema.systems import system_params
from resumen.vocabulary.tokenizer import load_tokenizer

log = logging.getLogger("probe")

BATCH_SIZE = 64  # of the longest prompts; in float32 the companions of a prompt do not change its answer


def answer(folder: Path, prompts: list[str], max_new_tokens: int, what: str) -> list[str]:
    """Return the answer of the model in `folder` to each prompt, in order."""
    device = prepare_torch(seed=0)  # greedy search draws nothing
    announce(log, device, torch.float32)
    model, tokenizer = load_t5(folder, torch.float32, device), load_tokenizer(folder)
    check_vocabulary(model.num_rows, tokenizer, folder)
    generate = make_generate(model, greedy(max_new_tokens))
    ids, _ = encode_prompts(tokenizer, prompts, max_tokens=None)
    return generate_texts(tokenizer, ids, generate, BATCH_SIZE, what)


def main() -> None:
    arguments = parser(__doc__, "python -m stages.probe flan-small")
    arguments.add_argument("system", help="a key of `systems` in params.yaml")
    name = arguments.parse_args().system
    params = read_params()
    system, asked = system_params(params, name), parse_section(ProbeParams, params, "probe")
    max_new_tokens, probes = read_probes()
    probes |= news_probes(asked.generated, asked.seed)
    rows = []
    if not system.is_foreign and not reason_left_out(system.path):
        prompts = [probe.prompt for probe in probes.values()]
        answers = answer(system.path, prompts, max_new_tokens, f"probe {name}")
        rows = [
            Answer(key, probe.kind, probe.prompt, text, probe.answer)._asdict()
            for (key, probe), text in zip(probes.items(), answers, strict=True)
        ]
    write_jsonl(ANSWERS_DIR / f"{name}.jsonl", rows)
    log.info("%s: %d answers", name, len(rows))


if __name__ == "__main__":
    run(main)
