"""``python -m lipsync_kit``: the same as the ``lipsync-kit`` command."""

from lipsync_kit.cli import main

if __name__ == "__main__":
    main()
