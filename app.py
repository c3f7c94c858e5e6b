"""Start the app: `python app.py`, or a Hugging Face Space. An installed copy has it as `skin-lab app`."""

import typer

from skin.cli.main import COMMANDS, in_a_sentence

if __name__ == "__main__":
    typer.run(in_a_sentence(COMMANDS["app"]))
