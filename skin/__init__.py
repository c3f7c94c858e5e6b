"""Leak-free training, comparison and explanation of skin-lesion classifiers. For research and education only."""

__version__ = "0.1.0"

DISCLAIMER = "For research and education only, not for diagnosis."
"""The sentence on every page, in every report and below every prediction."""
