"""Writes the network of W7 (784-128-64-10, ReLU, random weights) as FOLDER/w7.onnx, for the runtimes that read ONNX.

    python onnx_model.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from peer import W7_SIZES

random = np.random.default_rng(0)
nodes, weights, a = [], [], "x"
for l, (inputs, units) in enumerate(zip(W7_SIZES, W7_SIZES[1:])):
    W = (random.standard_normal((inputs, units)) * (2 / inputs) ** 0.5).astype(np.float32)
    weights += [numpy_helper.from_array(W, f"W{l}"), numpy_helper.from_array(np.zeros(units, np.float32), f"b{l}")]
    nodes.append(helper.make_node("Gemm", [a, f"W{l}", f"b{l}"], [f"z{l}"]))
    a = f"z{l}"
    if l < len(W7_SIZES) - 2:
        nodes.append(helper.make_node("Relu", [a], [f"a{l}"]))
        a = f"a{l}"
tensor = lambda name, width: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
graph = helper.make_graph(nodes, "w7", [tensor("x", 784)], [tensor(a, 10)], weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, Path(sys.argv[1]) / "w7.onnx")
