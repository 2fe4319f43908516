"""A T5 from its folder and back, for training: its parameters by their names in a checkpoint.

transformers is not imported, which takes as long as all else before the first step.
"""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn

from resumen.checkpoint.config import ModelConfig
from resumen.model.loading import Plan, no_plan, open_checkpoint, read_finite
from resumen.model.operations import num_parameters
from resumen.model.prepare import keep_freed_memory
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.vocabulary.spelling import base_letter

SMALL = 10**7  # parameters: a larger model trains as fast without freed memory that is kept, and in less
GENERATION_CONFIG = "generation_config.json"


class Parameters(nn.Module):
    """The parameters of a T5 in float32, without the arithmetic, which is that of `T5`.

    `folder` is that of the base, whose config.json goes with them.
    """

    def __init__(self, tensors: dict[str, torch.Tensor], config: ModelConfig, folder: Path) -> None:
        super().__init__()
        self.config, self.folder = config, folder
        for name, tensor in tensors.items():
            module: nn.Module = self
            *path, last = name.split(".")
            for part in path:
                if not hasattr(module, part):
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            module.register_parameter(last, nn.Parameter(tensor))

    @property
    def num_rows(self) -> int:
        """Of the embedding; a vocabulary may be smaller."""
        return len(self.get_parameter("shared.weight"))

    def tables(self) -> list[nn.Parameter]:
        """Return the embedding and, where it is a tensor of its own, the head: (rows, d_model)."""
        names = ["shared.weight", *(["lm_head.weight"] if self.config.untied_head else [])]
        return [self.get_parameter(name) for name in names]


def load_model(folder: Path, plan: Plan = no_plan) -> Parameters:
    """Return the parameters of the T5 in `folder`, in float32, on the CPU.

    `plan` is given what it is like before a tensor is read, and may refuse.

    Raises:
        InputError: see `open_checkpoint`; or a tensor has NaN in it.
    """
    checkpoint = open_checkpoint(folder)
    config, rows = checkpoint.config, checkpoint.num_rows
    plan(config, rows)
    if num_parameters(config, rows) <= SMALL:
        keep_freed_memory()
    names = [*config.tensors(rows), *(["lm_head.weight"] if config.untied_head else [])]
    tensors = {name: read_finite(checkpoint, name, torch.device("cpu"), folder) for name in names}
    return Parameters(tensors, config, folder)


@torch.no_grad()
def init_letters(model: Parameters, base: Tokenizer, repaired: Tokenizer) -> int:
    """Start the rows of the letters that `repaired` has beyond `base`; return how many there are.

    A letter starts from its base letter (ñ from n, ¿ from ?), or from the mean of the pieces where
    there is none; in the input embedding and, where it is untied, in the head. In place: no resize.
    """
    old = base.get_vocab_size()
    new = {piece: row for piece, row in repaired.get_vocab().items() if row >= old}
    for letter, row in new.items():
        plain = base_letter(letter)
        source = base.token_to_id(plain) if plain else None
        for table in model.tables():
            table[row] = table[:old].mean(dim=0) if source is None else table[source]
    return len(new)


def save_model(model: Parameters, tokenizer: Path, folder: Path) -> None:
    """Write `model` in float32 and the files of `tokenizer` to `folder`; equal models, equal bytes.

    config.json is the base's. Whether the head is tied and scaled is said anew: transformers 4 takes it at
    its word, and transformers 5 would call every head tied, and scale that of every UMT5.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = read_json(model.folder / "config.json")
    config.pop("torch_dtype", None)  # as transformers 4 calls it
    ours = model.config
    said = {
        "dtype": "float32",
        "model_type": ours.model_type,
        "scale_decoder_outputs": ours.scale_output,
        "tie_word_embeddings": not ours.untied_head,
    }
    write_json(folder / "config.json", {**config, **said})
    if (model.folder / GENERATION_CONFIG).is_file():
        shutil.copyfile(model.folder / GENERATION_CONFIG, folder / GENERATION_CONFIG)
    for file in sorted(tokenizer.iterdir()):
        shutil.copyfile(file, folder / file.name)
