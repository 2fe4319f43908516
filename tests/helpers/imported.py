"""What every forked process has imported, and leaves out of garbage collection."""

import gc

gc.disable()  # a million objects that stay

import accelerate
import datasets
import evaluate
import pandas
import pyarrow.parquet
import torch.distributed
import transformers.models.t5
import transformers.trainer_seq2seq

gc.freeze()

__all__ = ["accelerate", "datasets", "evaluate", "pandas", "pyarrow", "torch", "transformers"]
