"""Where `parlour-satellite` and `python -m satellite` begin."""

import sys


def main(argv: list[str] | None = None) -> int:
    """Run the command line; see `satellite.command`. Interrupted before it runs, return 130."""
    try:
        # Imported here because most of the start is imports, and Ctrl-C may well come in them.
        from satellite.command import run_command

        return run_command(argv)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
