"""What is computed of a finished run from its images, a step a file: scope, similar cases, and how far it can be trusted."""
