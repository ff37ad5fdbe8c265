"""Quantization to int8: the inputs of convolutions are rounded to 256 steps, their weights to 255.

This is static quantization (Jacob et al., CVPR 2018): between two roundings OpenVINO calculates in integers, on any
processor. The range of each activation was measured on training pictures (tosa/training/graph/activation_ranges.py)
and is a constant of the graph.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import openvino
from openvino import opset13
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.model.graph import constant_node
from tosa.model.subgraph import Subgraph

JOINING = {"Concat", "MaxPool"}  # operations whose output is rounded if their inputs are


def quantize_activations(pruned: Subgraph, activation_ranges: Mapping[str, float]) -> Subgraph:
    """Returns the pruned graph with each of these activations rounded, from 0 to its range, for all that use it."""
    original = GraphDef.FromString(pruned.graph)
    names = {node.name for node in original.node} & activation_ranges.keys()
    rounded = GraphDef(versions=original.versions)
    for node in original.node:
        copy = rounded.node.add()
        copy.CopyFrom(node)
        for number, name in enumerate(node.input):
            if name in names:
                copy.input[number] = f"{name}/rounded"
    for name in sorted(names):
        low, high = f"{name}/low", f"{name}/high"
        limits = {low: 0, high: activation_ranges[name]}
        rounded.node.extend(constant_node(limit, np.array(value, np.float32)) for limit, value in limits.items())
        node = rounded.node.add(name=f"{name}/rounded", op="FakeQuantWithMinMaxVars", input=[name, low, high])
        node.attr["num_bits"].i, node.attr["narrow_range"].b = 8, False
    return replace(pruned, graph=rounded.SerializeToString())


def quantize_weights(model: openvino.Model) -> None:
    """Rounds the weights of every convolution with rounded inputs, each output channel by its largest weight."""
    from openvino.passes import ConstantFolding, Manager  # here, since other precisions start sooner without it

    manager = Manager()
    manager.register_pass(ConstantFolding())  # one constant for the weights, not a constant and its transposition
    manager.run_passes(model)
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution" and _is_rounded(node.input_value(0)):
            weights = opset13.constant(_constant(node.input_value(1)).astype(np.float32))
            largest = np.abs(weights.data).max(axis=(1, 2, 3), keepdims=True) + 1e-12
            limits = [opset13.constant(limit.astype(np.float32)) for limit in (-largest, largest)]
            node.input(1).replace_source_output(opset13.fake_quantize(weights, *limits, *limits, 255).output(0))


def _is_rounded(output: openvino.Output) -> bool:
    node = output.get_node()
    if node.get_type_name() in JOINING:
        return all(_is_rounded(each) for each in node.input_values())
    return node.get_type_name() == "FakeQuantize"


def _constant(output: openvino.Output) -> np.ndarray:
    """The value of a constant, or of a float16 constant that is converted."""
    node = output.get_node()
    return _constant(node.input_value(0)) if node.get_type_name() == "Convert" else node.data
