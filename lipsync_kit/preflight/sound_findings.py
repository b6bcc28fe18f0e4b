"""What is wrong with a recording, in words and numbers, and what helps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lipsync_kit.plan.pauses import Pause, speech_and_floor
from lipsync_kit.preflight.denoise import OTHERS, Cleaned
from lipsync_kit.preflight.loudness import integrated
from lipsync_kit.preflight.sound import PreparedSound
from lipsync_kit.preflight.sound_hearing import Hearing
from lipsync_kit.preflight.sound_level import OFFSET_HEARD
from lipsync_kit.preflight.sound_noise import Noise, estimate_noise, fall_rate
from lipsync_kit.schema import Finding

_CLIPPED = 1e-4  # share of all samples; a syllable now and then is not heard
_CLIPPED_SECONDS = 0.02
_NOISY = 20.0  # dB of voice over noise
_RUMBLE = 10.0
_MUSIC = 1.5  # tones at once that nothing but music has
_DYING = 5.0  # dB by which what is left in the rests varies when it is the voice, ringing on
_ROOM = 95.0  # dB a second: a room of 0.7 s or so
_ENOUGH = 600  # levels, of 10 ms
_LOSSY_CLAIM = 2.0  # container durations lie by up to this many seconds


@dataclass(frozen=True)
class Heard:
    """All that findings are made from."""

    hearing: Hearing
    cleaned: Cleaned
    pauses: Sequence[Pause]
    noise: Noise


def spoken_share(hearing: Hearing) -> float:
    """The share of the time in which somebody speaks, by the voice detector."""
    return float(np.mean(hearing.speech > 0.5))


def _clipping(heard: Heard) -> Finding | None:
    hearing = heard.hearing
    count, rate = hearing.clipped, hearing.sample_rate
    share = count / (hearing.seconds * rate * hearing.channels)
    if share < _CLIPPED and count < _CLIPPED_SECONDS * rate:
        return None
    return Finding(
        code="clipping",
        severity="warning",
        message=f"The sound is clipped: {count} samples in flattened peaks.",
        hint="Record or export it again at a lower level; distortion makes mouths flutter.",
        data={"samples": count, "share": share},
    )


def _offset(heard: Heard) -> Finding | None:
    offset = float(np.abs(heard.hearing.offset).max())
    if offset < OFFSET_HEARD:
        return None
    return Finding(
        code="dc_offset",
        severity="info",
        message=f"The sound had a DC offset of {offset:.3f} of full scale; it was taken out.",
        hint="Usually a fault of the sound card; nothing more is needed here.",
        data={"offset": offset},
    )


def _correlation(hearing: Hearing) -> float | None:
    if hearing.channels == 1:
        return None
    means = hearing.offset
    power = hearing.power - means**2
    if power.min() <= 1e-12:
        return None
    return float((hearing.cross - means[0] * means[1]) / math.sqrt(power[0] * power[1]))


def _antiphase(heard: Heard) -> Finding | None:
    correlation = _correlation(heard.hearing)
    if correlation is None or correlation > -0.5:
        return None
    return Finding(
        code="antiphase",
        severity="warning",
        message=f"Left and right are in antiphase (correlation {correlation:.2f}): "
        "on one loudspeaker the sound vanishes.",
        hint="Turn the polarity of one channel round. The chunks use one channel alone.",
        data={"correlation": correlation},
    )


def _one_sided(heard: Heard) -> Finding | None:
    hearing = heard.hearing
    if hearing.channels == 1:
        return None
    levels = [integrated(hearing.energies[[channel]]) for channel in range(2)]
    if abs(levels[0] - levels[1]) < 12:
        return None
    side = "left" if hearing.best == 0 else "right"
    return Finding(
        code="one_sided",
        severity="info",
        message=f"Nearly all of the sound is on the {side} channel.",
        hint="Export it as mono if that is not meant.",
        data={"best": hearing.best},
    )


def _low_rate(heard: Heard) -> Finding | None:
    rate = heard.hearing.sample_rate
    if rate >= 16_000:
        return None
    return Finding(
        code="low_sample_rate",
        severity="warning",
        message=f"The sound has {rate} samples per second: telephone quality.",
        hint="Use the original recording; s and f can't be seen on the lips without it.",
        data={"sample_rate": rate},
    )


def _channels(heard: Heard) -> Finding | None:
    count = heard.hearing.source_channels
    if count <= 2:
        return None
    return Finding(
        code="mixed_down",
        severity="info",
        message=f"The sound's {count} channels were mixed down to stereo.",
        data={"channels": count},
    )


def _noise(heard: Heard) -> Finding | None:
    noise, cleaned = heard.noise, heard.cleaned
    if _plays(heard) or _rings_for(heard) is not None:
        return None  # that is what is under the voice, then
    data = {
        "snr_db": round(noise.voice, 1),
        "snr_db_with_rumble": round(noise.whole, 1),
        "varies_db": round(noise.steady, 2),
    }
    if noise.voice >= _NOISY:
        if noise.whole >= _RUMBLE:
            return None
        return Finding(
            code="rumble",
            severity="info",
            message=f"Rumble below 100 Hz is only about {noise.whole:.0f} dB under the voice.",
            hint="It moves no lips, but it is heard: a low cut at 80 Hz takes it out.",
            data=data,
        )
    others = noise.steady > OTHERS and noise.voice < 15
    what = "other voices" if others else "the noise"
    return Finding(
        code="babble" if others else "noisy",
        severity="warning" if noise.voice < 10 and not cleaned.model else "info",
        message=f"The voice is only about {noise.voice:.0f} dB above {what}.",
        hint="Record closer to the microphone, away from others: lips also follow what is not "
        "the voice, and pauses are hard to find.",
        data=data,
    )


def _plays(heard: Heard) -> bool:
    noise = heard.noise
    return heard.hearing.tones >= _MUSIC and noise.voice < 35 and noise.steady < _DYING


def _music(heard: Heard) -> Finding | None:
    if not _plays(heard):
        return None
    return Finding(
        code="music",
        severity="warning",
        message=f"Music plays under the speech, about {heard.noise.voice:.0f} dB below it "
        f"({heard.hearing.tones:.0f} tones in the pauses).",
        hint="Pass the voice without music, and mix the music in afterwards: the mouth also "
        "moves to music, and cuts in music are heard.",
        data={"tones": round(heard.hearing.tones, 1), "snr_db": round(heard.noise.voice, 1)},
    )


def _rings_for(heard: Heard) -> float | None:
    """How long the room rings on, in seconds, if it is heard."""
    levels, noise = heard.hearing.levels, heard.noise
    # Noise hides how the voice dies away; a dying voice is no noise, but varies as none does.
    hidden = noise.voice < 22 and not (noise.voice >= 12 and noise.steady > _DYING)
    if hidden or len(levels) < _ENOUGH:
        return None
    speech, floor = speech_and_floor(levels)
    rate = fall_rate(levels, floor, speech)
    return None if rate is None or rate > _ROOM else 60 / rate


def _reverberation(heard: Heard) -> Finding | None:
    seconds = _rings_for(heard)
    if seconds is None:
        return None
    return Finding(
        code="reverberant",
        severity="info",
        message=f"The room rings on for about {seconds:.1f} s.",
        hint="Record closer to the microphone or in a furnished room: in reverberation the "
        "mouth closes late, and pauses are shorter.",
        data={"reverberation_seconds": round(seconds, 2)},
    )


def _denoised(heard: Heard) -> Finding | None:
    cleaned = heard.cleaned
    if not cleaned.touched:
        return None
    done = [f"hum at {cleaned.hum[0]:.0f} Hz and its overtones taken out"] if cleaned.hum else []
    done += ["noise lowered by DeepFilterNet"] if cleaned.model else []
    return Finding(
        code="denoised",
        severity="info",
        message=f"Cleaned: {', '.join(done)}; voice over noise {cleaned.before:.0f} → "
        f"{cleaned.after:.0f} dB.",
        hint="--denoise off keeps the recording as it is; --deliver-sound original keeps it "
        "in the film only.",
        data={
            "hum_hz": [round(line, 2) for line in cleaned.hum],
            "model": cleaned.model,
            "snr_db_before": cleaned.before,
            "snr_db_after": cleaned.after,
        },
    )


def _speech(heard: Heard) -> Finding | None:
    share = spoken_share(heard.hearing)
    if share >= 0.02:
        return None
    return Finding(
        code="no_speech",
        severity="warning",
        message=f"Hardly any speech was heard ({share:.1%} of the time).",
        hint="Check that this is the narration: music or noise makes no talking mouth.",
        data={"share": share},
    )


def _truncated(heard: Heard) -> Finding | None:
    hearing = heard.hearing
    missing = hearing.claimed - hearing.seconds
    if not hearing.damaged and missing <= max(_LOSSY_CLAIM, 0.02 * hearing.claimed):
        return None
    parts = []
    if hearing.damaged:
        parts.append(f"{hearing.damaged} packets could not be decoded")
    if missing > _LOSSY_CLAIM:
        parts.append(f"{missing:.1f} s of {hearing.claimed:.1f} s are missing")
    return Finding(
        code="truncated",
        severity="warning",
        message=f"The sound file is damaged or cut off: {' and '.join(parts)}.",
        hint="Download or export it again.",
        data={"damaged": hearing.damaged, "missing_seconds": round(missing, 2)},
    )


def _gaps(heard: Heard) -> Finding | None:
    filled = heard.hearing.filled
    if not filled:
        return None
    seconds = filled / heard.hearing.sample_rate
    return Finding(
        code="gaps_filled",
        severity="info",
        message=f"The video's sound has gaps: {seconds:.2f} s of silence were put in, "
        "so that it stays in time with the picture.",
        data={"seconds": round(seconds, 3)},
    )


def _few_pauses(heard: Heard) -> Finding | None:
    seconds = heard.hearing.seconds
    long = [pause for pause in heard.pauses if pause.seconds >= 0.2]
    if seconds < 30 or len(long) * 10 >= seconds:
        return None
    return Finding(
        code="few_pauses",
        severity="info",
        message=f"Only {len(long)} pauses of 0.2 s or more in {seconds:.0f} s.",
        hint="Cuts may fall close to words; a slower reading gives better seams.",
        data={"pauses": len(long)},
    )


_CHECKS: tuple[Callable[[Heard], Finding | None], ...] = (
    _truncated, _gaps, _channels, _low_rate, _clipping, _offset, _antiphase,
    _one_sided, _speech, _noise, _music,
    _reverberation, _denoised, _few_pauses,
)  # fmt: skip


def findings(sound: PreparedSound, pauses: Sequence[Pause]) -> list[Finding]:
    """Everything worth saying about a recording but for its loudness."""
    hearing = sound.hearing
    noise = estimate_noise(hearing.bands, hearing.speech)
    heard = Heard(hearing, sound.cleaned, pauses, noise)
    found = [check(heard) for check in _CHECKS]
    return [finding for finding in found if finding is not None]
