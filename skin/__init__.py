"""Leak-free training, comparison and explanation of skin-lesion classifiers. For research and education only."""

__version__ = "0.1.0"
