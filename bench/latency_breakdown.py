"""Measures where the time of one answer goes, and how close the engine is to the machine's peak rate.

python bench/latency_breakdown.py [--data FOLDER]
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
from measure import bare_forward, in_turns, options, picture, pruned_graph, running, sound

from tosa.inputs import audio, spectrogram, xray
from tosa.model.engine import native_precision, read
from tosa.model.network import Network
from tosa.settings import Settings

ROUNDS = 31
SIDE = 2048  # of the matrices whose product shows what the machine can do


def table(data: Path | None) -> str:
    network = Network.load(Settings().graph, Settings().labels)
    parts = [stages("A cough of 5 s", sound(data).data, audio, network, data)]
    parts.append(stages("An X-ray", picture(data).data, xray, network, data))
    return "\n\n".join([*parts, floor()])


def stages(title: str, file: bytes, kind, network: Network, data: Path | None) -> str:
    """Returns a table of the milliseconds that each stage takes, and that a client waits."""
    question = sound(data) if kind is audio else picture(data)
    decode, check = (audio.decode_sound, audio.check_sound) if kind is audio else (xray.decode, xray.check)
    decoded = decode(file)
    drawn = spectrogram.draw(audio.window(decoded)) if kind is audio else decoded
    fitting = xray.resize(drawn, network.size)
    ways: dict[str, Callable] = {"decode": lambda: decode(file), "quality gate": lambda: check(decoded)}
    if kind is audio:
        window = audio.window(decoded)
        ways |= {"loudest part": lambda: audio.window(decoded), "draw": lambda: spectrogram.draw(window)}
    ways |= {"resize": lambda: xray.resize(drawn, network.size), "network": lambda: network.run(fitting[None])}
    with running("app.py") as app:
        app.first_answer(question)
        medians = in_turns({**ways, "answer": app.asker(question)}, ROUNDS, warm_up=3)
    answer = medians.pop("answer")
    medians["HTTP, JSON and the rest"] = answer - sum(medians.values())
    lines = [f"| {name} | {seconds * 1000:.2f} | {seconds / answer:.0%} |" for name, seconds in medians.items()]
    return "\n".join([f"| {title} | ms | share |", "|---|---|---|", *lines, f"| together | {answer * 1000:.2f} | |"])


def floor() -> str:
    """Returns the multiplications that a picture takes, and the machine's rate in a large matrix product."""
    pruned, size = pruned_graph()
    model = read(openvino.Core(), pruned)
    model.reshape([1, *size, 3])
    convolutions = [node for node in model.get_ops() if node.get_type_name() == "Convolution"]
    products = sum(np.prod(node.get_output_shape(0)) * np.prod(node.get_input_shape(1)[1:]) for node in convolutions)
    precisions = sorted({"f32", native_precision()})
    ways = {precision: matrix_product(precision) for precision in precisions}
    medians = in_turns({**ways, "network": bare_forward()}, ROUNDS, warm_up=3)
    lines = [f"A picture takes {products / 1e9:.2f} thousand million multiplications (GMAC)."]
    for precision in precisions:
        rate = SIDE**3 / medians[precision]
        lines.append(
            f"A product of {SIDE} x {SIDE} matrices in {precision} does {rate / 1e9:.0f} GMAC/s, at which a picture "
            f"would take {products / rate * 1000:.1f} ms."
        )
    lines.append(f"The engine's bare forward pass takes {medians['network'] * 1000:.1f} ms.")
    return "\n".join(lines)


def matrix_product(precision: str) -> Callable[[], object]:
    """Returns a function that multiplies two square matrices in OpenVINO, on all cores."""
    matrix = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    given = openvino.opset13.parameter([SIDE, SIDE], np.float32)
    product = openvino.opset13.matmul(given, openvino.opset13.constant(matrix), False, False)
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision, "ENABLE_CPU_PINNING": False}
    request = openvino.compile_model(openvino.Model([product], [given]), "CPU", config).create_infer_request()
    return lambda: request.infer([matrix])


if __name__ == "__main__":
    print(table(options(__doc__).data))
