"""Measured claims: one script per claim, run as `python -m benchmarks.NAME [--quick]`."""
