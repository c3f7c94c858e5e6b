"""`python -m skin`: the command line of `skin.cli`."""

import sys

from skin.cli.main import app

if __name__ == "__main__":
    sys.exit(app())
