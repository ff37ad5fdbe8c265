"""Measures where the time of one answer goes, and how close the engine is to the machine's peak rate.

python bench/latency_breakdown.py [--data FOLDER]
"""

from collections.abc import Callable
from operator import sub
from pathlib import Path
from statistics import median

import numpy as np
import openvino
from measure import (
    HEADER,
    Question,
    Row,
    aim,
    bare_forward,
    in_turns,
    options,
    picture,
    pruned_graph,
    running,
    sound,
    timed_in_turns,
)

from tosa import memory
from tosa.inputs import audio, spectrogram, xray
from tosa.model.engine import native_precision, read
from tosa.model.metadata import Input
from tosa.model.network import Network
from tosa.screening import screen
from tosa.settings import Settings

ROUNDS, PAIRS = 31, 61
SIDE = 2048  # of the matrices whose product shows what the machine can do


def rows(data: Path | None) -> list[Row]:
    """Returns what an answer takes more over HTTP than `screen` in this process, by the round."""
    memory.reuse_freed()  # as the server does
    network, most = Network.load(Settings().graph, Settings().labels), aim(2, 3)
    made = []
    for name, question, kind in (("a cough of 5 s", sound(data), "sound"), ("an X-ray", picture(data), "picture")):
        with running("app.py") as app:
            app.first_answer(question)
            files = {"sound": None, "picture": None} | {kind: question.data}
            ways = {"answer": app.asker(question), "here": lambda files=files: screen(network, **files)}
            answer, here = timed_in_turns(ways, PAIRS, warm_up=3).values()
        more = median(map(sub, answer, here)) * 1000  # by the round: steadier than the difference of two medians
        what, against = f"one answer, {name}, HTTP, JSON and decoder process", f"{median(here) * 1000:.1f} ms, all else"
        made.append(
            Row(
                what,
                f"{median(answer) * 1000:.1f} ms",
                against,
                f"{more:.1f} ms more",
                f"at most {most} ms",
                more <= most,
            )
        )
    return made


def table(data: Path | None) -> str:
    """Returns a table of stages for a sound and an X-ray, and what the machine could do at best."""
    memory.reuse_freed()
    network = Network.load(Settings().graph, Settings().labels)
    parts = [stages("A cough of 5 s", sound(data), audio, network)]
    parts.append(stages("An X-ray", picture(data), xray, network))
    return "\n\n".join([*parts, floor()])


def stages(title: str, question: Question, kind, network: Network) -> str:
    """Returns a table of the milliseconds that each stage takes, and that a client waits."""
    file = question.data
    decode, check = (audio.decode_sound, audio.check_sound) if kind is audio else (xray.decode, xray.check)
    decoded = decode(file)
    drawn = spectrogram.draw(audio.window(decoded)) if kind is audio else xray.fit(xray.gray(decoded))
    ways: dict[str, Callable] = {"decode": lambda: decode(file), "quality gate": lambda: check(decoded)}
    if kind is audio:
        window = audio.window(decoded)
        ways |= {"loudest part": lambda: audio.window(decoded), "draw": lambda: spectrogram.draw(window)}
        asked: Input = "sound"
    else:
        ways["resize"] = lambda: xray.fit(xray.gray(decoded))
        if network.gate:
            ways["out-of-distribution gate"] = lambda: network.gate.is_in_distribution(drawn)
        asked = "picture"
    ways["network"] = lambda: network.run(drawn[None], asked)
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
    given = options(__doc__)
    print(HEADER, *rows(given.data), "", table(given.data), sep="\n")
