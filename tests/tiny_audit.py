"""The gate and the index of a run with a tiny network, whose embedding is the mean colour: red is a lesion, blue is none."""

from pathlib import Path

import numpy as np
from ham import CODES, someone

from skin.data.dataset import LesionImage
from skin.inference.lesion_gate import GATE, LesionGate
from skin.inference.neighbours import INDEX, CaseIndex
from skin.inference.out_of_distribution import Ensemble
from skin.run import Run
from skin.task import HAM10000

CASES = 40


def write(run: Run) -> None:
    """Write both into the run's audit."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal((1, 0.15, 0.15), 0.1, (CASES, 3)).astype(np.float32)
    LesionGate(Ensemble.fit(embeddings, np.arange(CASES) % 7), 12.0, {}, 16).save(run.audit_folder / GATE)
    images = [
        LesionImage(f"I{k}", f"L{k}", CODES[k % 7], someone(40, "female", "back"), Path(f"{k}.jpg"), "histo")
        for k in range(CASES)
    ]
    CaseIndex.fit(HAM10000, images, embeddings, embeddings[:5] + np.float32(0.05)).save(run.audit_folder / INDEX)
