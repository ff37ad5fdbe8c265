"""The command `tosa`: serves the web app, screens many files, or trains a network."""

import os
import sys
from pathlib import Path

import click

from tosa import __version__

HELP = {"help_option_names": ["-h", "--help"]}


@click.group(context_settings=HELP)
@click.version_option(__version__, package_name="tosa")
def main() -> None:
    """Tosa screens cough recordings and chest X-rays with one neural network.

    For learning and research only. It is not a medical device.
    """


@main.command(context_settings=HELP)
@click.option("--host", help="Address to listen on; TOSA_HOST, by default 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port to listen on; TOSA_PORT, by default 5000.")
@click.option("--graph", type=click.Path(), help="Frozen graph to serve; TOSA_GRAPH, by default the embedded one.")
@click.option("--labels", type=click.Path(), help="Label file of a classic graph; TOSA_LABELS.")
def serve(**settings: str | int | None) -> None:
    """Serve the page and the JSON answers until stopped.

    Environment variables (TOSA_PRECISION, TOSA_CACHE, ...) set the rest: docs/api.md lists them.
    """
    _set_environment(**settings)
    from tosa.web.serve import main as start  # after the environment is set

    sys.exit(start())


@main.command()
@click.argument("sources", nargs=-1, required=True, metavar="PATH...")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Table to write: .csv, .jsonl or .parquet.")
@click.option("--heatmaps", type=click.Path(path_type=Path), help="Folder for PNGs of where the network looked.")
@click.option("--timeline", is_flag=True, help="Also write a row for each episode of coughs in a sound.")
@click.option("--graph", type=click.Path(), help="Frozen graph to ask; TOSA_GRAPH, by default the embedded one.")
@click.option("--labels", type=click.Path(), help="Label file of a classic graph; TOSA_LABELS.")
@click.option("--ray", "ray_address", help="Ray cluster to work on, such as auto or 10.0.0.1:6379.")
def screen(
    sources: tuple[str, ...],
    out: Path,
    heatmaps: Path | None,
    timeline: bool,
    graph: str | None,
    labels: str | None,
    ray_address: str | None,
) -> None:
    """Screen many sounds and X-rays into one table, a row for each finding.

    PATH is a file, a folder, a pattern such as 'scans/**/*.dcm', a table (.csv, .tsv) with a column `file`, - for names
    on standard input, or an address: s3://bucket/prefix or dicomweb+https://host/dicom-web. After an interruption, the
    same command continues where it stopped. The exit status is 1 if a file could not be answered; its row says why.
    """
    _set_environment(graph=graph, labels=labels)
    from tosa.errors import DecoderError, ModelError, SettingError, UsageError
    from tosa.scale.batch import screen_batch
    from tosa.settings import Settings

    try:
        summary = screen_batch(list(sources), out, Settings(), heatmaps, ray_address, timeline=timeline)
    except (UsageError, ModelError, SettingError, DecoderError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Interrupted. The same command continues from here.", err=True)
        sys.exit(130)
    click.echo(f"Wrote '{out}': {summary}", err=True)
    sys.exit(1 if summary.errors else 0)


@main.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def train(arguments: tuple[str, ...]) -> None:
    """Train on labelled pictures or sounds: all flags of retrain.py; `tosa train --help` lists them."""
    from tosa.training.flags import main as retrain

    sys.exit(retrain(list(arguments), program="tosa train"))


def _set_environment(**settings: str | int | None) -> None:
    """Sets the environment variables of the options that are not None."""
    os.environ |= {f"TOSA_{name.upper()}": str(value) for name, value in settings.items() if value is not None}
