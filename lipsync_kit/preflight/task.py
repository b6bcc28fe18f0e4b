"""What each task prepares: talk, motion, dub."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.catalog import Model
from lipsync_kit.preflight.audio import Narration, SoundOptions, prepare_narration
from lipsync_kit.preflight.image import PreparedPortrait, prepare_portrait
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.schema import Audio, Chunk, Estimate, Finding, Image, Video

if TYPE_CHECKING:
    from lipsync_kit.preparing import Inputs, PrepOptions

TALK_RATE = Fraction(25)


@dataclass(frozen=True)
class Prepared:
    """The prepared files and the plan of any task.

    ``as_given``: inputs that are within all bounds and would be sent as they are.
    """

    fps: Fraction
    audio: Audio
    chunks: tuple[Chunk, ...]
    estimate: Estimate
    findings: tuple[Finding, ...]
    image: Image | None = None
    video: Video | None = None
    as_given: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Preparation:
    """One preparation: where, from what, how, for which model."""

    layout: Layout
    inputs: Inputs
    options: PrepOptions
    model: Model
    progress: Progress

    def __post_init__(self) -> None:
        self._sound  # noqa: B018  options that can't be are refused before any work

    @cached_property
    def _sound(self) -> SoundOptions:
        chosen = self.options
        return SoundOptions(
            resolution=chosen.resolution_of(self.model),
            lufs=chosen.lufs,
            level=chosen.level,
            max_chunk=chosen.max_chunk,
            denoise=chosen.denoise,
            deliver_sound=chosen.deliver_sound,
            skip_silence=chosen.skip_silence,
            prefer=chosen.prefer,
        )

    def talk(self) -> Prepared:
        """Portrait and narration."""
        portrait = self._portrait()
        fps = self.options.fps or TALK_RATE
        narration = self._narration(self.inputs.audio, fps)
        return Prepared(
            fps=fps,
            audio=narration.audio,
            chunks=narration.chunks,
            estimate=narration.estimate,
            findings=(*portrait.findings, *narration.findings),
            image=portrait.image,
        )

    def motion(self) -> Prepared:
        """Character and driving video."""
        from lipsync_kit.preflight.video import DrivingOptions, prepare_driving

        assert self.inputs.video is not None
        portrait = self._portrait()
        chosen = self.options
        driving = prepare_driving(
            self.inputs.video,
            layout=self.layout,
            fps=chosen.fps,
            model=self.model,
            options=DrivingOptions(
                chosen.trim, chosen.sound, chosen.max_chunk, chosen.resolution_of(self.model)
            ),
            progress=self.progress,
        )
        return Prepared(
            fps=driving.video.fps,
            audio=driving.audio,
            chunks=driving.chunks,
            estimate=driving.estimate,
            findings=(*portrait.findings, *driving.findings),
            image=portrait.image,
            video=driving.video,
            as_given=frozenset({"video"} if driving.as_given else ()),
        )

    def dub(self) -> Prepared:
        """Source video and new narration."""
        from lipsync_kit.preflight.video import examine, prepare_source

        assert self.inputs.video is not None
        reel = examine(self.inputs.video, self.model, self.options.fps)
        narration = self._narration(self._cut_to(reel.samples), reel.fps)
        source = prepare_source(
            reel,
            layout=self.layout,
            model=self.model,
            samples=narration.audio.samples,
            chunks=narration.chunks,
            fit=self.options.fit,
            progress=self.progress,
        )
        chunks = tuple(
            chunk.model_copy(
                update={
                    "video": self.layout.relative(self.layout.piece(chunk.index)),
                    "video_sha256": digest,
                }
            )
            for chunk, digest in zip(narration.chunks, source.pieces, strict=True)
        )
        return Prepared(
            fps=reel.fps,
            audio=narration.audio,
            chunks=chunks,
            estimate=narration.estimate,
            findings=(*source.findings, *narration.findings),
            video=source.video,
            as_given=frozenset({"video"} if source.as_given else ()),
        )

    def _portrait(self) -> PreparedPortrait:
        assert self.inputs.image is not None
        return prepare_portrait(
            self.inputs.image,
            layout=self.layout,
            limits=self.model.image,
            background=self.options.background,
            progress=self.progress,
        )

    def _narration(self, source: Path | None, fps: Fraction) -> Narration:
        assert source is not None
        return prepare_narration(
            source,
            layout=self.layout,
            fps=fps,
            model=self.model,
            options=self._sound,
            progress=self.progress,
        )

    def _cut_to(self, samples: int) -> Path | None:
        """The narration, ended with the video where ``--fit cut`` asks for it."""
        from lipsync_kit.media import ffmpeg
        from lipsync_kit.store import Store, atomic, digest_file, digest_json
        from lipsync_kit.timing import SAMPLE_RATE

        source = self.inputs.audio
        if self.options.fit != "cut" or source is None:
            return source
        key = digest_json(["sound.cut", digest_file(source), samples])
        cut = Store(self.layout.hidden / "sound").path(key, ".wav")
        if not cut.exists():
            sound = (
                ffmpeg.source(source)
                .audio.filter("aresample", SAMPLE_RATE)
                .filter("atrim", end_sample=samples)
            )
            with atomic(cut) as temporary:
                ffmpeg.run(sound.output(f"file:{temporary}", acodec="pcm_f32le"), str(source))
        return cut
