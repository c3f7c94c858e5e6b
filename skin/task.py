"""Tasks: the classes that a model tells apart and the fields of the patient that it may know.

A data set says its task, a run keeps it in `task.json`, and everything above takes the diagnoses and fields from there. A
folder of one's own brings such a file, too; `Task.parse` says what may stand in it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skin.errors import UsageError, UserError
from skin.files import parse_json, read_content
from skin.patient import KINDS, UNKNOWN, ChoiceField, NumberField, Patient, PatientField, plain
from skin.records import checked

MAX_CLASSES = 50
MAX_FIELDS = 20
MAX_VALUES = 100

_OF_DATASETS = ("image_id", "lesion_id", "diagnosis", "confirmed_by", "source", "path")
_OF_ANSWERS = (
    "image",
    "run",
    "name",
    "probabilities",
    "prediction_set",
    "malignant_probability",
    "malignant_threshold",
)
TAKEN = frozenset((*_OF_DATASETS, *_OF_ANSWERS, "malignancy", "risk", "advice", "error", "truth", "predicted"))
"""Names that no diagnosis and no field may have."""

_CODE = r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}"
_NAME = r"[a-z][a-z0-9_]{0,39}"
_COLOUR = r"#[0-9A-Fa-f]{6}"


class Malignancy(StrEnum):
    """Biological behaviour of a lesion."""

    BENIGN = "benign"
    PRECANCEROUS = "pre-cancerous"
    MALIGNANT = "malignant"


class Risk(StrEnum):
    """Urgency with which a clinician should see a lesion; `Thresholds.risks` has the rule."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"


@dataclass(frozen=True)
class Diagnosis:
    """One class: its code in the data set, its name and what it means; None and "" where that is not told."""

    code: str
    name: str
    malignancy: Malignancy | None = None
    description: str = ""
    colour: str = ""


