"""What a plan says of its resolution and its price."""

from __future__ import annotations

from pathlib import Path

import pytest

from lipsync_kit.catalog import catalog
from lipsync_kit.errors import UsageError
from lipsync_kit.oneshot import _name
from lipsync_kit.preparing import Inputs, PrepOptions, prep
from lipsync_kit.rendering import RenderOptions

FABRIC = "veed/fabric-1.0"
UNPRICED = "bytedance/omnihuman/v2"


@pytest.fixture(scope="module")
def inputs(portrait: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    import numpy as np
    import soundfile

    path = tmp_path_factory.mktemp("inputs") / "tone.wav"
    rng = np.random.default_rng(1)
    soundfile.write(path, 0.1 * rng.standard_normal(4 * 24_000), 24_000)
    return Inputs(image=portrait, audio=path)


class TestResolution:
    def test_nobody_asked_for_one(self, inputs: Inputs, tmp_path: Path) -> None:
        project = prep(tmp_path, inputs, PrepOptions(model=FABRIC))
        assert project.resolution == "720p"
        (finding,) = [one for one in project.findings if one.code == "resolution"]
        assert "does not offer 1080p" in finding.message
        assert finding.severity == "info"

    def test_one_that_was_asked_for_is_not_replaced(self, inputs: Inputs, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="does not offer 1080p"):
            prep(tmp_path, inputs, PrepOptions(model=FABRIC, resolution="1080p"))

    def test_the_default(self) -> None:
        for model in catalog().values():
            chosen = PrepOptions().resolution_of(model)
            assert chosen == ("1080p" if {"1080p", "any"} & set(model.resolutions) else "720p")

    def test_a_default_spelt_out_is_the_same_one_shot(self, inputs: Inputs) -> None:
        model = catalog()["fal-ai/bytedance/omnihuman/v1.5"]
        spelt = PrepOptions(model=model.id, resolution="1080p")
        names = {_name(inputs, model, one, RenderOptions()) for one in (PrepOptions(), spelt)}
        assert len(names) == 1
        other = _name(inputs, model, PrepOptions(resolution="720p"), RenderOptions())
        assert other not in names


def test_an_unknown_price_is_no_zero(inputs: Inputs, tmp_path: Path) -> None:
    project = prep(tmp_path, inputs, PrepOptions(model=UNPRICED))
    assert project.estimate.usd is None
    assert project.estimate.billed_seconds == 4
    (finding,) = [one for one in project.findings if one.code == "price_unknown"]
    assert UNPRICED in finding.message
