"""A network of a few numbers in the form of an exported one: quick to make, and its answers can be foretold."""

from pathlib import Path

import numpy as np
import onnx
from ham import CODES, WIDTH
from onnx import TensorProto, helper, numpy_helper

SIZE = 32
CELL = 8


def write(path: Path, takes_patient: bool) -> None:
    """The redder the image is, the more it is melanoma; the bluer, the more a nevus.

    Where it takes the patient, every year speaks against a nevus and for basal cell carcinoma.
    """
    colours = np.zeros((7, 3, 1, 1), np.float32)
    colours[CODES.index("mel"), 0] = 4
    colours[CODES.index("nv"), 2] = 4
    fields = np.zeros((WIDTH, 7), np.float32)
    fields[0, [CODES.index("bcc"), CODES.index("nv")]] = 3, -3
    constants = {"scale": np.float32(1 / 255), "colours": colours, "fields": fields}
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["channels"], ["cells"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Conv", ["cells", "colours"], ["map"]),
        helper.make_node("Transpose", ["map"], ["heatmap"], perm=[0, 2, 3, 1]),
        helper.make_node("GlobalAveragePool", ["cells"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["embedding"]),
        helper.make_node("Flatten", ["colours"], ["kernel"]),
        helper.make_node("Gemm", ["embedding", "kernel"], ["image_logits"], transB=1),
        helper.make_node("MatMul", ["patient", "fields"], ["patient_logits"]),
        helper.make_node("Add", ["image_logits", "patient_logits"], ["logits"]),
        helper.make_node("Softmax", ["logits" if takes_patient else "image_logits"], ["probabilities"], axis=-1),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, [None, SIZE, SIZE, 3])]
    if takes_patient:
        inputs.append(helper.make_tensor_value_info("patient", TensorProto.FLOAT, [None, WIDTH]))
    else:
        nodes = [node for node in nodes if node.op_type not in ("MatMul", "Add")]
        del constants["fields"]
    side = SIZE // CELL
    shapes = {"probabilities": [None, 7], "embedding": [None, 3], "heatmap": [None, side, side, 7]}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
