"""`python -m tosa` is the command `tosa`."""

from tosa.cli import main

main(prog_name="tosa")
