"""The audit of a finished run from its images, a step a file: what it refuses, similar cases, how far it can be trusted."""
