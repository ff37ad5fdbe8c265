"""The command `tosa`: serves the web app, or trains a network."""

import os
import sys

import click

from tosa import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="tosa")
def main() -> None:
    """Tosa screens cough recordings and chest X-rays with one neural network.

    For learning and research only. It is not a medical device.
    """


@main.command()
@click.option("--host", help="Address to listen on; TOSA_HOST, by default 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port to listen on; TOSA_PORT, by default 5000.")
@click.option("--graph", type=click.Path(), help="Frozen graph to serve; TOSA_GRAPH, by default the embedded one.")
@click.option("--labels", type=click.Path(), help="Its label file; TOSA_LABELS, by default the embedded one.")
def serve(**settings: str | int | None) -> None:
    """Serve the page and the JSON answers until stopped.

    Environment variables (TOSA_PRECISION, TOSA_CACHE, ...) set the rest: docs/api.md lists them.
    """
    os.environ |= {f"TOSA_{name.upper()}": str(value) for name, value in settings.items() if value is not None}
    from tosa.web.serve import main as start  # after the environment is set

    sys.exit(start())


@main.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def train(arguments: tuple[str, ...]) -> None:
    """Train on labelled pictures or sounds: all flags of retrain.py; `tosa train --help` lists them."""
    from tosa.training.flags import main as retrain

    sys.exit(retrain(list(arguments), program="tosa train"))
