"""The speed and memory that the design promises: training and prediction as ratios of two ways, the app in seconds.

Everything is measured on EfficientNet-Lite0, with its real weights, and the drawn data set, so that anybody can repeat it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import psutil
from gradio_client import Client, handle_file

from skin import scale, stress
from skin.config import TrainConfig
from skin.data import datasets
from skin.data.pixels import open_pixels, prepare
from skin.data.views import ORIENTATIONS
from skin.inference.explain import grad_cam
from skin.models import export
from skin.models.classifier import Classifier, build_classifier
from skin.models.network import EncodedImage, encode_image
from skin.models.normalization import BatchNormalization
from skin.models.onnx import OnnxNetwork
from skin.optimization import plain_loss
from skin.patient import ChoiceField
from skin.plots.training import history_figure
from skin.run import Epoch
from skin.stress import Load
from skin.task import HAM10000
from skin.training.batches import Batches, Examples
from skin.training.loop import STEPS_A_CALL, build_optimizer
from skin.workspace import PROJECT, Workspace

_CONFIG = TrainConfig.parse({"image_size": 160, "model": "multimodal"})
_STEPS = 12
_EPOCH_STEPS = 110
_REPEATS = 5


@dataclass(frozen=True)
class Benchmark:
    """A row of GROUPS: what is measured, and the least (or, where smaller is better, largest) value that is promised."""

    label: str
    unit: str
    promised: float
    measure: Callable[[Workspace], float]
    smaller_is_better: bool = False


@dataclass(frozen=True)
class Result:
    """The outcome of one benchmark."""

    name: str
    label: str
    value: float
    promised: float
    unit: str
    is_kept: bool


def measure(name: str, workspace: Workspace) -> Result:
    """Run one row of GROUPS."""
    row = (BENCHMARKS | STRESS | SCALE)[name]
    value = row.measure(workspace)
    is_kept = value <= row.promised if row.smaller_is_better else value >= row.promised
    return Result(name, row.label, value, row.promised, row.unit, is_kept)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _ratio(slow: Callable[[], object], fast: Callable[[], object], repeats: int = _REPEATS) -> float:
    """Least time of `slow` over that of `fast`: whatever else the machine does only ever adds to either."""
    slow()
    fast()
    pairs = [(_seconds(slow), _seconds(fast)) for _ in range(repeats)]
    return min(a for a, _ in pairs) / min(b for _, b in pairs)


def _examples(n: int, inputs: np.ndarray) -> Examples:
    rows = np.arange(n)
    targets = np.eye(len(HAM10000), dtype=np.float32)[rows % len(HAM10000)]
    patients = np.repeat(HAM10000.unknown[None], n, axis=0)
    return Examples(inputs, rows % len(inputs), patients, targets, np.ones(n, np.float32), HAM10000)


def _compiled(model: keras.Model, stage: int) -> keras.Model:
    loss = plain_loss(np.zeros(len(HAM10000), np.float32), _CONFIG.label_smoothing)
    optimizer = build_optimizer(_CONFIG, _CONFIG.stages[stage - 1], 1000)
    model.compile(optimizer, loss, steps_per_execution=STEPS_A_CALL[stage])
    return model


def _pixels(workspace: Workspace) -> np.ndarray:
    return open_pixels(datasets.load("demo", workspace), _CONFIG.image_size, workspace)


def _fit(model: keras.Model, batches: Batches) -> None:
    model.fit(batches, verbose=0, shuffle=False)


def _features(workspace: Workspace) -> float:
    classifier = build_classifier(_CONFIG, HAM10000, workspace)
    classifier.backbone.trainable = False
    few, many = _STEPS * _CONFIG.stage1_batch_size, _EPOCH_STEPS * _CONFIG.stage1_batch_size
    features = np.zeros((many, classifier.backbone.output.shape[-1]), np.float32)
    through = Batches(_examples(few, _pixels(workspace)), _CONFIG, 1, 1)
    cached = Batches(_examples(many, features), _CONFIG, 1, 1)
    network, head = _compiled(classifier.network, 2), _compiled(classifier.head, 1)
    ratio = _ratio(lambda: _fit(network, through), lambda: _fit(head, cached), repeats=3)
    return ratio * many / few  # an epoch through the backbone takes minutes, so that some steps stand for it


def _pixel_cache(workspace: Workspace) -> float:
    images = datasets.load("demo", workspace).images
    pixels = _pixels(workspace)
    order = np.random.default_rng(0).permutation(len(images))
    return _ratio(
        lambda: [prepare(images[row].path, _CONFIG.image_size) for row in order],
        lambda: [np.array(pixels[row]) for row in order],
        repeats=3,
    )


def _input_pipeline(workspace: Workspace) -> float:
    network = _compiled(build_classifier(_CONFIG, HAM10000, workspace).network, 2)
    batches = Batches(_examples(_STEPS * _CONFIG.stage2_batch_size, _pixels(workspace)), _CONFIG, 2, 1)
    ready = [batches[index] for index in range(len(batches))]
    return _ratio(lambda: [network.train_on_batch(*batch) for batch in ready], lambda: _fit(network, batches))


def _normalization(workspace: Workspace) -> float:
    config = replace(_CONFIG, model="image")
    batch = Batches(_examples(config.stage2_batch_size, _pixels(workspace)), config, 2, 1)[0]
    ours = build_classifier(config, HAM10000, workspace).network
    theirs = keras.models.clone_model(ours, clone_function=_with_keras_normalization, recursive=True)
    slow, fast = _compiled(theirs, 2), _compiled(ours, 2)
    return _ratio(
        lambda: [slow.train_on_batch(*batch) for _ in range(3)],
        lambda: [fast.train_on_batch(*batch) for _ in range(3)],
    )


def _with_keras_normalization(layer: keras.Layer) -> keras.Layer:
    kind = keras.layers.BatchNormalization if isinstance(layer, BatchNormalization) else layer.__class__
    return kind.from_config(layer.get_config())


def _exported(classifier: Classifier) -> OnnxNetwork:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export.export(classifier.for_inference(), path, HAM10000)
        return OnnxNetwork(path, HAM10000)


def _prediction(n_images: int) -> Callable[[Workspace], float]:
    def measure_prediction(workspace: Workspace) -> float:
        classifier = build_classifier(_CONFIG, HAM10000, workspace)
        network = _exported(classifier)
        contents = [image.path.read_bytes() for image in datasets.load("demo", workspace).images[:n_images]]
        patients = np.repeat(HAM10000.unknown[None], n_images, axis=0)

        def keras_predict() -> object:
            pixels = np.stack([prepare(content, _CONFIG.image_size) for content in contents])
            return classifier.network.predict([pixels, patients], verbose=0)

        def ours() -> object:  # a batch of uploads, or of a folder, is answered one after the other
            pictures = (prepare(content, _CONFIG.image_size) for content in contents)
            return [encode_image(network, picture, 1).probabilities(patients[:1]) for picture in pictures]

        return _ratio(keras_predict, ours, repeats=15)

    return measure_prediction


def _questions(workspace: Workspace) -> float:
    """Time of a prediction with its heat maps and all that the patient's fields could change, against the prediction."""
    network = _exported(build_classifier(_CONFIG, HAM10000, workspace))
    content = datasets.load("demo", workspace).images[0].path.read_bytes()
    given = HAM10000.parse({"age": 60, "sex": "male", "site": "back"})
    values = {"age": [None, *range(0, 91, 10)]}
    values |= {field.name: [None, *field.values] for field in HAM10000.fields if isinstance(field, ChoiceField)}
    others = [given.having(name, value) for name, every in values.items() for value in every]

    def predicted() -> EncodedImage:
        image = encode_image(network, prepare(content, _CONFIG.image_size), ORIENTATIONS)
        image.probabilities(HAM10000.encode([given]))
        return image

    def asked() -> None:
        image = predicted()
        image.probabilities(HAM10000.encode(others))
        grad_cam(image, HAM10000.encode([given])[0])

    return _ratio(asked, predicted, repeats=15)


