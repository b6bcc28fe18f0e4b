"""A film as headless Chromium shows it: frames after seeking, and frames while playing."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PAGE = """<!doctype html><meta charset=utf-8><video id=v muted playsinline preload=auto></video>
<script>
const ask = ASK, v = document.getElementById('v'), out = {seeks: [], played: [], error: null};
const grey = () => {
  const c = document.createElement('canvas'); c.width = v.videoWidth; c.height = v.videoHeight;
  const g = c.getContext('2d'); g.drawImage(v, 0, 0);
  const p = g.getImageData(0, 0, c.width, c.height).data, y = new Uint8Array(p.length / 4);
  for (let i = 0; i < y.length; i++)
    y[i] = 0.2126 * p[4*i] + 0.7152 * p[4*i+1] + 0.0722 * p[4*i+2] + 0.5;
  let s = ''; for (let i = 0; i < y.length; i += 8192)
    s += String.fromCharCode(...y.subarray(i, i + 8192));
  return {width: c.width, height: c.height, luma: btoa(s)};
};
const event = (name) => new Promise((done, fail) => {
  v.addEventListener(name, done, {once: true});
  v.addEventListener('error', () => fail(new Error('media error ' + (v.error && v.error.message))),
    {once: true});
});
const seek = async (t) => {
  const shown = new Promise(done => v.requestVideoFrameCallback((_, m) => done(m.mediaTime)));
  const done = event('seeked'); v.currentTime = t; await done;
  const time = await Promise.race([shown, new Promise(d => setTimeout(() => d(null), 2000))]);
  return {asked: t, time, ...grey()};
};
const play = async (from, to) => {
  await seek(from); const frames = [];
  const each = (_, m) => { frames.push({time: m.mediaTime, ...grey()});
    if (v.currentTime < to) v.requestVideoFrameCallback(each); };
  v.requestVideoFrameCallback(each); v.playbackRate = 0.5; await v.play();
  while (v.currentTime < to && !v.ended) await new Promise(d => setTimeout(d, 50));
  v.pause(); return frames;
};
(async () => {
  try {
    const loaded = event('loadeddata'); v.src = '/film.mp4'; await loaded;
    out.duration = v.duration;
    for (const t of ask.seeks) out.seeks.push(await seek(t));
    for (const [a, b] of ask.plays) out.played.push(await play(a, b));
    const data = await (await fetch('/film.mp4')).arrayBuffer();
    if (ask.sound) {
      const heard = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(data);
      out.samples = heard.length;
    }
  } catch (fault) { out.error = String(fault); }
  await fetch('/answer', {method: 'POST', body: JSON.stringify(out)});
})();
</script>"""


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


@dataclass(frozen=True)
class Seen:
    """A frame as the browser drew it. ``time``: seconds, its own media time."""

    time: float | None
    luma: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Viewing:
    duration: float
    seeks: list[Seen]
    played: list[list[Seen]]
    samples: int


class _Server(BaseHTTPRequestHandler):
    def __init__(self, *args: Any, page: bytes, film: Path, answers: list[Any]) -> None:
        self.page, self.film, self.answers = page, film, answers
        super().__init__(*args)

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        data = self.film.read_bytes() if self.path == "/film.mp4" else self.page
        kind = "video/mp4" if self.path == "/film.mp4" else "text/html"
        start, end, status = 0, len(data), 200
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            low, _, high = wanted[6:].partition("-")
            start, end, status = int(low), int(high) + 1 if high else len(data), 206
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        try:
            self.wfile.write(data[start:end])
        except (BrokenPipeError, ConnectionResetError):
            pass  # the browser has seen enough of this range

    def do_POST(self) -> None:
        self.answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()


def view(
    film: Path,
    folder: Path,
    seeks: Sequence[float],
    plays: Sequence[tuple[float, float]] = (),
    *,
    sound: bool = True,
) -> Viewing:
    """Open the film in headless Chromium, seek to each time, play each stretch."""
    program = find_chromium()
    assert program is not None
    ask = json.dumps({"seeks": list(seeks), "plays": list(plays), "sound": sound})
    answers: list[Any] = []
    page = PAGE.replace("ASK", ask).encode()
    handler = partial(_Server, page=page, film=film, answers=answers)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # type: ignore[arg-type]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio"]
        command += ["--autoplay-policy=no-user-gesture-required", "--no-first-run"]
        command += [f"--user-data-dir={folder / 'profile'}"]
        command += [f"http://127.0.0.1:{server.server_port}/"]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(1200):
                if answers or browser.poll() is not None:
                    break
                threading.Event().wait(0.1)
        finally:
            browser.terminate()
            browser.wait(timeout=20)
            server.shutdown()
    if not answers or answers[0]["error"]:
        raise AssertionError(f"Chromium: {answers[0]['error'] if answers else 'no answer'}")
    return _viewing(answers[0])


def _viewing(answer: dict[str, Any]) -> Viewing:
    return Viewing(
        duration=answer["duration"],
        seeks=[_seen(each) for each in answer["seeks"]],
        played=[[_seen(each) for each in stretch] for stretch in answer["played"]],
        samples=answer.get("samples", 0),
    )


def _seen(each: dict[str, Any]) -> Seen:
    luma = np.frombuffer(base64.b64decode(each["luma"]), np.uint8)
    return Seen(each["time"], luma.reshape(each["height"], each["width"]))
