"""envtool: reproducible CPU-only PyTorch environments."""

__version__ = "0.1.0"
