"""Speed beside what people would otherwise run: fine-tuning and generation, in turn on the same rows.

    python -m benchmarks.speed                           half an hour on two cores
    python -m benchmarks.speed --rounds 1 --work greedy  one table, once
    python -m benchmarks.speed --model t5-base           another true shape than Flan-T5-small's
    python -m benchmarks.speed --device cuda             on a GPU; ctranslate2 is left out
    ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.speed   as on a laptop without AVX512 and AMX

Every round runs each competitor once, each time another one first, so a machine that slows down slows all;
the ratio of the medians stands in the table, beside the least and the most that a round had. Each has a
process of its own: ours as the stages set torch up, the others as they are installed. It ends without a
table where they did not do the same work. Needs benchmarks/requirements.txt.
"""

import argparse
import logging
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional
from transformers import T5ForConditionalGeneration
from transformers.utils import logging as transformers_logging

from benchmarks.peers import (
    BATCH_SIZE,
    LEARNING_RATE,
    CTranslate2,
    Steps,
    Trained,
    Transformers,
    finetune_course,
    finetune_trainer,
)
from benchmarks.workload import EOS, SHAPES, made_up, operations, rows
from resumen.model.decoding import generate_in_batches, make_generate
from resumen.model.device import choose_dtype, native_bf16
from resumen.model.loading import load_t5
from resumen.model.prepare import prepare_torch
from resumen.model.t5 import T5, project
from resumen.rouge.score import ROUGE_TYPES
from resumen.runtime.cli import parser, run
from resumen.runtime.errors import InputError
from resumen.schema.sections import Decoding, FinetuneParams
from resumen.training.checkpoints import epoch_folder
from resumen.training.finetuning import longest_batch
from resumen.training.loop import EpochSampler, TokenizedRows, TrainedT5
from resumen.training.loop import train as train_loop
from resumen.training.pretrained import load_model

FINETUNE = FinetuneParams(
    epochs=1,
    learning_rate=LEARNING_RATE,
    batch_size=BATCH_SIZE,
    gradient_accumulation=1,
    schedule="linear",
    warmup_ratio=0.1,
    weight_decay=0.0,
    max_grad_norm=1.0,
    label_smoothing=0.0,
    dropout=0.1,
    compile=False,
    precision="auto",
    max_new_tokens=64,
    validation_rows="all",
    seed=13,
)
RESULTS = Path(__file__).with_name("RESULTS.md")
NUM_TOKENS, NUM_BEAMS = 64, 4  # of each summary
DEFAULT = "flan-small"  # the model whose shape is taken
NUM_STEPS = 8  # of fine-tuning a round
NUM_WARMING = 2  # of them, not counted
NUM_ARTICLES = {"greedy": 64, "beams": 32}
MAX_APART = 0.02  # of the losses of those who fine-tune on the same rows
TIE = {
    "greedy": 1e-4,
    "beams": 1e-2,
}  # nats a token; a tie of beams comes early, and two ways lead on from it
TITLES = {"finetune": "fine-tuning", "greedy": "greedy ({} articles)", "beams": "four beams ({} articles)"}

Speed = Callable[[], float]  # runs once; returns articles a second
Run = Callable[[], tuple[float, Any]]  # the same, and what else there is to say


class Apart:
    """A competitor in a process of its own; a call starts it, and `close` ends it.

    `said` is what its first run said, `peak` its memory so far, in GB: resident, or allocated on a GPU.
    Unless `lasting` it ends with each run: all of those who fine-tune together take over 20 GB.
    """

    def __init__(self, make: Callable[[], Run], ours: bool, lasting: bool = True) -> None:
        self.make, self.ours, self.lasting = make, ours, lasting
        self.pool: ProcessPoolExecutor | None = None
        self.said: Any = None
        self.peak = 0.0

    def __call__(self) -> float:
        if self.pool is None:
            self.pool = ProcessPoolExecutor(1, get_context("spawn"), begin, (self.make, self.ours))
        articles_a_second, message, self.peak = self.pool.submit(once).result()
        self.said = message if self.said is None else self.said
        if not self.lasting:
            self.close()
        return articles_a_second

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown()
            self.pool = None


def begin(make: Callable[[], Run], ours: bool) -> None:
    """Prepare this process for its competitor."""
    global competitor
    if ours:
        prepare_torch(seed=7)
    be_quiet()
    competitor = make()


