"""Benchmarks: what each room takes in time and memory, beside what people would otherwise run."""
