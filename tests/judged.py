"""A finished run with the tiny network, judged as a training judges its own: what commands and pages read of a run."""

import dataclasses

import tiny_network

from skin.data.datasheet import Datasheet
from skin.data.groups import group
from skin.evaluation.calibration import save_temperature, tempered
from skin.evaluation.predictions import save_predictions
from skin.evaluation.report import Evaluation, evaluate_parts, save_report
from skin.inference.predictor import predictions_of
from skin.models.network import row_probabilities
from skin.models.onnx import OnnxNetwork
from skin.run import Epoch, Run, State
from skin.training.data import Material, load_material
from skin.workspace import Workspace

TEMPERATURE = 1.0
"""The tiny network has none that could be set."""


def write(run: Run, workspace: Workspace) -> None:
    """Write every file that a finished run has but its weights, in a second instead of a training's minute."""
    material = load_material(run, workspace)
    Datasheet.of(material.dataset, material.split).save(run.datasheet_path)
    tiny_network.write(run.onnx_path, takes_patient=run.config.model == "multimodal")
    _judge(run, material)
    for stage in run.config.stages:
        for number in range(1, stage.epochs + 1):
            run.append_history(Epoch(stage.number, number, 1.0, 0.5, 0.9, 0.6, 0.5, 1e-3, 2.0, 100.0))
    run.log_path.write_text("12:00:00 Finished.\n")
    run.update_status(state=State.FINISHED)


def _judge(run: Run, material: Material) -> None:
    dataset = material.dataset
    network = OnnxNetwork(run.onnx_path, dataset.task)
    predictions = {}
    for part in ("validation", "test"):
        rows = material.rows(part)
        views = row_probabilities(network, material.pixels, material.patients, rows, run.config.views)
        predictions[part] = predictions_of(
            dataset.task, [dataset.images[row] for row in rows], tempered(views, TEMPERATURE)
        )
    save_temperature(run.calibration_path, TEMPERATURE)
    save_predictions(run.predictions_path, predictions)
    reports = evaluate_parts(predictions, group(dataset), TEMPERATURE)
    evaluation = Evaluation.now(dataset)
    save_report(
        run.report_path,
        {part: dataclasses.replace(report, evaluation=evaluation) for part, report in reports.items()},
    )