def _memory(workspace: Workspace) -> float:
    small, large = (_training_memory(n, workspace) for n in (1_000, 10_015))
    return large - small


def _training_memory(n_images: int, workspace: Workspace) -> float:
    """Peak memory in GB of a process that trains on so many images of 224 pixels."""
    command = [sys.executable, "-m", "skin.benchmark", str(n_images), str(workspace.home)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _train_on(n_images: int, workspace: Workspace) -> float:
    """Train some steps, and draw a whole epoch's batches, from a mapped cache of so many images; returns peak GB."""
    config = TrainConfig.parse({"image_size": 224})
    workspace.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=workspace.cache, suffix=".npy") as file:
        np.lib.format.open_memmap(file.name, "w+", np.uint8, (n_images, 224, 224, 3)).flush()
        batches = Batches(_examples(n_images, np.load(file.name, mmap_mode="r")), config, 2, 1)
        network = _compiled(build_classifier(config, HAM10000, workspace).network, 2)
        peak = 0
        for index in range(len(batches)):
            batch = batches[index]
            if index < _STEPS:
                network.train_on_batch(*batch)
            peak = max(peak, psutil.Process().memory_info().rss)
    return peak / 1e9


def _typical_seconds(work: Callable[[], object]) -> float:
    """The median: the time that a user waits, as a rule."""
    return statistics.median(_seconds(work) for _ in range(_REPEATS))


