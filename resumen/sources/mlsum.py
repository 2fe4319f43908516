"""MLSUM: what is documented of it, and how its copies are told."""

# Scialom et al. 2020, https://arxiv.org/abs/2004.14900; rows a split, as the dataset's card has them.
MLSUM_ROWS = {
    "de": {"train": 220_887, "validation": 11_394, "test": 10_701},
    "es": {"train": 266_367, "validation": 10_358, "test": 13_920},
    "fr": {"train": 392_902, "validation": 16_059, "test": 15_828},
    "ru": {"train": 25_556, "validation": 750, "test": 757},
    "tu": {"train": 249_277, "validation": 11_565, "test": 12_775},
}
MLSUM_LICENCE = "non-commercial research only; the articles remain the newspapers'"


def is_mlsum(repo: str) -> bool:
    """Return whether `repo` (owner/name) is a copy of MLSUM, going by its name.

    >>> is_mlsum("reciTAL/mlsum"), is_mlsum("me/noticias")
    (True, False)
    """
    return repo.lower().endswith("/mlsum")