def once() -> tuple[float, Any, float]:
    output = competitor()
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return *output, torch.cuda.max_memory_allocated() / 1e9
    return *output, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def be_quiet() -> None:
    logging.getLogger("finetune").setLevel(logging.WARNING)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def finetune_ours(folder: Path, batches: list[dict], device: torch.device, **changes: Any) -> Trained:
    """Fine-tune by the stage's own loop, validation apart; `changes` to the parameters of FINETUNE.

    A step is timed from the gradients of the one before to its own, so the loading of its batch is in it.
    """
    model = load_model(folder)
    table = pa.Table.from_pylist([{"id": str(number), **row} for number, row in enumerate(batches)])
    params = FINETUNE.model_copy(update=changes)
    data, dtype, steps = TokenizedRows(table), choose_dtype(params.precision, device), Steps(device)
    trained = TrainedT5(model.to(device), dtype, longest_batch(data, params))
    sampler = EpochSampler(data.lengths, params.batch_size, params.seed)
    with tempfile.TemporaryDirectory() as scratch:
        steps.on_step_begin()
        history, _ = train_loop(
            model,
            trained,
            data,
            unscored,
            params,
            Path(scratch),
            lambda epoch: epoch_folder(Path(scratch), epoch).mkdir(),  # an empty model
            lambda step: steps.mark(),
        )
    targets = sum(len(row["labels"]) for row in batches)
    articles = [len(batch) for batch in sampler]
    loss = history.curve[-1]["train_loss"]
    return Trained(list(zip(articles, steps.seconds, strict=True)), targets, loss)


def unscored(t5: T5) -> dict[str, float]:
    """Return what a validation would, without one."""
    return {"loss": 0.0, **dict.fromkeys(ROUGE_TYPES, 0.0)}


class Ours:
    """The stage `generate`, from checkpoint to tokens."""

    def __init__(self, folder: Path, device: torch.device, precision: str, batch_size: int = 64) -> None:
        self.t5 = load_t5(folder, choose_dtype(precision, device), device)
        self.batch_size = batch_size

    def __call__(self, articles: list[list[int]], num_beams: int, num_tokens: int) -> list[list[int]]:
        decoding = Decoding(
            max_new_tokens=num_tokens, num_beams=num_beams, length_penalty=1.0, no_repeat_ngram_size=0
        )
        return generate_in_batches(
            articles, make_generate(self.t5, decoding), self.batch_size, "speed generation"
        )


def rate(steps: list[tuple[int, float]]) -> float:
    """Return the articles a second of some steps, each its articles and its seconds."""
    articles, seconds = zip(*steps, strict=True)
    return sum(articles) / sum(seconds)


Train = Callable[[Path, list[dict], torch.device], Trained]
Writer = Callable[[list[list[int]], int, int], list[list[int]]]


def trains(train: Train, folder: Path, device: torch.device, data: list[dict], compiles: bool = False) -> Run:
    """Return what fine-tunes; it says what it did, and how long it compiled: what the first run took more."""
    first: float | None = None

    def run() -> tuple[float, tuple[Trained, float]]:
        nonlocal first
        if first is None and compiles:
            first = total(train(folder, data, device))
        output = train(folder, data, device)
        return rate(output.steps[NUM_WARMING:]), (output, first - total(output) if first else 0.0)

    return run


def total(trained: Trained) -> float:
    return sum(seconds for _, seconds in trained.steps)


def writes(make: Callable[[], Writer], articles: list[list[int]], num_beams: int) -> Run:
    """Return what writes `NUM_TOKENS` tokens for each article; it says which."""
    write = make()
    write(articles, num_beams, 2)  # warms up

    def run() -> tuple[float, list[list[int]]]:
        start = time.perf_counter()
        output = write(articles, num_beams, NUM_TOKENS)
        seconds = time.perf_counter() - start
        check_lengths(output, NUM_TOKENS)
        return len(output) / seconds, output

    return run


def check_lengths(output: list[list[int]], num_tokens: int) -> None:
    """End unless all summaries are as long as they are to be."""
    if short := sum(len(row) < num_tokens or EOS in row[:num_tokens] for row in output):
        sys.exit(f"{short} of {len(output)} summaries are short: this is no comparison")


