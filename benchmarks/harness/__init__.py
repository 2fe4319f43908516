"""What the benchmarks share: the work, who does it, processes apart, the hardware, and RESULTS.md."""
