"""What the package exports: every promised name, and nothing heavy until it is used."""

import subprocess
import sys

import pytest

import lipsync_kit


@pytest.mark.parametrize("name", [name for name in lipsync_kit.__all__ if name != "__version__"])
def test_every_public_name_is_callable_and_documented(name: str) -> None:
    public = getattr(lipsync_kit, name)
    assert callable(public)
    assert public.__doc__


def test_functions_stay_functions_after_their_rooms_were_imported() -> None:
    from lipsync_kit import Inputs, prep, render

    assert Inputs.__name__ == "Inputs"
    assert prep.__name__ == "prep"
    assert render.__name__ == "render"


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, lipsync_kit.cli; "
        "print([name for name in ('numpy', 'cv2', 'av', 'pydantic', 'httpx', 'typing') "
        "if name in sys.modules])"
    )
    command = [sys.executable, "-S", "-c", code]
    folder = lipsync_kit.__path__[0] + "/.."
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    assert done.stdout.strip() == "[]"
