"""Networks that are not ours, in the place of one that is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_network
from onnx import TensorProto, numpy_helper

from skin.errors import UserError
from skin.models.export import halve, set_temperature
from skin.models.onnx import OnnxNetwork
from skin.task import HAM10000, Task


def with_colours(model: onnx.ModelProto, colours: np.ndarray) -> None:
    """Give the classes other weights, or their number another size."""
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == "colours")
    tensor.CopyFrom(numpy_helper.from_array(colours.astype(np.float32), "colours"))
    for output in model.graph.output:
        if output.name != "embedding":
            output.type.tensor_type.shape.dim[-1].dim_value = len(colours)


def without_heatmap(model: onnx.ModelProto) -> None:
    del model.graph.output[-1]


def without_mean(model: onnx.ModelProto) -> None:
    (node,) = (node for node in model.graph.node if node.op_type == "GlobalAveragePool")
    node.op_type = "GlobalMaxPool"


def with_image_in_head(model: onnx.ModelProto) -> None:
    (node,) = (node for node in model.graph.node if node.op_type == "Gemm")
    model.graph.node.insert(8, onnx.helper.make_node("GlobalAveragePool", ["channels"], ["colour"]))
    model.graph.node.insert(9, onnx.helper.make_node("Flatten", ["colour"], ["flat"]))
    node.input[0] = "flat"


def with_another_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "picture"
    model.graph.node[0].input[0] = "picture"


def with_float_pixels(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def of_size(size: int | str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        for dim in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
            dim.Clear()
            setattr(dim, "dim_param" if isinstance(size, str) else "dim_value", size)

    return change


FOREIGN: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "nine classes": (lambda model: with_colours(model, np.ones((9, 3, 1, 1))), "tell the 7 diagnoses apart"),
    "NaN": (lambda model: with_colours(model, np.full((7, 3, 1, 1), np.nan)), "no probabilities"),
    "no heatmap": (without_heatmap, "no encoder and head"),
    "no mean": (without_mean, "no encoder and head"),
    "a head that sees the image": (with_image_in_head, "cannot be loaded"),
    "another input": (with_another_input, "takes other inputs"),
    "float pixels": (with_float_pixels, "does not run"),
    "no fixed size": (of_size("side"), "takes other inputs"),
    "a size beyond all memory": (of_size(1_000_000), "takes other inputs"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_network_is_a_sentence(tmp_path: Path, kind: str) -> None:
    change, complaint = FOREIGN[kind]
    path = tmp_path / "model.onnx"
    tiny_network.write(path, takes_patient=False)
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=f"cannot be used .*{complaint}.*: run `python -m skin export`"):
        OnnxNetwork(path, HAM10000)


@pytest.mark.parametrize("content", [b"", b"no network", np.random.default_rng(0).bytes(10_000)])
def test_a_damaged_network_is_a_sentence_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    for use in (lambda network: OnnxNetwork(network, HAM10000), halve, lambda network: set_temperature(network, 2.0)):
        with pytest.raises(UserError, match="cannot be loaded"):
            use(path)
    assert path.read_bytes() == content


def test_a_network_of_other_patient_columns_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    tiny_network.write(path, takes_patient=True)
    few = Task("few", "Few", HAM10000.diagnoses, HAM10000.fields[:2])
    with pytest.raises(UserError, match="another patient than of 5 columns, which the run's task has"):
        OnnxNetwork(path, few)


def test_a_network_without_a_temperature_is_given_none(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    tiny_network.write(path, takes_patient=True)
    with pytest.raises(UserError, match="has no temperature"):
        set_temperature(path, 2.0)
    assert OnnxNetwork(path, HAM10000).takes_patient