def finetuning(folder: Path, device: torch.device) -> dict[str, Apart]:
    """Return who fine-tunes, on the same rows: `NUM_STEPS` steps, of which `NUM_WARMING` warm up."""
    data = rows(NUM_STEPS * BATCH_SIZE, seed=1)
    trainers: dict[str, Train] = {
        "ours": finetune_ours,
        "ours, compiled": partial(finetune_ours, compile=True),
        "course": finetune_course,
        "trainer": finetune_trainer,
    }
    if native_bf16(device):
        trainers["ours, fp32"] = partial(finetune_ours, precision="fp32")
        trainers["trainer, bf16"] = partial(finetune_trainer, bf16=True)
    output = {}
    for name, fine_tunes in trainers.items():
        compiles = name == "ours, compiled"  # once
        run = partial(trains, fine_tunes, folder, device, data, compiles)
        output[name] = Apart(run, name.startswith("ours"), lasting=compiles)
    return output


def check_trained(who: Mapping[str, Trained]) -> str:
    """Return how far the losses are apart; end unless all saw as many articles and target tokens."""
    seen = {name: (sum(count for count, _ in output.steps), output.targets) for name, output in who.items()}
    losses = [output.loss for output in who.values()]
    apart = (max(losses) - min(losses)) / min(losses)
    if len(set(seen.values())) > 1 or apart > MAX_APART:
        sys.exit(f"not the same work: articles and target tokens {seen}, losses {losses}")
    articles, targets = seen["ours"]
    return (
        f"Each saw the same {articles} articles and {targets:,} target tokens; their mean losses are within "
        f"{apart:.1%}."
    )


def compiling(seconds: float, rates: Mapping[str, float]) -> str:
    """Return when so many seconds of compiling have paid for themselves."""
    plain, compiled = rates["ours"], rates["ours, compiled"]
    message = f"Compiling takes {seconds:.0f} s"
    if compiled <= plain:
        return f"{message}, and no later step makes up for it."
    return f"{message}, which pays from {seconds / (1 / plain - 1 / compiled):,.0f} articles on."


def generation(work: str, folder: Path, device: torch.device, scratch: Path) -> dict[str, Apart]:
    """Return who writes `NUM_TOKENS` tokens for each of the same articles."""
    articles = articles_of(work)
    writers: dict[str, Callable[[], Writer]] = {"ours": partial(Ours, folder, device, "auto")}
    if work == "greedy":
        writers["course"] = partial(Transformers, folder, device, is_course=True)
    writers["transformers"] = partial(Transformers, folder, device)
    if native_bf16(device):
        writers["ours, fp32"] = partial(Ours, folder, device, "fp32")
        writers["transformers, bf16"] = partial(Transformers, folder, device, torch.bfloat16)
    if device.type == "cpu":
        for kind in ("int8", "float32"):
            writers[f"ctranslate2 {kind}"] = partial(CTranslate2, folder, scratch, kind)
        writers["ctranslate2 int8, a translator a core"] = partial(CTranslate2, folder, scratch, "int8", True)
    num_beams = 1 if work == "greedy" else NUM_BEAMS
    return {
        name: Apart(partial(writes, make, articles, num_beams), name.startswith("ours"))
        for name, make in writers.items()
    }


def articles_of(work: str) -> list[list[int]]:
    return [row["input_ids"] for row in rows(NUM_ARTICLES[work], seed=2)]


def check_written(work: str, who: Mapping[str, list[list[int]]], folder: Path) -> str:
    """Return how many summaries came out as those of transformers; end if ours in float32 do not.

    Ties are excepted: two summaries that transformers' float32 finds as good, within `TIE`.
    """
    theirs, exact = who["transformers"], "ours, fp32" if "ours, fp32" in who else "ours"
    others = [index for index, pair in enumerate(zip(who[exact], theirs, strict=True)) if pair[0] != pair[1]]
    for index in others:
        gap = gap_of(folder, articles_of(work)[index], who[exact][index], theirs[index], work == "greedy")
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


