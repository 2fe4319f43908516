"""Sums over the processes, rounded to bfloat16: every process holds them against those of what all had."""

import torch
import torch.distributed as dist

from stages.shared import ranks


def main():
    """Hold the sums of this process against those of what every process had."""
    ranks.PIECE_OF_SUM = 5
    ranks.join()
    torch.manual_seed(ranks.rank())
    own = [torch.randn(3, 7), torch.randn(2)]
    everyone = ranks.gathered([tensor.clone() for tensor in own])
    ranks.add_up(own, torch.bfloat16)
    for place, found in enumerate(own):
        total = torch.zeros_like(found)
        for tensors in everyone:
            total += tensors[place].bfloat16().float()
        assert torch.equal(found, total), (found, total)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
