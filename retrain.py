"""Retrains the last layer of the network, or all of it, on your own pictures or sounds; --help lists the flags."""

import sys

from tosa.training.flags import main

if __name__ == "__main__":
    sys.exit(main())