def busy(work: str, articles_a_second: float, device: torch.device, model: str) -> str:
    """Return ours' tokens a second, in and out, and what share of the rate of matrix products it reaches."""
    data = rows(1_000, seed=1)
    written = [len(row["labels"]) if work == "finetune" else NUM_TOKENS for row in data]
    lengths = list(zip((len(row["input_ids"]) for row in data), written, strict=True))
    tokens = statistics.mean(sum(pair) for pair in lengths)
    passes, beams = {"finetune": (3, 1), "greedy": (1, 1), "beams": (1, NUM_BEAMS)}[work]  # backward: twice
    passed = passes * statistics.mean(operations(source, beams * target, model) for source, target in lengths)
    needed = passed * articles_a_second / 1e12
    message = f"Ours takes in and puts out {articles_a_second * tokens:,.0f} tokens a second"
    dtype = choose_dtype("auto", device)
    share, kind = needed / matrix_rate(dtype, device), str(dtype).removeprefix("torch.")
    return f"{message}, {needed:.2f} · 10¹² operations, {share:.0%} of the rate of {kind} products."


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def measured(who: Mapping[str, Speed], rounds: int) -> dict[str, list[float]]:
    """Return the articles a second of each of `who`, who run in turn, `rounds` times, another one first."""
    rates: dict[str, list[float]] = {name: [] for name in who}
    names = list(who)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            rates[name].append(who[name]())
    return rates


def table(work: str, rates: Mapping[str, list[float]]) -> Iterator[str]:
    """Yield a table of medians, and of their ratios to "ours"; least and most are of the rounds."""
    yield f"| {work} | articles/s | ours is | least to most |"
    yield "|---|---:|---:|---|"
    ours = statistics.median(rates["ours"])
    for name, values in rates.items():
        median = statistics.median(values)
        ratios = [own / other for own, other in zip(rates["ours"], values, strict=True)]
        cells = [f"{ours / median:.2f} ×", f"{min(ratios):.2f} to {max(ratios):.2f}"]
        yield f"| {name} | {median:.2f} | {' | '.join(['', ''] if name == 'ours' else cells)} |"


def curve(folder: Path, device: torch.device, rounds: int) -> Iterator[str]:
    """Yield the cost curve: articles a second and peak memory at 1, 4 and 16 times the rows."""
    yield f"| rows |{' {}, articles/s | peak, GB |' * 3}".format("fine-tuning", "greedy", "four beams")
    yield f"|---|{'---:|' * 6}"
    counts = [16 * times for times in (1, 4, 16)]
    result: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for count in counts * rounds:
        for index, make in enumerate(costs(folder, device, rows(count, seed=3))):
            with closing(Apart(make, ours=True)) as apart:
                result.setdefault((count, index), []).append((apart(), apart.peak))
    for count in counts:
        cells = [
            f"{statistics.median(rates):.2f} | {max(peaks):.2f}"
            for rates, peaks in (zip(*result[count, index], strict=True) for index in range(3))
        ]
        yield f"| {count} | {' | '.join(cells)} |"


def costs(folder: Path, device: torch.device, data: list[dict]) -> Iterator[Callable[[], Run]]:
    """Yield what fine-tunes on, and what writes summaries of `data`, greedily and with beams."""
    yield partial(tunes, folder, device, [*data[: NUM_WARMING * BATCH_SIZE], *data])
    articles, make = [row["input_ids"] for row in data], partial(Ours, folder, device, "auto")
    for num_beams in (1, NUM_BEAMS):
        yield partial(writes, make, articles, num_beams)


def tunes(folder: Path, device: torch.device, data: list[dict]) -> Run:
    """Return what fine-tunes once, `NUM_WARMING` steps to warm up."""
    return lambda: (rate(finetune_ours(folder, data, device).steps[NUM_WARMING:]), None)


def matrix_rate(
    dtype: torch.dtype, device: torch.device, product: Callable[[Tensor, Tensor], Tensor] = project
) -> float:
    """Return how many 10¹² operations a second a matrix product does, the most of ten times.

    On a CPU by oneDNN, as ours; on a GPU ten products of a size that fills it, so that starting them is free.
    """
    is_gpu = device.type == "cuda"
    size, count = (8192, 10) if is_gpu else (2048, 1)
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = 0.0
    with torch.inference_mode():
        for _ in range(10):
            if is_gpu:
                torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(count):
                product(one, other)
            if is_gpu:
                torch.cuda.synchronize()
            best = max(best, count * 2 * size**3 / (time.perf_counter() - start) / 1e12)
    return best


