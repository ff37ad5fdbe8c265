"""The web app of Tosa: `python app.py` serves the page and the JSON answers on http://127.0.0.1:5000."""

import sys

if __name__ == "__main__":
    from tosa.web.serve import main

    sys.exit(main())

from tosa.web.app import create_app  # noqa: E402, F401  # for servers that are given app:create_app()
