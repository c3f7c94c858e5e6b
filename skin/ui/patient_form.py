"""What a form asks of a patient: places for the fields of any task, filled by those of the model that is asked."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from skin.patient import UNKNOWN, ChoiceField, Patient, PatientField
from skin.task import Task

PLACES = ("number", "radio", "list", "number", "list", "list", "list")
"""The kind of each place. A task's numbers and choices fill them in order; what finds none is not asked, and unknown."""

FEW = 4
"""Values that a choice may have beside unknown to stand side by side."""


def fields_in_place(task: Task) -> tuple[PatientField | None, ...]:
    """The field in each of PLACES, None where there is none."""
    choices = [field for field in task.fields if isinstance(field, ChoiceField)]
    short = next((field for field in choices if len(field.values) <= FEW), None)
    waiting: dict[str, list[PatientField]] = {
        "number": [field for field in task.fields if not isinstance(field, ChoiceField)],
        "radio": [short] if short else [],
        "list": [field for field in choices if field is not short],
    }
    return tuple(waiting[place].pop(0) if waiting[place] else None for place in PLACES)


def lay_out(task: Task) -> list[Any]:
    """The components in PLACES, with the fields of the task in them."""
    first, radio, long, *more = [_widget(*pair) for pair in zip(PLACES, fields_in_place(task), strict=True)]
    with gr.Row(equal_height=True):
        first.render()
        long.render()
    radio.render()
    with gr.Row(equal_height=True):
        for widget in more:
            widget.render()
    return [first, radio, long, *more]


def _widget(place: str, field: PatientField | None) -> Any:
    shape: dict[str, Any] = {"min_width": 110 if place == "number" else 180, "render": False}
    if place == "number":
        return gr.Textbox(placeholder=UNKNOWN, max_length=8, elem_classes="number", **shape, **_look(field))
    if place == "radio":
        return gr.Radio(render=False, **_look(field))
    return gr.Dropdown(scale=2, **shape, **_look(field))


def fitted(task: Task) -> list[Any]:
    """The components with the fields of this task in them, all unknown."""
    kinds = {"number": gr.Textbox, "radio": gr.Radio, "list": gr.Dropdown}
    return [kinds[place](**_look(field)) for place, field in zip(PLACES, fields_in_place(task), strict=True)]


def _look(field: PatientField | None) -> dict[str, Any]:
    if field is None:
        return {"visible": False}
    if isinstance(field, ChoiceField):
        few = len(field.values) <= FEW
        choices = list(field.choices) if few else [UNKNOWN, *field.values]
        return {"choices": choices, "value": UNKNOWN, "label": field.label, "visible": True}
    return {"value": "", "label": f"{field.label} ({field.unit})" if field.unit else field.label, "visible": True}


def told(task: Task, values: Sequence[object]) -> dict[str, object]:
    """What stands in PLACES, by the field."""
    pairs = zip(fields_in_place(task), values, strict=False)  # of the last places little is asked
    return {field.name: value for field, value in pairs if field is not None}


def standing(task: Task, patient: Patient) -> tuple[str | None, ...]:
    """The patient as it stands in PLACES, None where there is no field."""
    return tuple(_standing(field, patient) for field in fields_in_place(task))


def _standing(field: PatientField | None, patient: Patient) -> str | None:
    if field is None:
        return None
    value = patient[field.name]
    if value is None:
        return UNKNOWN if isinstance(field, ChoiceField) else ""
    return f"{value:g}" if isinstance(value, float) else str(value)
