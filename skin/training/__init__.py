"""Training of a run: its data, batches, losses, the loop over both stages, and what becomes of it."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it once, when it is first imported
