"""Benchmarks: `python -m benchmarks [--quick] [--only NAME]`; every figure stands beside a peer or a floor of the same run."""
