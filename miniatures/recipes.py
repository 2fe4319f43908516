"""Recipes: the size of each miniature, and the phases it trains in."""

from dataclasses import dataclass

Mixture = tuple[tuple[str, float], ...]  # "span_corruption" or a task of TASKS, its share of the rows


@dataclass(frozen=True)
class Phase:
    """A stretch of training on one mixture of tasks."""

    mixture: Mixture
    max_words: int  # of the article's text in a source
    steps: int
    batch: int  # rows a step
    learning_rate: float  # peak


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the bytes of one model, but for the code and the news."""

    version: str  # v1.0 or v1.1
    d_model: int
    d_kv: int
    d_ff: int
    num_heads: int
    num_layers: int
    num_decoder_layers: int
    phases: tuple[Phase, ...]
    seed: int
    warmup_steps: int = 50  # from zero to the first phase's peak
    decay_share: float = 0.4  # of all steps, at the end: linear to zero
    position_scale: float = 40.0  # times the learning rate, for the relative position biases
    compiled: bool = True  # by torch.compile, which wants a C++ compiler: 1.6 times the steps a second
    max_grad_norm: float = 1.0

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)


def phase_at(recipe: Recipe, step: int) -> tuple[int, int]:
    """Return the phase's index and the step within it."""
    for index, phase in enumerate(recipe.phases):
        if step < phase.steps:
            return index, step
        step -= phase.steps
    raise IndexError(f"step {step} lies beyond the last phase")


CORRUPTION = (("span_corruption", 1.0),)
COPYING = (("repeat", 0.33), ("continue_after", 0.47), ("span_corruption", 0.2))
READING = (
    ("question", 0.4),
    ("questions", 0.4),
    ("find_sentences", 0.1),
    ("continue_after", 0.1),
)
INSTRUCTIONS = (
    ("question", 0.25),
    ("questions", 0.33),
    ("headline", 0.2),
    ("topic", 0.04),
    ("completion", 0.04),
    ("find_sentences", 0.14),
)
# Asked who of three people it was, a model of the mixtures without `select` guesses (43 % of the questions).
READING_WITH_SELECT = (
    ("select", 0.45),
    ("question", 0.1),
    ("questions", 0.25),
    ("find_sentences", 0.1),
    ("continue_after", 0.1),
)
INSTRUCTIONS_WITH_SELECT = (
    ("select", 0.2),
    ("question", 0.2),
    ("questions", 0.2),
    ("headline", 0.2),
    ("topic", 0.04),
    ("completion", 0.04),
    ("find_sentences", 0.12),
)


def t5_phases(short: int, long: int) -> tuple[Phase, ...]:
    return (
        Phase(CORRUPTION, max_words=40, steps=short, batch=32, learning_rate=6e-3),
        Phase(CORRUPTION, max_words=100, steps=long, batch=32, learning_rate=6e-3),
        Phase(CORRUPTION, max_words=180, steps=long, batch=32, learning_rate=4e-3),
    )


def flan_phases(reading: Mixture, instructions: Mixture, steps: int) -> tuple[Phase, ...]:
    return (
        Phase(COPYING, max_words=14, steps=500, batch=64, learning_rate=6e-3),
        Phase(reading, max_words=40, steps=600, batch=32, learning_rate=6e-3),
        Phase(reading, max_words=90, steps=450, batch=32, learning_rate=6e-3),
        Phase(instructions, max_words=180, steps=steps, batch=32, learning_rate=4e-3),
    )


T5_PHASES = t5_phases(200, 100)
FLAN_SMALL_PHASES = flan_phases(READING, INSTRUCTIONS, 1_200)
FLAN_BASE_PHASES = flan_phases(READING, INSTRUCTIONS, 1_600)
FLAN_LARGE_PHASES = flan_phases(READING_WITH_SELECT, INSTRUCTIONS_WITH_SELECT, 2_100)

# T5's relative position biases are shared by all layers: a head that looks at the neighbour does so in each.
# With four heads none was left to compare question and text (23 % of the questions answered exactly), with
# eight of half the width there was (68 %). Wider ones learned to copy later, and had fewer steps in the time:
# what the larger Flan sizes have more of is feed-forward width and instructions.
RECIPES = {  # version, d_model, d_kv, d_ff, heads, encoder layers, decoder layers
    "t5-small": Recipe("v1.0", 96, 12, 256, 8, 2, 2, T5_PHASES, seed=11),
    "t5-base": Recipe("v1.0", 112, 14, 224, 8, 2, 2, T5_PHASES, seed=12),
    "flan-small": Recipe("v1.1", 96, 12, 192, 8, 2, 2, FLAN_SMALL_PHASES, seed=21),
    "flan-base": Recipe("v1.1", 96, 12, 256, 8, 2, 2, FLAN_BASE_PHASES, seed=22),
    "flan-large": Recipe("v1.1", 96, 12, 384, 8, 2, 2, FLAN_LARGE_PHASES, seed=23),
}