def _page(workspace: Workspace) -> float:
    def start() -> None:
        with stress.app(workspace):
            pass

    return _typical_seconds(start)


def _api(workspace: Workspace) -> float:
    image = handle_file(datasets.load("demo", workspace).images[0].path)
    with stress.app(workspace) as app:
        client = Client(app.url, verbose=False)
        return _typical_seconds(lambda: client.predict(image, api_name="/predict"))


def _history(_: Workspace) -> float:
    stages = [(1, number) for number in range(1, 701)] + [(2, number) for number in range(1, 301)]
    epochs = [Epoch(stage, number, 1.0, 0.5, 1.0, 0.5, 0.5, 1e-3, 1.0, 100.0) for stage, number in stages]
    return _typical_seconds(lambda: history_figure(epochs).to_json())


BENCHMARKS: dict[str, Benchmark] = {
    "features": Benchmark("stage 1 on cached features against through the frozen backbone", "x", 100, _features),
    "pixels": Benchmark("an epoch's images from the cache against decoded from JPEG", "x", 10, _pixel_cache),
    "pipeline": Benchmark("training speed against train_on_batch on ready arrays", "x", 0.9, _input_pipeline),
    "normalization": Benchmark(
        "a training step with our batch normalisation against Keras' own", "x", 1.2, _normalization
    ),
    "predict": Benchmark("one prediction, bytes to probabilities, against Keras predict", "x", 5, _prediction(1)),
    "batch": Benchmark("a batch of 32 predictions against Keras predict on all 32 at once", "x", 2.5, _prediction(32)),
    "questions": Benchmark(
        "a prediction with every class's heat map and every what-if of its patient, against it alone",
        "x",
        1.3,
        _questions,
        True,
    ),
    "memory": Benchmark(
        "memory of training on 10,015 images of 224 pixels beyond that on 1,000", "GB", 1.5, _memory, True
    ),
    "page": Benchmark("from the command to the page", "s", 5, _page, True),
    "api": Benchmark("a prediction through the API, upload to answer", "s", 0.3, _api, True),
    "history": Benchmark("the curves of 1,000 epochs", "s", 0.3, _history, True),
}
"""The benchmarks of speed by name."""


def _stressed(measure: Callable[[Load], float], load: Load = Load()) -> Callable[[Workspace], float]:
    return lambda _: measure(load)


STRESS: dict[str, Benchmark] = {
    "picture": Benchmark(
        "memory that the worst of the hostile pictures takes", "MB", 150, _stressed(stress.worst_picture), True
    ),
    "growth": Benchmark("memory after 5,000 predictions by 2,000 sessions", "MB", 150, _stressed(stress.growth), True),
    "crowd": Benchmark(
        "p95 of a visitor's wait while 100 others ask, against an idle app",
        "x",
        100,
        _stressed(stress.beside_others),
        True,
    ),
    "hostile": Benchmark(
        "p95 of a visitor's wait beside 8 hostile pictures, against an idle app",
        "x",
        30,
        _stressed(stress.beside_hostile),
        True,
    ),
}
"""The benchmarks of the app under load by name."""

SCALE: dict[str, Benchmark] = {
    "second": Benchmark(
        "time until the first epoch of a data set's first run against its second", "x", 5, scale.second_start
    ),
    "stage-2": Benchmark(
        "images a second of two fine-tunings at once against one after the other", "x", 1, scale.stage_2_at_once
    ),
    "presets": Benchmark(
        "two runs of the demo preset at once against one after the other", "x", 1.3, scale.presets_at_once
    ),
    "ray": Benchmark("time that a run takes longer on Ray, as a share of five minutes", "%", 15, scale.ray_run, True),
    "scoring": Benchmark(
        "2,000 images by two processes against by the predictor alone", "x", 0.9, scale.scoring("local")
    ),
    "ray-scoring": Benchmark(
        "2,000 images by two actors of Ray, its start and all, against by the predictor alone",
        "x",
        0.9,
        scale.scoring("ray"),
    ),
    "images": Benchmark(
        "time for each of 10,000 images against for each of 1,000", "x", 1.1, scale.cost_per_image, True
    ),
}
"""The benchmarks of many runs and many images by name."""

GROUPS = {"speed": BENCHMARKS, "stress": STRESS, "scale": SCALE}
"""The benchmarks of `python -m skin benchmark` by the name that it is given."""


if __name__ == "__main__":
    print(_train_on(int(sys.argv[1]), Workspace(Path(sys.argv[2]))))
