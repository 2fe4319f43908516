"""Generation beside transformers and CTranslate2, greedy and with four beams, of the same articles.

    python -m benchmarks.generation                           ten minutes on two cores
    python -m benchmarks.generation --rounds 1 --work greedy  one table, once
    python -m benchmarks.generation --model t5-base           another true shape than Flan-T5-small's
    python -m benchmarks.generation --device cuda             on a GPU, beside transformers alone
    ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.generation   as on a laptop without AVX512 and AMX

The rounds are those of benchmarks.training. It ends without a table where a summary is too short, or where
one of ours in float32 is neither that of transformers nor a tie. Needs benchmarks/requirements.txt.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from transformers import T5ForConditionalGeneration

from benchmarks.harness.apart import Apart, Writer, be_quiet, rates_of, table, writes
from benchmarks.harness.hardware import busy
from benchmarks.harness.ours import Ours
from benchmarks.harness.peers import CTranslate2, Transformers
from benchmarks.harness.results import benchmark, check_parts, part_of, say, tell
from benchmarks.harness.workload import DEFAULT, NUM_BEAMS, NUM_TOKENS, SHAPES, made_up, rows
from resumen.model.device import native_bf16, open_device
from resumen.model.loading import open_checkpoint
from resumen.model.operations import summary_operations
from resumen.runtime.cli import run

BEAMS = {"greedy": 1, "beams": NUM_BEAMS}  # by the kind of work
TITLES = {"greedy": "greedy", "beams": "four beams"}
NUM_ARTICLES = {"cpu": {"greedy": 64, "beams": 32}, "cuda": {"greedy": 256, "beams": 128}}
TIE = {
    "greedy": 1e-4,
    "beams": 1e-2,
}  # nats a token; a tie of beams comes early, and two ways lead on from it


def competitors(work: str, folder: Path, device: torch.device, scratch: Path) -> dict[str, Apart]:
    """Return who writes `NUM_TOKENS` tokens for each of the same articles; see `in_turn` for `once`."""
    known: dict[str, Callable[[], Writer]] = {
        "ours": partial(Ours, folder, device, "auto"),
        "course": partial(Transformers, folder, device, is_course=True),
        "transformers": partial(Transformers, folder, device),
        "ours, fp32": partial(Ours, folder, device, "fp32"),
        "ours, int8": partial(Ours, folder, device, "int8"),
        "transformers, bf16": partial(Transformers, folder, device, torch.bfloat16),
        "ctranslate2 int8": partial(CTranslate2, folder, scratch, "int8"),
        "ctranslate2 float32": partial(CTranslate2, folder, scratch, "float32"),
        "ctranslate2 int8, a translator a core": partial(CTranslate2, folder, scratch, "int8", True),
    }
    plain, rounded, int8 = "transformers", "transformers, bf16", [name for name in known if "int8" in name]
    if device.type == "cuda":
        every, once = ["ours", rounded], ["ours, fp32", plain]
    elif native_bf16(device):
        every = ["ours", *(["course"] if work == "greedy" else [plain]), *int8]
        once = ["ours, fp32", *([plain] if work == "greedy" else []), rounded]
    else:
        every, once = ["ours", *int8], [plain]
        if work == "beams":
            every, once = ["ours", plain, *int8], []
        else:
            every.append("ctranslate2 float32")
    articles = articles_of(work, device)
    return {
        name: Apart(
            partial(writes, known[name], articles, BEAMS[work]),
            name.startswith("ours"),
            lasting=name in every,
            once=name in once,
        )
        for name in every + once
    }


def articles_of(work: str, device: torch.device) -> list[list[int]]:
    return [row["input_ids"] for row in rows(NUM_ARTICLES[device.type][work], seed=2)]


def check_written(
    work: str, who: Mapping[str, list[list[int]]], folder: Path, articles: list[list[int]]
) -> str:
    """Return how many summaries came out as those of transformers; end if ours in float32 do not.

    Ties are excepted: two summaries that transformers' float32 finds as good, within `TIE`.
    """
    theirs, exact = who["transformers"], "ours, fp32" if "ours, fp32" in who else "ours"
    others = [index for index, pair in enumerate(zip(who[exact], theirs, strict=True)) if pair[0] != pair[1]]
    for index in others:
        gap = gap_of(folder, articles[index], who[exact][index], theirs[index], work == "greedy")
        if abs(gap) > TIE[work]:
            sys.exit(f"{exact}: article {index} came out {gap:.1e} nats worse than by transformers: a fault")
    same = {
        name: sum(one == other for one, other in zip(output, theirs, strict=True))
        for name, output in who.items()
    }
    rounded = ", ".join(
        f"{name} {count}" for name, count in same.items() if name not in (exact, "transformers")
    )
    return (
        f"In float32 {same[exact]} of {len(theirs)} are token for token those of transformers' `generate`, "
        f"{len(others)} are ties. Where the arithmetic rounds in another way, random weights, whose best "
        f"continuations are all but equally good, give other summaries; the same came out: {rounded}."
    )


@torch.inference_mode()
def gap_of(folder: Path, source: list[int], ours: list[int], theirs: list[int], is_greedy: bool) -> float:
    """Return how much likelier, in nats, float32 finds `theirs`: the token where they part, or the whole."""
    model = T5ForConditionalGeneration.from_pretrained(folder).eval()
    result = []
    for output in (ours, theirs):
        logits = model(input_ids=torch.tensor([source]), labels=torch.tensor([output])).logits[0]
        result.append(logits.log_softmax(-1).gather(-1, torch.tensor(output)[:, None])[:, 0])
    if is_greedy:
        index = next(index for index, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
        return float(result[1][index] - result[0][index])
    return float(result[1].mean() - result[0].mean())


def results(work: str, rounds: int, folder: Path, device: torch.device, scratch: Path) -> Iterator[str]:
    """Write summaries; yield the lines that tell of it."""
    who, articles = competitors(work, folder, device, scratch), articles_of(work, device)
    rates = rates_of(who, rounds)
    title = f"{TITLES[work]} ({len(articles)} articles)"
    yield from table(title, rates, {name: apart.peak for name, apart in who.items()})
    if device.type == "cpu":
        yield from ["", of_int8(rates)]
    written = {name: apart.said for name, apart in who.items()}
    yield from ["", check_written(work, written, folder, articles), ""]
    yield busy(statistics.median(rates["ours"]), *costs(work, folder), device)


def of_int8(rates: Mapping[str, list[float]]) -> str:
    """Return how ours with weights in int8 stands beside those who have them too."""
    ours, said = rates["ours, int8"], []
    for name in (name for name in rates if "int8" in name and name != "ours, int8"):
        ratios = [own / other for own, other in zip(ours, rates[name], strict=True)]
        ratio = statistics.median(ours) / statistics.median(rates[name])
        said.append(f"{ratio:.2f} × {name} ({min(ratios):.2f} to {max(ratios):.2f})")
    return f"With weights in int8 ours is {', '.join(said)}."


def costs(work: str, folder: Path) -> tuple[float, float]:
    """Return the tokens and the operations of an article, in the mean."""
    checkpoint, lengths = open_checkpoint(folder), [len(row["input_ids"]) for row in rows(1_000, seed=1)]
    shape = checkpoint.config, checkpoint.num_rows
    operations = [summary_operations(*shape, length, NUM_TOKENS, BEAMS[work]) for length in lengths]
    return statistics.mean(lengths) + NUM_TOKENS, statistics.mean(operations)


def main() -> None:
    arguments = benchmark(__doc__, "python -m benchmarks.generation --rounds 1 --work greedy", rounds=3)
    arguments.add_argument("--work", choices=list(BEAMS), nargs="*", default=list(BEAMS), help="default: all")
    arguments.add_argument("--model", choices=list(SHAPES), default=DEFAULT, help=f"default: {DEFAULT}")
    arguments.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    chosen = arguments.parse_args()
    parts = {work: part_of(work, chosen.device, chosen.model) for work in chosen.work}
    if chosen.write:
        check_parts(parts.values())
    be_quiet()
    device = open_device(chosen.device)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        folder = made_up(chosen.model, scratch / chosen.model)
        for work, part in parts.items():
            lines = results(work, chosen.rounds, folder, device, scratch)
            tell(part, lines, device, chosen.rounds, chosen.write)
            say("")


if __name__ == "__main__":
    run(main)
