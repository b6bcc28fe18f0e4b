"""The small network that hears which mouth makes a sound.

A non-causal convolution over ±160 ms of band levels, 50,000 weights, trained on synthetic
speech whose phonemes are known (``fixtures/mouth_model``). Numpy runs it at some 0.2 % of
real time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.speech_bands import BANDS, Floats
from lipsync_kit.engines.preview.speech_level import Bands, Reference

INPUTS = BANDS + 1
OUTPUTS = ("opening", "width", "closure", "speech")
LAYERS = ((5, 1), (3, 2), (3, 4), (3, 8))
"""Taps and dilation, in steps, of the convolutions."""

MARGIN = sum((taps - 1) // 2 * dilation for taps, dilation in LAYERS)
"""Steps that an output looks to either side."""

STEPS_AT_ONCE = 3000


def inputs(bands: Bands, heard: Reference, part: slice) -> Floats:
    """What the network sees of the steps in ``part``: shape (steps, 41).

    Levels relative to the film's average spectrum, so that a microphone's colour and a
    codec's cut-off vanish, and the level relative to loud speech nearby.
    """
    relative = bands[part].astype(np.float32) - heard.spectrum
    loudness = (heard.levels[part] - heard.loud[part])[:, None]
    return np.concatenate(
        [np.clip(relative, -45, 25) / 15, np.clip(loudness, -45, 15) / 15], axis=1
    )


@dataclass(frozen=True)
class MouthModel:
    """Weights: ``kernels[i]`` of shape (taps · inputs, outputs), ``biases[i]`` of (outputs,)."""

    kernels: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def __call__(self, seen: Floats) -> Floats:
        """Run over inputs of shape (steps, 41), edges repeated; returns (steps, 4), see OUTPUTS.

        Opening and width are as they are (about 0…1 and −1…1), the others probabilities.
        """
        padded = np.pad(seen, ((MARGIN, MARGIN), (0, 0)), mode="edge")
        active = padded
        for number, (taps, dilation) in enumerate(LAYERS):
            steps = len(active) - (taps - 1) * dilation
            windows = [active[k * dilation : k * dilation + steps] for k in range(taps)]
            mixed = np.concatenate(windows, axis=1) @ self.kernels[number] + self.biases[number]
            np.maximum(mixed, 0, out=mixed)
            # From the second layer on, each refines what came in.
            active = mixed if number == 0 else mixed + windows[taps // 2]
        result = active @ self.kernels[-1] + self.biases[-1]
        result[:, 2:] = 1 / (1 + np.exp(-np.clip(result[:, 2:], -30, 30)))
        return np.asarray(result, np.float32)

    def follow(self, bands: Bands, heard: Reference) -> Floats:
        """Run over a whole film in bounded memory; shape (steps, 4)."""
        result = np.empty((len(bands), len(OUTPUTS)), np.float32)
        for first in range(0, len(bands), STEPS_AT_ONCE):
            last = min(first + STEPS_AT_ONCE, len(bands))
            lead = min(first, MARGIN)
            seen = inputs(bands, heard, slice(first - lead, last + MARGIN))
            result[first:last] = self(seen)[lead : lead + last - first]
        return result

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.float16]]) -> MouthModel:
        """Read the arrays ``kernel0``, ``bias0``, … of a weights file."""
        count = len(LAYERS) + 1
        return cls(
            tuple(arrays[f"kernel{k}"].astype(np.float32) for k in range(count)),
            tuple(arrays[f"bias{k}"].astype(np.float32) for k in range(count)),
        )


@lru_cache(maxsize=1)
def mouth_model() -> MouthModel:
    """The network that ships with the package."""
    with (
        (files("lipsync_kit.engines.preview") / "mouth_model.npz").open("rb") as file,
        np.load(file) as arrays,
    ):
        return MouthModel.from_arrays(arrays)
