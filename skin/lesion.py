"""The seven diagnoses of HAM10000 and the record of one dermatoscopic image."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from skin.errors import UsageError
from skin.patient import Patient


class Malignancy(StrEnum):
    """Biological behaviour of a lesion."""

    BENIGN = "benign"
    PRECANCEROUS = "pre-cancerous"
    MALIGNANT = "malignant"


class Risk(StrEnum):
    """Urgency with which a clinician should see a lesion; `report.Thresholds.risks` has the rule."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"


@dataclass(frozen=True)
class Diagnosis:
    """One of the seven classes: its code in the data set, its name and what it means."""

    code: str
    name: str
    malignancy: Malignancy
    description: str


TAXONOMY: tuple[Diagnosis, ...] = (
    Diagnosis(
        "akiec",
        "Actinic keratosis / intraepithelial carcinoma",
        Malignancy.PRECANCEROUS,
        "Rough, scaly patches on sun-damaged skin that can turn into squamous cell carcinoma (includes Bowen's disease).",
    ),
    Diagnosis(
        "bcc",
        "Basal cell carcinoma",
        Malignancy.MALIGNANT,
        "The most common skin cancer: it grows slowly and rarely spreads, but destroys the tissue around it.",
    ),
    Diagnosis(
        "bkl",
        "Benign keratosis",
        Malignancy.BENIGN,
        "Seborrheic keratoses, solar lentigines and lichen-planus-like keratoses: harmless, and sometimes alike to melanoma.",
    ),
    Diagnosis(
        "df",
        "Dermatofibroma",
        Malignancy.BENIGN,
        "A firm, harmless nodule of fibrous tissue, often with a pale centre and most often on the legs.",
    ),
    Diagnosis(
        "mel",
        "Melanoma",
        Malignancy.MALIGNANT,
        "A cancer of the pigment cells that can spread early, and is curable when it is removed in time.",
    ),
    Diagnosis(
        "nv",
        "Melanocytic nevus",
        Malignancy.BENIGN,
        "A common mole: a benign growth of pigment cells, usually symmetric in colour and structure.",
    ),
    Diagnosis(
        "vasc",
        "Vascular lesion",
        Malignancy.BENIGN,
        "Cherry angiomas, angiokeratomas, pyogenic granulomas and haemorrhage: made of blood vessels, red to purple.",
    ),
)
"""The diagnoses in the order of every probability vector and confusion matrix."""

CODES: tuple[str, ...] = tuple(diagnosis.code for diagnosis in TAXONOMY)
MALIGNANT: tuple[int, ...] = tuple(
    index for index, diagnosis in enumerate(TAXONOMY) if diagnosis.malignancy is Malignancy.MALIGNANT
)
"""Indices of the malignant classes (bcc and mel) in a probability vector."""

_BY_CODE = {diagnosis.code: diagnosis for diagnosis in TAXONOMY}


def diagnosis(code: str) -> Diagnosis:
    """The diagnosis with this code.

    Raises UsageError when there is none.
    """
    try:
        return _BY_CODE[code]
    except KeyError:
        raise UsageError(f"Unknown diagnosis {code!r}: use one of {', '.join(CODES)}.") from None


@dataclass(frozen=True)
class LesionImage:
    """One dermatoscopic image. HAM10000 has several images of some lesions.

    `diagnosis` is a code of TAXONOMY. `confirmed_by` says how the diagnosis was confirmed (histo, follow_up,
    consensus, confocal) and `source` names the archive that the image came from; both are "" where not known,
    and neither is ever an input of a model, because they give the diagnosis away.
    """

    image_id: str
    lesion_id: str
    diagnosis: str
    patient: Patient
    path: Path
    confirmed_by: str = ""
    source: str = ""
