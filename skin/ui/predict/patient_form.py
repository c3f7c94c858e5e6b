"""The fields of a patient: slots for those of any task, filled by those of the chosen model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from skin.patient import UNKNOWN, ChoiceField, Patient, PatientField
from skin.task import Task

SLOTS = ("number", "radio", "list", "number", "list", "list", "list")
"""The kind of each place. A task's numbers and choices fill them in order; what finds none is not asked, and unknown."""

FEW = 4
"""Values that a choice may have beside unknown to stand side by side."""


def fields_in_slots(task: Task) -> tuple[PatientField | None, ...]:
    """The field in each of SLOTS, None where there is none."""
    choices = [field for field in task.fields if isinstance(field, ChoiceField)]
    short = next((field for field in choices if len(field.values) <= FEW), None)
    waiting: dict[str, list[PatientField]] = {
        "number": [field for field in task.fields if not isinstance(field, ChoiceField)],
        "radio": [short] if short else [],
        "list": [field for field in choices if field is not short],
    }
    return tuple(waiting[slot].pop(0) if waiting[slot] else None for slot in SLOTS)


def lay_out_fields(task: Task) -> list[Any]:
    """The components in SLOTS, with the fields of the task in them."""
    first, radio, long, *more = [_widget(*pair) for pair in zip(SLOTS, fields_in_slots(task), strict=True)]
    with gr.Row(equal_height=True):
        first.render()
        long.render()
    radio.render()
    with gr.Row(equal_height=True):
        for widget in more:
            widget.render()
    return [first, radio, long, *more]


def _widget(slot: str, field: PatientField | None) -> Any:
    shape: dict[str, Any] = {"min_width": 110 if slot == "number" else 180, "render": False}
    if slot == "number":
        return gr.Textbox(placeholder=UNKNOWN, max_length=8, elem_classes="number", **shape, **_properties(field))
    if slot == "radio":
        return gr.Radio(render=False, **_properties(field))
    return gr.Dropdown(scale=2, **shape, **_properties(field))


def field_updates(task: Task) -> list[Any]:
    """The components with the fields of this task in them, all unknown."""
    kinds = {"number": gr.Textbox, "radio": gr.Radio, "list": gr.Dropdown}
    return [kinds[slot](**_properties(field)) for slot, field in zip(SLOTS, fields_in_slots(task), strict=True)]


def _properties(field: PatientField | None) -> dict[str, Any]:
    if field is None:
        return {"visible": False}
    if isinstance(field, ChoiceField):
        few = len(field.values) <= FEW
        choices = list(field.choices) if few else [UNKNOWN, *field.values]
        return {"choices": choices, "value": UNKNOWN, "label": field.label, "visible": True}
    return {"value": "", "label": f"{field.label} ({field.unit})" if field.unit else field.label, "visible": True}


def values_by_field(task: Task, values: Sequence[object]) -> dict[str, object]:
    """The values of SLOTS by their fields."""
    pairs = zip(fields_in_slots(task), values, strict=False)  # the last slots are often left out
    return {field.name: value for field, value in pairs if field is not None}


def form_values(task: Task, patient: Patient) -> tuple[str | None, ...]:
    """The patient as it stands in SLOTS, None where there is no field."""
    return tuple(_form_value(field, patient) for field in fields_in_slots(task))


def _form_value(field: PatientField | None, patient: Patient) -> str | None:
    if field is None:
        return None
    value = patient[field.name]
    if value is None:
        return UNKNOWN if isinstance(field, ChoiceField) else ""
    return f"{value:g}" if isinstance(value, float) else str(value)


FormValues = tuple[str | None, ...]
"""The patient as it stands in the form."""


@dataclass(frozen=True)
class ExamplePatient:
    """The patient that an example put into the form, and what had stood there before."""

    filled: FormValues = ()
    before: FormValues = ()

    def withdrawn(self, current: FormValues) -> FormValues:
        """The form without the example's patient; what was changed since it was lent stays."""
        if not self.filled:
            return current
        fields = zip(current, self.filled, self.before, strict=True)
        return tuple(before if now == filled else now for now, filled, before in fields)
