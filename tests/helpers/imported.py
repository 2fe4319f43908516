"""What every forked process has imported, and leaves out of garbage collection."""

import gc

gc.disable()  # a million objects that stay

import datasets
import evaluate
import pandas
import pyarrow.parquet
import torch.distributed
import transformers.models.t5

gc.freeze()

__all__ = ["datasets", "evaluate", "pandas", "pyarrow", "torch", "transformers"]
