"""Sums over the processes, rounded to bfloat16: every process holds them against those of what all had."""

import torch
import torch.distributed as dist

from resumen.model import distributed


def main():
    """Hold the sums of this process against those of what every process had."""
    distributed.REDUCE_CHUNK = 5
    distributed.join_processes()
    torch.manual_seed(distributed.rank())
    own = [torch.randn(3, 7), torch.randn(2)]
    everyone = distributed.all_gather([tensor.clone() for tensor in own])
    distributed.all_reduce(own, torch.bfloat16)
    for index, result in enumerate(own):
        total = torch.zeros_like(result)
        for tensors in everyone:
            total += tensors[index].bfloat16().float()
        assert torch.equal(result, total), (result, total)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
