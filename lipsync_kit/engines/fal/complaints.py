"""What fal says when something went wrong, read into our errors.

Three shapes: a model's own complaint (``detail`` is a list with the field and a type), the
platform's (``detail`` is a sentence with an ``error_type``), and the account's (403).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lipsync_kit.engines.base import Outcome
from lipsync_kit.engines.fal.wire import Reply
from lipsync_kit.errors import AccountError, ContentRefused, LipsyncError, Rejected, RemoteFailure

HINTS = {
    "face_detection_error": "Use a portrait with one clearly visible, well-lit face.",
    "no_media_generated": "Change the portrait or the prompt, and render again.",
    "file_download_error": "Render again: the file is uploaded anew.",
    "file_too_large": "Prepare the project again with a smaller file.",
    "image_too_small": "Use a larger image.",
    "image_too_large": "Use a smaller image.",
    "image_load_error": "Export the image again as JPEG or PNG.",
    "audio_duration_too_long": "Prepare the project again with a smaller --max-chunk.",
    "audio_duration_too_short": "Prepare the project again with longer chunks.",
    "video_duration_too_long": "Prepare the project again with a smaller --max-chunk.",
    "video_duration_too_short": "Use a longer video.",
    "unsupported_audio_format": "Export the sound again as WAV or MP3.",
    "unsupported_image_format": "Export the image again as JPEG or PNG.",
    "unsupported_video_format": "Export the video again as MP4.",
    "request_timeout": "Run `lipsync-kit render` again: nothing was generated or billed.",
    "startup_timeout": "Run `lipsync-kit render` again: nothing was generated or billed.",
}
"""The way out, by fal's type of error."""

CONTENT = frozenset({"content_policy_violation", "partner_validation_failed"})
CANCELLED = frozenset({"client_cancelled", "client_disconnected"})
BALANCE_WORDS = ("balance", "locked", "exhausted", "payment", "credit")


@dataclass(frozen=True)
class Complaint:
    """One failure as fal tells it: its type, the input's name, the words, the numbers."""

    status: int
    kind: str = ""
    inputs: tuple[str, ...] = ()
    words: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    structured: bool = False

    @property
    def cancelled(self) -> bool:
        """Whether it only says that the job was cancelled."""
        return self.status == 499 or self.kind in CANCELLED

    @property
    def for_content(self) -> bool:
        """Whether the content itself was refused."""
        return self.kind in CONTENT or self.numbers.get("reason") in CONTENT

    @property
    def sentence(self) -> str:
        """What the service said, with the input, the numbers and its own type."""
        where = f"{', '.join(self.inputs)}: " if self.inputs else ""
        said = self.words or f"HTTP {self.status}"
        numbers = ", ".join(f"{name} {value}" for name, value in self.numbers.items())
        kind = f" [{self.kind}]" if self.kind else ""
        return f"{where}{said}{f' ({numbers})' if numbers else ''}{kind}"


def read_complaint(reply: Reply, told: Mapping[str, Any] | None = None) -> Complaint:
    """The complaint in a reply; ``told`` is a status document that named an error before."""
    document = reply.json()
    document = document if isinstance(document, dict) else {}
    told = told or {}
    kind = str(
        document.get("error_type")
        or reply.headers.get("x-fal-error-type")
        or told.get("error_type")
        or ""
    )
    detail = document.get("detail")
    structured = bool(kind) or isinstance(detail, list)
    if isinstance(detail, list) and detail:
        return _model_complaint(reply.status, [one for one in detail if isinstance(one, dict)])
    words = detail or document.get("error") or document.get("message") or told.get("error")
    return Complaint(reply.status, kind, (), _short(words or ""), structured=structured)


def _model_complaint(status: int, entries: list[dict[str, Any]]) -> Complaint:
    inputs: list[str] = []
    words: list[str] = []
    numbers: dict[str, Any] = {}
    for entry in entries:
        place = [str(part) for part in entry.get("loc") or () if part != "body"]
        if place:
            inputs.append(".".join(place))
        words.append(_short(entry.get("msg") or ""))
        context = entry.get("ctx")
        if isinstance(context, dict):
            numbers |= {str(name): _short(value) for name, value in context.items()}
    kind = str(entries[0].get("type") or "") if entries else ""
    said = "; ".join(filter(None, words))
    return Complaint(status, kind, tuple(inputs), said, numbers, structured=True)


def account_error(complaint: Complaint) -> AccountError:
    """401 and 403: the key, or the balance."""
    words = complaint.words.lower()
    if complaint.status == 403 and any(word in words for word in BALANCE_WORDS):
        return AccountError(
            f"fal has locked the account: {complaint.sentence}",
            code="balance",
            hint="Add funds at https://fal.ai/dashboard/billing; then run the command again.",
        )
    return AccountError(
        f"fal refused the key: {complaint.sentence}",
        code="key_refused",
        hint="Check FAL_KEY against https://fal.ai/dashboard/keys.",
    )


def rejection(complaint: Complaint) -> LipsyncError:
    """A POST that was clearly refused; nothing was accepted and nothing is billed."""
    if complaint.status in {401, 402, 403}:
        return account_error(complaint)
    if complaint.for_content:
        return ContentRefused(f"fal refused the content: {complaint.sentence}", **_data(complaint))
    if complaint.status == 429:
        return Rejected(
            f"fal takes no more requests just now: {complaint.sentence}",
            code="too_many_requests",
            hint="Wait a little, and run the command again.",
            **_data(complaint),
        )
    if complaint.status == 404:
        return Rejected(
            f"fal does not know the model: {complaint.sentence}",
            code="model_unknown",
            hint="See `lipsync-kit models`, and https://fal.ai/models.",
            **_data(complaint),
        )
    hint = HINTS.get(complaint.kind)
    return Rejected(f"fal refused the request: {complaint.sentence}", hint=hint, **_data(complaint))


def failed_outcome(complaint: Complaint) -> Outcome:
    """A job that ended without a clip.

    fal does not bill 5xx and may bill 422; a cancelled job that had begun may be billed too.
    """
    data = _data(complaint)
    maybe = complaint.status < 500 or complaint.cancelled
    if complaint.cancelled:
        error: LipsyncError = RemoteFailure(
            "the job was cancelled", code="cancelled", hint="Render again to do it.", **data
        )
    elif complaint.for_content:
        error = ContentRefused(f"fal refused the content: {complaint.sentence}", **data)
    else:
        error = RemoteFailure(
            f"fal could not make the clip: {complaint.sentence}",
            hint=HINTS.get(complaint.kind),
            **data,
        )
    return Outcome(
        error=error,
        charge="maybe" if maybe else "none",
        barred=complaint.for_content,
        cancelled=complaint.cancelled,
        stale=complaint.inputs if complaint.kind == "file_download_error" else (),
    )


def _data(complaint: Complaint) -> dict[str, Any]:
    return {
        "status": complaint.status,
        "type": complaint.kind,
        "inputs": list(complaint.inputs),
        "said": complaint.words,
        "numbers": dict(complaint.numbers),
    }


def _short(value: Any) -> Any:
    """Service text in one line of bearable length; numbers as they are."""
    if isinstance(value, int | float | bool):
        return value
    return " ".join(str(value).split())[:300]