def hardware(device: torch.device) -> str:
    """Return a line on the machine, the rate of its matrix products, and versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    rates = [f"{matrix_rate(torch.float32, device):.2f} in float32"]
    if device.type == "cpu":
        rates.append(f"{matrix_rate(torch.float32, device, functional.linear):.2f} in PyTorch's own float32")
    if native_bf16(device):  # emulated, it takes minutes
        rates.append(f"{matrix_rate(torch.bfloat16, device):.2f} in bfloat16")
    packages = ("torch", "transformers", "ctranslate2", "datasets", "rouge_score")
    return "; ".join(
        [
            f"{name}, {torch.get_num_threads()} threads, {units(device)}",
            f"matrix products, 10¹² operations a second: {', '.join(rates)}",
            ", ".join(f"{name} {version(name)}" for name in packages if find_spec(name)),
        ]
    )


def units(device: torch.device) -> str:
    """Return what the hardware has for bf16."""
    if not native_bf16(device):
        return "no bf16 units: float32"
    has_amx = device.type == "cpu" and torch.cpu._is_amx_tile_supported()
    return "bf16 units, AMX" if has_amx else "bf16 units" if device.type == "cuda" else "bf16 units, no AMX"


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def options() -> argparse.Namespace:
    arguments = parser(__doc__, "python -m benchmarks.speed --rounds 1 --work greedy")
    works = ["finetune", "greedy", "beams", "curve"]
    arguments.add_argument("--work", choices=works, nargs="*", default=works, help="default: all")
    arguments.add_argument("--rounds", type=int, default=3, help="default: 3")
    arguments.add_argument("--model", choices=list(SHAPES), default=DEFAULT, help=f"default: {DEFAULT}")
    arguments.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    arguments.add_argument("--write", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    return arguments.parse_args()


def check_parts(names: Iterable[str]) -> None:
    """Raise InputError unless RESULTS.md has all these parts, before hours of measuring."""
    text = RESULTS.read_text(encoding="utf-8")
    for line in (line for name in names for line in (f"<!-- {name} -->", f"<!-- /{name} -->")):
        if line not in text:
            raise InputError(f"{RESULTS.name}: no line {line}; add it where the table is to stand")


def write_results(name: str, lines: list[str], rounds: int) -> None:
    """Replace the part `name` of RESULTS.md; the rest stays."""
    command = ["git", "log", "-1", "--format=%h"]
    commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    changed = ["git", "diff", "--quiet", "HEAD", "--", "stages", "resumen", "benchmarks/*.py"]
    if subprocess.run(changed, check=False).returncode:
        commit += ", changed since"
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = RESULTS.read_text(encoding="utf-8").partition(begin)
    date = datetime.now(UTC).date().isoformat()
    output = "\n".join([f"{date}, commit {commit}, {rounds} round{'s' * (rounds > 1)}.", "", *lines])
    RESULTS.write_text(f"{before}{begin}\n{output}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def results(work: str, rounds: int, folder: Path, device: torch.device, scratch: Path) -> Iterator[str]:
    """Run a kind of work; yield the lines that tell of it."""
    if work == "curve":
        yield from curve(folder, device, rounds)
        return
    title = TITLES[work].format(NUM_ARTICLES.get(work))
    who = finetuning(folder, device) if work == "finetune" else generation(work, folder, device, scratch)
    with ExitStack() as ends:
        for competitor in who.values():
            ends.enter_context(closing(competitor))
        rates = measured(who, rounds)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    if work == "finetune":
        output = {name: apart.said[0] for name, apart in who.items()}
        message = f"{check_trained(output)} {compiling(who['ours, compiled'].said[1], medians)}"
    else:
        message = check_written(work, {name: apart.said for name, apart in who.items()}, folder)
    yield from table(title, rates)
    yield ""
    yield message
    yield ""
    yield busy(work, medians["ours"], device, folder.name)


def main() -> None:
    chosen = options()
    be_quiet()
    device, isa = torch.device(chosen.device), os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    model = "" if chosen.model == DEFAULT else chosen.model
    parts = {work: " ".join(filter(None, [chosen.device, isa, model, work])) for work in chosen.work}
    if chosen.write:
        check_parts(parts.values())
    known = hardware(device)
    say(known)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(scratch / "compiled")  # as if for the first time
        folder = made_up(chosen.model, scratch / chosen.model)
        for work in chosen.work:
            say("")
            lines = [known, ""]
            for line in results(work, chosen.rounds, folder, device, scratch):
                lines.append(line)
                say(line)
            if chosen.write:
                write_results(parts[work], lines, chosen.rounds)


if __name__ == "__main__":
    run(main)
