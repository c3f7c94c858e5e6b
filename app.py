"""Start the app: `python app.py`, or a Hugging Face Space."""

import argparse
import os
import sys
from pathlib import Path

from skin.errors import UserError
from skin.ui import server, shell
from skin.ui.access import access_of, check_address, port_of, trust_proxies_of_a_space
from skin.workspace import Workspace


def main() -> None:
    """Read the flags, build the page and serve it until it is stopped."""
    flags = _parser().parse_args()
    check_address(flags.host, flags.port)
    workspace = Workspace.locate(flags.home)
    server.keep_uploads_in(workspace.uploads)
    access = access_of(flags.read_only, flags.share, os.environ, flags.host)
    trust_proxies_of_a_space()
    blocks = shell.build(workspace, access.read_only)
    settings = shell.launch_settings(access, workspace.uploads)
    blocks.launch(server_name=flags.host, server_port=flags.port, share=flags.share, **settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--host",
        help="address to listen on (default: this machine only); read-only without SKIN_AUTH where others reach it",
    )
    parser.add_argument("--port", type=port_of, help="port to listen on (default: the first free one from 7860)")
    parser.add_argument("--share", action="store_true", help="also serve a public link; read-only without SKIN_AUTH")
    parser.add_argument("--read-only", action="store_true", help="no training, no deletion, no paths of this machine")
    parser.add_argument("--home", type=Path, help="folder for runs and caches (default: SKIN_HOME, or this folder)")
    return parser


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
