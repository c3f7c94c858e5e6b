"""Settings of the Training tab's event listeners."""

from typing import Any

from skin.ui.gradio_internals import HIDDEN_PROGRESS

JOB_EVENT: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "jobs", "concurrency_limit": 1}

UNQUEUED_EVENT: dict[str, Any] = {
    "api_visibility": "private",
    "queue": False,
    "trigger_mode": "always_last",
    **HIDDEN_PROGRESS,
}
"""Settings of a listener that answers at once. Outside the queue Gradio tells nobody of the change of a State."""
