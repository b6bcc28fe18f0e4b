"""Settings: their order, their sources, and the key that is never shown."""

from fractions import Fraction
from pathlib import Path

import pytest

from lipsync_kit.defaults import prep_table
from lipsync_kit.errors import InputError
from lipsync_kit.settings import Settings, load_settings, parse_env, settings_path


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("LIPSYNC_ENGINE", "LIPSYNC_MAX_COST", "LIPSYNC_FFMPEG", "FAL_KEY"):
        monkeypatch.delenv(name, raising=False)


def load(tmp_path: Path, **flags: object) -> Settings:
    return load_settings(flags, tmp_path)


def write_settings(text: str) -> Path:
    path = settings_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(tmp_path).values["max_cost"].source == "default"
    path = write_settings("max_cost = 3")
    assert load(tmp_path).values["max_cost"].source == str(path)
    (tmp_path / ".env").write_text("LIPSYNC_MAX_COST=4\n")
    assert load(tmp_path).values["max_cost"].source == ".env"
    monkeypatch.setenv("LIPSYNC_MAX_COST", "5")
    assert load(tmp_path).values["max_cost"].source == "environment"
    setting = load(tmp_path, max_cost="6").values["max_cost"]
    assert (setting.value, setting.source) == ("6", "flag")


def test_a_dot_env_file_is_data_and_nothing_in_it_runs(tmp_path: Path) -> None:
    text = "export A='one two'\nB=\"$(touch ran)\"\n# C=3\nD=4 # four\nE=`touch ran`\nnonsense\n"
    values = parse_env(text)
    assert values == {"A": "one two", "B": "$(touch ran)", "D": "4", "E": "`touch ran`"}
    assert not (tmp_path / "ran").exists()


def test_the_key_is_found_but_never_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FAL_KEY=very:secret\n")
    settings = load(tmp_path)
    assert settings.key == "very:secret"
    assert settings.key_source == ".env"
    assert "secret" not in repr(settings)
    assert "secret" not in str(settings)


def test_a_key_in_the_settings_file_is_refused(tmp_path: Path) -> None:
    write_settings('fal_key = "very:secret"')
    with pytest.raises(InputError, match="fal_key") as caught:
        load(tmp_path)
    assert "environment" in caught.value.hint
    assert "very:secret" not in str(caught.value.to_dict())


@pytest.mark.parametrize(
    "text",
    [
        "engine = [",
        'engine = "other"',
        'max_cost = "much"',
        "max_cost = true",
        "cache_dir = [1]",
        "prep = 3",
        "models = 3",
        "x = 1",
    ],
)
def test_settings_that_are_not_valid_are_refused(tmp_path: Path, text: str) -> None:
    write_settings(text)
    with pytest.raises(InputError):
        load(tmp_path)


class TestPrepTable:
    def test_values_come_as_their_flags_give_them(self, tmp_path: Path) -> None:
        write_settings(
            "[prep]\nresolution = '720p'\nlufs = -18\nmax_chunk = 12.5\nturbo = true\n"
            "trim = false\nfps = 30\nbackground = '00FF00'\n"
        )
        assert prep_table(load(tmp_path)) == {
            "resolution": "720p",
            "lufs": -18.0,
            "max_chunk": Fraction("12.5"),
            "turbo": True,
            "trim": False,
            "fps": "30",
            "background": "#00ff00",
        }

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("resolution", "'480p'"),
            ("lufs", "'loud'"),
            ("lufs", "-99"),
            ("max_chunk", "'x'"),
            ("max_chunk", "-3"),
            ("max_chunk", "true"),
            ("turbo", "'yes'"),
            ("trim", "3"),
            ("fps", "26"),
            ("denoise", "'maybe'"),
            ("fit", "'x'"),
            ("background", "'red'"),
            ("prompt", "['a']"),
            ("volume", "3"),
        ],
    )
    def test_what_a_flag_refuses_is_refused(self, tmp_path: Path, name: str, value: str) -> None:
        path = write_settings(f"[prep]\n{name} = {value}\n")
        with pytest.raises(InputError, match=name) as caught:
            prep_table(load(tmp_path))
        assert str(path) in caught.value.message


@pytest.mark.parametrize("amount", ["-1", "nan", "inf", "ten"])
def test_a_cap_must_be_an_amount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, amount: str
) -> None:
    monkeypatch.setenv("LIPSYNC_MAX_COST", amount)
    with pytest.raises(InputError, match="LIPSYNC_MAX_COST"):
        load(tmp_path)
