"""The command that describes a data set."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import pandas as pd
import typer

from skin.cli.options import AsJson, Home
from skin.cli.output import print_json, print_table
from skin.data import datasets, splits
from skin.data.dataset import Dataset
from skin.errors import UserError
from skin.patient import UNKNOWN
from skin.progress import console
from skin.workspace import Workspace


def data(
    dataset: Annotated[
        str, typer.Argument(help="demo, kaggle, or a folder of images (HAM10000, ISIC, or a task.json of your own).")
    ] = "demo",
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 42,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Describe a data set: counts, what is missing or was left out, the splits and what they leak."""
    loaded = datasets.load(dataset, Workspace.locate(home), console)
    facts = _data_facts(loaded, seed)
    if as_json:
        print_json(facts)
        return
    print(f"{loaded.title}: {facts['images']} images of {facts['lesions']} lesions")
    print_table(["diagnosis", "images"], [[code, count] for code, count in facts["diagnoses"].items()])
    print("missing:", ", ".join(f"{field} {count}" for field, count in facts["missing"].items()) or "no field")
    for finding in loaded.findings():
        print(finding)
    print_table(
        ["split", "train", "validation", "test", "test images whose lesion is in train"],
        [[name, *split.values(), *[""] * (4 - len(split))] for name, split in facts["splits"].items()],
    )


def _data_facts(dataset: Dataset, seed: int) -> dict[str, Any]:
    frame = dataset.frame()
    return {
        "dataset": dataset.title,
        "task": dataset.task.name,
        "fingerprint": dataset.fingerprint,
        "synthetic": dataset.synthetic,
        "images": len(frame),
        "lesions": int(frame["lesion_id"].nunique()),
        "diagnoses": {code: int((frame["diagnosis"] == code).sum()) for code in dataset.task.codes},
        "missing": {field.name: _missing(frame[field.name]) for field in dataset.task.fields},
        "unknown_labels": dataset.unknown_labels,
        "dropped": [dataclasses.asdict(dropped) for dropped in dataset.dropped],
        "notes": list(dataset.notes),
        "splits": _splits(dataset, seed),
    }


def _missing(values: pd.Series[Any]) -> int:
    """Number of the values of a field that are unknown."""
    return int((values.isna() | (values == UNKNOWN)).sum())


def _splits(dataset: Dataset, seed: int) -> dict[str, dict[str, int | str]]:
    """The facts of every split by its name; that by source has a row for each fold."""
    facts = {name: _split_facts(dataset, name, seed) for name in splits.SPLITTERS if name != "by-source"}
    sources = splits.sources_of(dataset.images)
    if len(sources) < 2:
        return facts
    return facts | {
        f"by-source, fold {fold} ({source})": _split_facts(dataset, "by-source", seed, len(sources), fold)
        for fold, source in enumerate(sources)
    }


def _split_facts(dataset: Dataset, method: str, seed: int, folds: int = 0, fold: int = 0) -> dict[str, int | str]:
    try:
        split = splits.SPLITTERS[method](dataset.images, seed, folds, fold)
    except UserError as error:
        return {"error": str(error)}
    sizes = {part: len(image_ids) for part, image_ids in split.parts.items()}
    return {**sizes, "shared_test_images": splits.audit(split, dataset.images).shared_test_images}
