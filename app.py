"""Start the app: `python app.py`, or a Hugging Face Space. An installed copy has it as `skin-lab app`."""

import typer

from skin.__main__ import open_app

if __name__ == "__main__":
    typer.run(open_app)
