"""Recipes of the miniatures, scaled down."""

import dataclasses

from miniatures.recipes import RECIPES, Recipe


def scaled_down(name: str) -> Recipe:
    """Return the recipe with a few steps of a few rows in each phase, not compiled: that takes a minute."""
    recipe = RECIPES[name]
    phases = tuple(dataclasses.replace(phase, steps=4, batch=4) for phase in recipe.phases)
    small = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_heads": 2}
    return dataclasses.replace(recipe, phases=phases, compiled=False, **small)
