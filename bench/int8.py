"""What eight bits would bring: static int8, calibrated on files of the folder, and int8 weights alone, beside float32.

    pip install nncf; python bench/int8.py --data FOLDER [--calibrate 60] [--files 150]

NNCF is not among the requirements, since nothing that is served was made with it.
"""

import argparse
import random
from pathlib import Path

import nncf
import numpy as np
import openvino
from measure import PICTURES, SOUNDS, cut_graph, in_turns

from tosa import audio, screening, xray
from tosa.engine import read
from tosa.errors import RequestError
from tosa.network import Network
from tosa.settings import Settings

ROUNDS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--calibrate", type=int, default=60, help="files to calibrate on")
    parser.add_argument("--files", type=int, default=150, help="other files to compare answers about")
    given = parser.parse_args()
    files = sorted(path for path in given.data.rglob("*") if path.suffix.lower() in SOUNDS | PICTURES)
    random.Random(0).shuffle(files)
    known = [drawn for path in files[: given.calibrate + given.files] if (drawn := draw(path))]
    calibration, others = known[: given.calibrate], known[given.calibrate :]
    models = {
        "float32": model(),
        "int8": nncf.quantize(
            model(), nncf.Dataset([pixels[None] for pixels, _ in calibration]), subset_size=len(calibration)
        ),
        "int8 weights": nncf.compress_weights(model()),
    }
    report(models, others)


def model() -> openvino.Model:
    cut, size = cut_graph()
    read_in = read(openvino.Core(), cut)
    read_in.reshape([1, *size, 3])
    return read_in


def draw(path: Path) -> tuple[np.ndarray, bool] | None:
    """The picture and whether it is a sound's; None where the file is refused."""
    is_sound = path.suffix.lower() in SOUNDS
    try:
        return (audio if is_sound else xray).picture(path.read_bytes()), is_sound
    except RequestError:
        return None


def report(models: dict[str, openvino.Model], files: list[tuple[np.ndarray, bool]]) -> None:
    network = Network.load(Settings().graph, Settings().labels, precision="f32")
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
    compiled = {name: openvino.Core().compile_model(model, "CPU", config) for name, model in models.items()}
    requests = {name: each.create_infer_request() for name, each in compiled.items()}
    medians = in_turns({name: lambda r=r: r.infer([files[0][0][None]]) for name, r in requests.items()}, ROUNDS)
    print("| weights and sums | ms | same diagnosis | difference of scores, median | 99th percentile | most |")
    print("|---|---|---|---|---|---|")
    for name, request in requests.items():
        same, apart = [], []
        for pixels, is_sound in files:
            expected = network.run(pixels[None]).scores[0]
            outputs = list(request.infer([pixels[None]]).values())[2:]
            scores = np.concatenate([output.ravel() for output in outputs])
            for task in network.tasks.values():
                if screening._is_of_sound(task, network.metadata) == is_sound:
                    same.append(scores[task.columns].argmax() == expected[task.columns].argmax())
                    apart.append(np.abs(scores[task.columns] - expected[task.columns]).max())
        median, high = np.quantile(apart, [0.5, 0.99])
        shown = f"{np.mean(same):.1%} of {len(same)} | {median:.4f} | {high:.4f} | {max(apart):.4f}"
        print(f"| {name} | {medians[name] * 1000:.1f} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
