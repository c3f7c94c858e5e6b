"""Settings of the Training tab's event listeners."""

from typing import Any

JOB_EVENT: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "jobs", "concurrency_limit": 1}

UNQUEUED_EVENT: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
"""Settings of a listener that answers at once. Outside the queue Gradio tells nobody of the change of a State."""
