"""A long narration over a bad line: all of it arrives, once, and cheaply."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.benchmarks.paying import careful

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="no CPU times of a single child"),
]


def test_a_hundred_and_twenty_chunks_with_one_get_in_twenty_failing(tmp_path: Path) -> None:
    made = careful(120, tmp_path)
    assert made.status == 0
    assert made.jobs == made.billed == 120
    assert made.cpu_ms <= 50
