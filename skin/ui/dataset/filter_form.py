"""The form of the filters: its values for a data set, and the Filters that its values make."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from skin.errors import UsageError
from skin.patient import UNKNOWN, ChoiceField, NumberField
from skin.plots import dataset as plots
from skin.task import Task
from skin.ui.components.open_datasets import OpenDataset
from skin.ui.dataset.filters import Filters, NumberRange

MAX_CHOICES, MAX_NUMBERS = 5, 2
"""The choices and the numbers of a patient by which images can be filtered, the first of the task; a page has room for
no more."""

N_FILTERS = 3 + MAX_CHOICES + 3 * MAX_NUMBERS
"""The diagnosis, the choices, the confirmation, the source, and for each number two bounds and whether it is known."""


def reset_filter_values(opened: OpenDataset) -> list[Any]:
    """The filters of a data set, set to nothing; one that it has no use for is not shown."""
    task = opened.dataset.task
    choices, numbers = filtered_fields(task)
    spare = [gr.Dropdown([], value=[], multiselect=True, visible=False)] * (MAX_CHOICES - len(choices))
    no_range = [gr.Slider(visible=False), gr.Slider(visible=False), gr.Checkbox(visible=False)]
    return [
        gr.Dropdown(
            [(f"{known.code} {known.name}", known.code) for known in task.diagnoses], value=[], multiselect=True
        ),
        *(_choice_filter(field) for field in choices),
        *spare,
        _known(opened, "confirmed_by"),
        _known(opened, "source"),
        *(part for field in numbers for part in _number_filter(field)),
        *no_range * (MAX_NUMBERS - len(numbers)),
    ]


def filtered_fields(task: Task) -> tuple[list[ChoiceField], list[NumberField]]:
    """The fields by which images can be filtered."""
    choices = [field for field in task.fields if isinstance(field, ChoiceField)]
    numbers = [field for field in task.fields if isinstance(field, NumberField)]
    return choices[:MAX_CHOICES], numbers[:MAX_NUMBERS]


def _choice_filter(field: ChoiceField) -> gr.Dropdown:
    return gr.Dropdown(list(field.choices), value=[], multiselect=True, visible=True, label=field.label)


def _number_filter(field: NumberField) -> list[Any]:
    """The lowest and the highest number, and whether it may be unknown, set to everything."""
    properties: dict[str, Any] = {"info": bound_info(field), "visible": True, "step": bound_step(field)}
    low, high = field.minimum, field.maximum
    return [
        gr.Slider(low, high, value=low, label=f"{field.label} from", **properties),
        gr.Slider(low, high, value=high, label=f"{field.label} to", **properties),
        gr.Checkbox(True, label=f"Unknown {field.words}", visible=True),
    ]


def bound_info(field: NumberField) -> str:
    return field.unit.capitalize() if len(field.unit) > 3 else field.unit


def bound_step(field: NumberField) -> float:
    return 1 if field.maximum - field.minimum >= 20 else plots.bin_width(field) / 10


def _known(opened: OpenDataset, column: str) -> gr.Dropdown:
    """The filter of this column set to nothing; where it is not known of any image, there is none."""
    values = opened.frame[column].replace("", UNKNOWN).value_counts().index
    choices = [(str(value).replace("_", " "), str(value)) for value in values]
    return gr.Dropdown(choices, value=[], multiselect=True, visible=list(values) != [UNKNOWN])


def filters_of(task: Task, values: Sequence[Any]) -> Filters:
    """The content of the form as Filters; what is left at everything, or belongs to no field, filters nothing."""
    choices, numbers = filtered_fields(task)
    chosen = dict(zip(["diagnosis", *(field.name for field in choices)], values, strict=False))
    chosen |= dict(zip(("confirmed_by", "source"), values[1 + MAX_CHOICES :], strict=False))
    bounds = values[3 + MAX_CHOICES :]
    ranges = {field.name: _range(field, *bounds[3 * k : 3 * k + 3]) for k, field in enumerate(numbers)}
    everything = {field.name: NumberRange(field.minimum, field.maximum) for field in numbers}
    return Filters(
        {column: tuple(picked) for column, picked in chosen.items() if picked},
        {column: wanted for column, wanted in ranges.items() if wanted != everything[column]},
    )


def _range(field: NumberField, low: float, high: float, unknown: bool) -> NumberRange:
    if low > high:
        raise UsageError(f"No {field.words} lies between {low:g} and {high:g}: make the first the lower one.")
    return NumberRange(low, high, unknown)
