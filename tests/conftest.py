"""What every test shares: fast tests run first, and nothing reads the user's own settings."""

from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(autouse=True)
def _a_user_without_settings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home", numbered=True)
    for name, folder in (("XDG_CONFIG_HOME", "config"), ("LIPSYNC_CACHE_DIR", "cache")):
        monkeypatch.setenv(name, str(home / folder))
    for name in ("FAL_KEY", "LIPSYNC_ENGINE", "LIPSYNC_MAX_COST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def portrait() -> Path:
    """The shipped portrait: a real face, 512 x 512."""
    return FIXTURES / "portrait.png"


@pytest.fixture(scope="session")
def narration() -> Path:
    """The shipped narration: 96 s of speech, 24 kHz mono MP3."""
    return FIXTURES / "narration.mp3"
