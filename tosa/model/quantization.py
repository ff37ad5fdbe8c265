"""A network that multiplies in eight bits: what enters its convolutions rounded to 256 steps, their weights to 255.

Static quantisation (Jacob et al., CVPR 2018): between such roundings OpenVINO calculates in integers, on any
processor. How large each activation becomes was measured on training pictures (tosa/training/graph/activation_ranges.py) and travels in
the graph.
"""

from dataclasses import replace

import numpy as np
import openvino
from openvino import opset13
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.model.graph import constant_node
from tosa.model.subgraph import Subgraph

JOINING = {"Concat", "MaxPool"}  # what takes rounded numbers and hands them on


def quantize_activations(pruned: Subgraph, peaks: dict[str, float]) -> Subgraph:
    """The pruned graph with each of these activations, from 0 to its peak, rounded for all that take it."""
    given = GraphDef.FromString(pruned.graph)
    known = {node.name for node in given.node} & peaks.keys()
    rounded = GraphDef(versions=given.versions)
    for node in given.node:
        copy = rounded.node.add()
        copy.CopyFrom(node)
        for number, name in enumerate(node.input):
            if name in known:
                copy.input[number] = f"{name}/rounded"
    for name in sorted(known):
        least, most = f"{name}/least", f"{name}/most"
        rounded.node.extend([constant_node(least, np.float32(0)), constant_node(most, np.float32(peaks[name]))])
        node = rounded.node.add(name=f"{name}/rounded", op="FakeQuantWithMinMaxVars", input=[name, least, most])
        node.attr["num_bits"].i, node.attr["narrow_range"].b = 8, False
    return replace(pruned, graph=rounded.SerializeToString())


def quantize_weights(model: openvino.Model) -> None:
    """Round the weights of every convolution that takes rounded activations, those of each channel by their largest."""
    from openvino.passes import ConstantFolding, Manager  # here, since float32 starts sooner without

    manager = Manager()
    manager.register_pass(ConstantFolding())  # the weights as OpenVINO lays them, not a constant and how to turn it
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
    """The value of a constant, or of one that is kept in float16 and converted."""
    node = output.get_node()
    return _constant(node.input_value(0)) if node.get_type_name() == "Convert" else node.data