@dataclass(frozen=True)
class Task:
    """The diagnoses, in the order of every probability vector, and the fields of a patient, in that of the encoding.

    Raises UserError when it makes no sense.
    """

    name: str
    title: str
    diagnoses: tuple[Diagnosis, ...]
    fields: tuple[PatientField, ...] = ()

    def __post_init__(self) -> None:
        if complaint := _of_diagnoses(self.diagnoses) or _of_fields(self.fields):
            raise UserError(f"The task {self.name!r} cannot be used: {complaint}.")

    def __len__(self) -> int:
        return len(self.diagnoses)

    def asks_as(self, other: "Task") -> bool:
        """True where both tell the same apart and know the same of a patient, in whatever words."""
        return (self.codes, self.encoding) == (other.codes, other.encoding)

    @property
    def encoding(self) -> tuple[tuple[object, ...], ...]:
        """All that the numbers of an encoded patient depend on."""
        rows = []
        for field in self.fields:
            rows.append((field.name, field.scale if isinstance(field, NumberField) else field.values))
        return tuple(rows)

    # The diagnoses

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The code of each diagnosis."""
        return tuple(diagnosis.code for diagnosis in self.diagnoses)

    @cached_property
    def malignancies(self) -> NDArray[np.str_]:
        """The malignancy of each diagnosis as text, "" where it is not told, of shape (n_classes,)."""
        return np.array([str(diagnosis.malignancy or "") for diagnosis in self.diagnoses])

    @cached_property
    def malignant(self) -> tuple[int, ...]:
        """Indices of the malignant diagnoses in a probability vector."""
        return tuple(np.flatnonzero(self.malignancies == Malignancy.MALIGNANT).tolist())

    @property
    def tells_malignant(self) -> bool:
        """True where some diagnoses are malignant and others are not, so that malignant-or-not is a question."""
        return 0 < len(self.malignant) < len(self)

    @property
    def malignant_words(self) -> str:
        """The malignant diagnoses within a sentence."""
        return listed([self.diagnoses[k].name.lower() for k in self.malignant], "or")

    def find(self, label: str) -> str | None:
        """The code that this label means, in any letter case: a code or a diagnosis' name; None for no diagnosis."""
        return self._by_label.get(label.strip().lower())

    @cached_property
    def _by_label(self) -> dict[str, str]:
        names = {diagnosis.name.lower(): diagnosis.code for diagnosis in self.diagnoses}
        return names | {code.lower(): code for code in self.codes}

    def index(self, code: str) -> int:
        """Place of the diagnosis with this code in a probability vector. Raises UsageError when there is none."""
        found = self.find(code)
        if found is None:
            raise UsageError(f"Unknown diagnosis {code!r}: use one of {', '.join(self.codes)}.")
        return self._places[found]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {code: place for place, code in enumerate(self.codes)}

    def diagnosis(self, code: str) -> Diagnosis:
        """The diagnosis with this code. Raises UsageError when there is none."""
        return self.diagnoses[self.index(code)]

    # The patient

    def field(self, name: str) -> PatientField | None:
        """The field of this name, None where there is none."""
        return next((field for field in self.fields if field.name == name), None)

    def parse(self, values: Mapping[str, object]) -> Patient:
        """A patient from what a person typed, a form sent or a table holds; blanks mean unknown.

        Raises UsageError with what is allowed when a value is neither blank nor valid, or of a field that is not there.
        """
        known = {}
        for name, value in values.items():
            field = self.field(name)
            if field is None and plain(value) in ("", UNKNOWN):
                continue
            if field is None:
                names = ", ".join(own.name for own in self.fields)
                raise UsageError(
                    f"There is no field {name!r} in {self.title}: " + (f"use {names}." if names else "it has none.")
                )
            if (parsed := field.parse(value)) is not None:
                known[name] = parsed
        return Patient(known)

    def values(self, patient: Patient) -> dict[str, float | str | None]:
        """Every field as tables and JSON have it: a number or None, a choice or "unknown"."""
        return {
            field.name: patient[field.name] if isinstance(field, NumberField) else patient[field.name] or UNKNOWN
            for field in self.fields
        }

    def in_words(self, patient: Patient) -> str:
        """The patient in words: the fields that are known, and those that are not."""
        return ", ".join(field.said(patient[field.name]) for field in self.fields)

    @cached_property
    def columns(self) -> dict[str, slice]:
        """The columns of the encoding that belong to each field."""
        ends = np.cumsum([field.width for field in self.fields]).tolist()
        return {field.name: slice(end - field.width, end) for field, end in zip(self.fields, ends, strict=True)}

    @property
    def width(self) -> int:
        """Number of columns of the encoding."""
        return sum(field.width for field in self.fields)

    def encode(self, patients: Sequence[Patient]) -> NDArray[np.float32]:
        """The patients as numbers, of shape (n_patients, width); see the kinds of fields.

        What another task knows of a patient, and this one does not, is left out.
        """
        encoded = np.zeros((len(patients), self.width), np.float32)
        for row, patient in zip(encoded, patients, strict=True):
            for field in self.fields:
                row[self.columns[field.name]] = field.encode(patient[field.name])
        return encoded

    @cached_property
    def unknown(self) -> NDArray[np.float32]:
        """The encoding of a patient of whom nothing is known, of shape (width,)."""
        return self.encode([Patient()])[0]

    def drop_fields(self, encoded: NDArray[np.float32], rate: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """A copy in which each field of each patient is set to unknown with probability `rate`."""
        dropped = encoded.copy()
        for columns in self.columns.values():
            rows = rng.random(len(encoded)) < rate
            dropped[rows, columns] = self.unknown[columns]
        return dropped

    # Files

    def to_json(self) -> str:
        """The task as the text of a JSON object."""
        values = asdict(self)
        values["fields"] = [{"kind": field.kind, **asdict(field)} for field in self.fields]
        return json.dumps(values, indent=1, ensure_ascii=False)

    @classmethod
    def parse_json(cls, values: Any) -> Self:
        """The task in a JSON object, with defaults for what may be left out.

        `name`; `title`; `diagnoses`, each with `code` and, if it is to have them, `name`, `malignancy`, `description` and
        `colour`; `fields`, each with `kind`, `name`, `label` and what KINDS has of it. Raises UserError in one sentence.
        """
        if not isinstance(values, dict):
            raise UserError("It must be a JSON object with name, title, diagnoses and fields.")
        given = _only(values, ("name", "title", "diagnoses", "fields"), "the task")
        name = str(given.get("name") or "task")
        diagnoses = tuple(_diagnosis(row) for row in _rows(given.get("diagnoses", []), "diagnoses"))
        patient_fields = tuple(_field(row) for row in _rows(given.get("fields", []), "fields"))
        try:
            return checked(cls(name, str(given.get("title") or name), diagnoses, patient_fields))
        except TypeError as error:
            raise UserError(f"In the task {name!r}, {error}, which cannot be.") from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """The task in the file. Raises UserError when it cannot be read or makes no sense."""
        try:
            return cls._from_text(read_content(path))
        except (ValueError, UserError) as error:
            raise UserError(f"{path} tells no task: {str(error).rstrip('.')}. Mend or restore the file.") from error

    @classmethod
    @lru_cache(maxsize=64)
    def _from_text(cls, text: bytes) -> Self:
        """The task in a file's content: the runs of an experiment, which pages read every second, all have the same."""
        return cls.parse_json(parse_json(text))


def _rows(values: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(values, list) or not all(isinstance(row, dict) for row in values):
        raise UserError(f"The {what} must be a list of objects.")
    return values


def _only(values: dict[str, Any], names: Sequence[str], what: str) -> dict[str, Any]:
    """The values, once none has another name than these."""
    if unknown := [name for name in values if name not in names]:
        raise UserError(f"There is no {unknown[0]!r} in {what}: use {', '.join(names)}.")
    return values


def _diagnosis(values: dict[str, Any]) -> Diagnosis:
    given = _only(values, [field.name for field in fields(Diagnosis)], "a diagnosis")
    texts = {key: str(value) for key, value in given.items() if key != "malignancy"}
    code, told = texts.get("code", ""), given.get("malignancy")
    if told is not None and told not in tuple(Malignancy):
        raise UserError(f"The malignancy of {code!r} must be one of {', '.join(Malignancy)} or missing, not {told!r}.")
    malignancy = None if told is None else Malignancy(told)
    return Diagnosis(**{**texts, "code": code, "name": texts.get("name") or code}, malignancy=malignancy)


def _field(values: dict[str, Any]) -> PatientField:
    kind, name = str(values.get("kind")), str(values.get("name", ""))
    if kind not in KINDS:
        raise UserError(f"There is no kind of field {kind!r}: {name!r} must be of the kind {' or '.join(KINDS)}.")
    row: Any = KINDS[kind]
    names = [field.name for field in fields(row)]
    given = _only({key: value for key, value in values.items() if key != "kind"}, names, f"a field of the kind {kind}")
    lists = {key: tuple(value) for key, value in given.items() if isinstance(value, list)}
    lists |= {key: tuple(map(str, lists[key])) for key in ("values", "columns") if key in lists}
    defaults: dict[str, object] = {"label": name.replace("_", " ").capitalize()}
    defaults |= {"values": ()} if row is ChoiceField else {"minimum": 0, "maximum": None, "scale": given.get("maximum")}
    field: PatientField = row(**{**defaults, **given, **lists, "name": name})
    return field


def _of_diagnoses(diagnoses: Sequence[Diagnosis]) -> str:
    """Why these cannot be told apart by a model, "" where they can."""
    if not 2 <= len(diagnoses) <= MAX_CLASSES:
        return f"it must have from 2 to {MAX_CLASSES} diagnoses, not {len(diagnoses)}"
    for diagnosis in diagnoses:
        if not re.fullmatch(_CODE, diagnosis.code) or diagnosis.code.lower() in TAKEN:
            return f"{diagnosis.code!r} cannot be the code of a diagnosis, which is up to 40 letters and digits"
        if diagnosis.colour and not re.fullmatch(_COLOUR, diagnosis.colour):
            return f"the colour of {diagnosis.code!r} must be like '#1AA096', not {diagnosis.colour!r}"
    labels = [label for d in diagnoses for label in {d.code.lower(), d.name.lower()}]
    if twice := _twice(labels):
        return f"two diagnoses are called {twice!r}"
    told = sum(diagnosis.malignancy is not None for diagnosis in diagnoses)
    return "" if told in (0, len(diagnoses)) else "either every diagnosis has a malignancy, or none"


def _of_fields(patient_fields: Sequence[PatientField]) -> str:
    """Why these cannot be known of a patient, "" where they can."""
    if len(patient_fields) > MAX_FIELDS:
        return f"it may have at most {MAX_FIELDS} fields, not {len(patient_fields)}"
    for field in patient_fields:
        if not re.fullmatch(_NAME, field.name) or field.name in TAKEN:
            return f"{field.name!r} cannot be the name of a field, which is up to 40 lower-case letters, digits and '_'"
        if problem := _of_field(field):
            return problem
    twice = _twice([name for field in patient_fields for name in {field.name, *field.columns}])
    return f"two fields are called {twice!r}" if twice else ""


def _of_field(field: PatientField) -> str:
    try:
        checked(field)
    except TypeError as error:
        return f"of the field {field.name!r}, {error}, which cannot be"
    if isinstance(field, ChoiceField) and len(field.values) > MAX_VALUES:
        return f"{field.name!r} may have at most {MAX_VALUES} values, not {len(field.values)}"
    return field.problem


def _twice(names: Sequence[str]) -> str:
    return next((name for place, name in enumerate(names) if name in names[:place]), "")


def listed(names: Sequence[str], last: str = "and") -> str:
    """The names within a sentence: "a, b and c"."""
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


_FIELDS_OF_HAM10000: tuple[PatientField, ...] = (
    NumberField("age", "Age", 0, 120, "years", 100, (30, 45, 60, 75)),
    ChoiceField("sex", "Sex", ("female", "male")),
    ChoiceField(
        "site",
        "Body site",
        (
            *("abdomen", "acral", "back", "chest", "ear", "face", "foot", "genital", "hand"),
            *("lower extremity", "neck", "scalp", "trunk", "upper extremity"),
        ),
        ("localization",),
    ),
)

HAM10000 = Task(
    "ham10000",
    "HAM10000",
    (
        Diagnosis(
            "akiec",
            "Actinic keratosis / intraepithelial carcinoma",
            Malignancy.PRECANCEROUS,
            "Rough, scaly patches on sun-damaged skin that can turn into squamous cell carcinoma (includes Bowen's disease).",
            "#D1B61E",
        ),
        Diagnosis(
            "bcc",
            "Basal cell carcinoma",
            Malignancy.MALIGNANT,
            "The most common skin cancer: it grows slowly and rarely spreads, but destroys the tissue around it.",
            "#D57120",
        ),
        Diagnosis(
            "bkl",
            "Benign keratosis",
            Malignancy.BENIGN,
            "Seborrheic keratoses, solar lentigines and lichen-planus-like keratoses: harmless, and sometimes alike to melanoma.",
            "#1AA096",
        ),
        Diagnosis(
            "df",
            "Dermatofibroma",
            Malignancy.BENIGN,
            "A firm, harmless nodule of fibrous tissue, often with a pale centre and most often on the legs.",
            "#87BCED",
        ),
        Diagnosis(
            "mel",
            "Melanoma",
            Malignancy.MALIGNANT,
            "A cancer of the pigment cells that can spread early, and is curable when it is removed in time.",
            "#C9124A",
        ),
        Diagnosis(
            "nv",
            "Melanocytic nevus",
            Malignancy.BENIGN,
            "A common mole: a benign growth of pigment cells, usually symmetric in colour and structure.",
            "#3F68B4",
        ),
        Diagnosis(
            "vasc",
            "Vascular lesion",
            Malignancy.BENIGN,
            "Cherry angiomas, angiokeratomas, pyogenic granulomas and haemorrhage: made of blood vessels, red to purple.",
            "#9C77F0",
        ),
    ),
    _FIELDS_OF_HAM10000,
)
"""Tschandl, Rosendahl & Kittler 2018. The order of its diagnoses is that of every run made before there were tasks, and may
not change.

The colours, with SCC's below, are warm where a lesion is dangerous, and told apart under protanopia, deuteranopia and
tritanopia, on white and on near-black (searched for in Oklab under the simulation of Machado et al., 2009)."""

BEFORE_TASKS = replace(HAM10000, fields=_FIELDS_OF_HAM10000)
"""HAM10000 as it is known to a run made before runs kept their task: a field that HAM10000 gains is none of its network."""


def _as_in_ham10000(code: str, ham_code: str = "") -> Diagnosis:
    return replace(HAM10000.diagnosis(ham_code or code.lower()), code=code)


ISIC2019 = Task(
    "isic2019",
    "ISIC 2019",
    (
        _as_in_ham10000("MEL"),
        _as_in_ham10000("NV"),
        _as_in_ham10000("BCC"),
        Diagnosis(
            "AK",
            "Actinic keratosis",
            Malignancy.PRECANCEROUS,
            "Rough, scaly patches on sun-damaged skin that can turn into squamous cell carcinoma.",
            "#D1B61E",
        ),
        _as_in_ham10000("BKL"),
        _as_in_ham10000("DF"),
        _as_in_ham10000("VASC"),
        Diagnosis(
            "SCC",
            "Squamous cell carcinoma",
            Malignancy.MALIGNANT,
            "A cancer of the skin's outer cells that grows over months, bleeds easily, and can spread when it is left alone.",
            "#9000FC",
        ),
    ),
    (
        NumberField("age", "Age", 0, 120, "years", 100, (30, 45, 60, 75), ("age_approx",)),
        ChoiceField("sex", "Sex", ("female", "male")),
        ChoiceField(
            "site",
            "Body site",
            (
                *("anterior torso", "head/neck", "lateral torso", "lower extremity"),
                *("oral/genital", "palms/soles", "posterior torso", "upper extremity"),
            ),
            ("anatom_site_general",),
        ),
    ),
)
"""The classes of the ISIC 2019 challenge but for UNK, in its order; Tschandl et al. 2018, Codella et al. 2018 and
Combalia et al. 2019."""

MALIGNANT_OR_NOT = Task(
    "malignant-or-not",
    "Malignant or not",
    (
        Diagnosis("malignant", "Malignant", Malignancy.MALIGNANT, "A cancer of the skin.", "#C9124A"),
        Diagnosis("other", "Not malignant", Malignancy.BENIGN, "Anything else.", "#1AA096"),
    ),
)
"""The rest of two tasks that share no diagnosis, but both say what is malignant."""

TASKS = {task.name: task for task in (HAM10000, ISIC2019)}
"""The tasks that come with the project, by name; a new one is a row, or a `task.json` in a folder of one's own."""
