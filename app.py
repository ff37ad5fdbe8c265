"""The web app of Tosa: `python app.py` serves the page and the JSON answers on http://127.0.0.1:5000."""

if __name__ == "__main__":
    from tosa.cli import serve

    serve(prog_name="app.py")

from tosa.web.app import create_app  # noqa: F401  # for servers that are given app:create_app()
