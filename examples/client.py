"""Sends sounds and X-rays to a running Tosa and prints one line for each finding.

    python examples/client.py FILE... [--server http://127.0.0.1:5000]

It needs nothing but Python. The server recognises what a file is by its content.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path


def main() -> int:
    """Asks about each file. The exit status is 1 if any was refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--server", default="http://127.0.0.1:5000")
    options = parser.parse_args()
    try:
        answers = [ask(options.server, file.read_bytes()) for file in options.files]
    except urllib.error.URLError as error:
        sys.exit(f"No answer from {options.server}: {error.reason}. Start Tosa with 'make run'.")
    except OSError as error:
        sys.exit(f"Cannot read '{error.filename}': {error.strerror}.")
    for file, answer in zip(options.files, answers, strict=True):
        print("\n".join(f"{file}: {line}" for line in lines(answer)))
    return int(any("error" in answer for answer in answers))


def ask(server: str, data: bytes) -> dict:
    """Returns the JSON that the server answers to one file, a refusal included."""
    request = urllib.request.Request(server, data, {"Content-Type": "application/octet-stream"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)


def lines(answer: dict) -> list[str]:
    """Returns one line for each finding, or one that says why the server refused the file."""
    if "error" in answer:
        return [f"refused ({answer['error']['code']}): {answer['error']['message']}"]
    return [
        f"{finding['task']}: {finding['diagnosis']} {finding['score']:.3f}"
        + (f" (a demonstration. {finding['note']})" if finding.get("demonstration") else "")
        for finding in answer["findings"]
    ]


if __name__ == "__main__":
    sys.exit(main())
