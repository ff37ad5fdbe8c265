"""Quantization to int8: the inputs of convolutions are rounded to 256 steps, their weights to 255.

This is static quantization (Jacob et al., CVPR 2018): between two roundings OpenVINO calculates in integers, on any
processor. The range of each activation was measured on training pictures, and so was what rounded weights add to a
convolution's output on average, which is subtracted again (Nagel et al., ICCV 2019). Both are constants of the graph
(tosa/training/graph/activation_ranges.py).
"""

from dataclasses import replace

import numpy as np
import openvino
from openvino import opset13
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.types_pb2 import DT_FLOAT

from tosa.model.graph import constant_node
from tosa.model.quantization_constants import QuantizationConstants
from tosa.model.subgraph import Subgraph

JOINING = {"Concat", "MaxPool"}  # operations whose output is rounded if their inputs are


def quantize_activations(pruned: Subgraph, constants: QuantizationConstants) -> Subgraph:
    """Returns the pruned graph with activations rounded, from 0 to their ranges, and convolutions corrected."""
    original = GraphDef.FromString(pruned.graph)
    present = {node.name for node in original.node}
    ranges = {name: constants.ranges[name] for name in sorted(present & constants.ranges.keys())}
    corrections = {name: constants.corrections[name] for name in sorted(present & constants.corrections.keys())}
    renamed = {name: f"{name}/rounded" for name in ranges} | {name: f"{name}/corrected" for name in corrections}
    changed = GraphDef(versions=original.versions)
    for node in original.node:
        copy = changed.node.add()
        copy.CopyFrom(node)
        for number, name in enumerate(node.input):
            copy.input[number] = renamed.get(name, name)
    for name, largest in ranges.items():
        limits = {f"{name}/low": 0, f"{name}/high": largest}
        changed.node.extend(constant_node(limit, np.array(value, np.float32)) for limit, value in limits.items())
        node = changed.node.add(name=renamed[name], op="FakeQuantWithMinMaxVars", input=[name, *limits])
        node.attr["num_bits"].i, node.attr["narrow_range"].b = 8, False
    for name, correction in corrections.items():
        changed.node.append(constant_node(f"{name}/correction", correction))
        node = changed.node.add(name=renamed[name], op="Sub", input=[name, f"{name}/correction"])
        node.attr["T"].type = DT_FLOAT
    return replace(pruned, graph=changed.SerializeToString())


def rounded_weights(weights: np.ndarray) -> np.ndarray:
    """Returns weights as `quantize_weights` rounds them. weights, and what is returned: float32 (h, w, in, out)."""
    step = _largest(weights, (0, 1, 2)) / 127
    return np.round(weights / step) * step


def _largest(weights: np.ndarray, axes: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(weights).max(axis=axes, keepdims=True) + 1e-12).astype(np.float32)


def quantize_weights(model: openvino.Model) -> None:
    """Rounds the weights of every convolution with rounded inputs, each output channel by its largest weight."""
    from openvino.passes import ConstantFolding, Manager  # here, since other precisions start sooner without it

    manager = Manager()
    manager.register_pass(ConstantFolding())  # one constant for the weights, not a constant and its transposition
    manager.run_passes(model)
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution" and _is_rounded(node.input_value(0)):
            weights = _float32(node.input_value(1).get_node())
            largest = _largest(weights.data, (1, 2, 3))
            limits = [opset13.constant(limit) for limit in (-largest, largest)]
            node.input(1).replace_source_output(opset13.fake_quantize(weights, *limits, *limits, 255).output(0))


def _is_rounded(output: openvino.Output) -> bool:
    node = output.get_node()
    if node.get_type_name() in JOINING:
        return all(_is_rounded(each) for each in node.input_values())
    return node.get_type_name() == "FakeQuantize"


def _float32(node: openvino.Node) -> openvino.Node:
    """A float32 constant with the value of a constant, or of a float16 constant that is converted."""
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node if node.data.dtype == np.float32 else opset13.constant(node.data.astype(np.float32))
