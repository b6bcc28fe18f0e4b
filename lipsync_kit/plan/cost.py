"""What a plan costs: billed seconds, money, seams."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lipsync_kit.catalog import Billing, Model, total
from lipsync_kit.plan.grid import Samples
from lipsync_kit.schema import Chunk, Estimate
from lipsync_kit.timing import SAMPLE_RATE


def billed_seconds(sent: Samples, billing: Billing) -> Samples:
    """:meth:`.Billing.seconds` of every element of ``sent`` (samples)."""
    unit = billing.unit * SAMPLE_RATE
    return np.maximum(billing.minimum, -(-sent // unit) * billing.unit)


def estimate(chunks: Sequence[Chunk], model: Model, resolution: str) -> Estimate:
    """What rendering ``chunks`` is expected to cost: each sent piece rounded up on its own."""
    sent = [chunk.sent_end - chunk.sent_start for chunk in chunks if chunk.kind == "talk"]
    seconds = [model.billing.seconds(samples) for samples in sent]
    return estimate_pieces(seconds, max(0, len(chunks) - 1), model, resolution)


def estimate_pieces(seconds: Sequence[int], seams: int, model: Model, resolution: str) -> Estimate:
    """What pieces of so many billed ``seconds`` are expected to cost."""
    usd = total(map(model.tier(resolution).usd, seconds))
    return Estimate(
        billed_seconds=sum(seconds),
        usd=None if usd is None else round(float(usd), 4),
        model=model.id,
        chunks=len(seconds),
        seams=seams,
    )


def longest_sent(model: Model, resolution: str, fps: Fraction) -> int | None:
    """The most samples that may be sent in one request, a frame to spare; ``None``: no limit."""
    tier = model.tier(resolution)
    seconds = [tier.max_seconds, model.video.max_seconds if model.task == "dub" else None]
    if model.frame_count is not None:
        seconds.append(Fraction(model.frame_count.maximum) / model.frame_count.fps)
    if model.max_audio_bytes is not None:
        # 16-bit mono behind a WAV header.
        seconds.append(Fraction((model.max_audio_bytes - 44) // 2, SAMPLE_RATE))
    known = [limit for limit in seconds if limit is not None]
    if not known:
        return None
    return int((min(known) - 1 / fps) * SAMPLE_RATE)
