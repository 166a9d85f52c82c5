"""Real MP4s on demand, and what a video that came is."""

import io
import math
import tempfile
from array import array
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

import av

SIDE_LIMIT: Final = 1920  # pixels
SECONDS_LIMIT: Final = 30
FPS: Final = 24
SAMPLE_RATE: Final = 44_100
SAMPLES: Final = 1024  # in one frame of AAC


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a platform looks at."""

    codec: str
    audio_codec: str | None
    width: int
    height: int
    duration_s: float
    fps: float


@lru_cache(maxsize=32)
def mp4(width: int, height: int, seed: str, seconds: int) -> bytes:
    """A film with sound, H.264 and AAC, its index in front; different for every seed.

    Blocks for a moment: call it from a thread.
    """
    number = sum(ord(letter) * 31**place for place, letter in enumerate(seed[:8]))
    # By name: to put the index in front, FFmpeg reads again what it wrote.
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        _write(file.name, width, height, number, seconds)
        return file.read()


def _write(path: str, width: int, height: int, number: int, seconds: int) -> None:
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for index in range(FPS * seconds):
            picture = av.VideoFrame(width, height, "yuv420p")
            # A wandering shade of grey on a colour of its own.
            shades = (40 + (number * 37 + index) % 180, 60 + number % 120, 60 + number // 7 % 120)
            for plane, shade in zip(picture.planes, shades, strict=True):
                plane.update(bytes([shade]) * plane.buffer_size)
            picture.pts, picture.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(picture))
        container.mux(video.encode())
        for start in range(0, SAMPLE_RATE * seconds, SAMPLES):
            sound = av.AudioFrame(format="fltp", layout="mono", samples=SAMPLES)
            angle = 2 * math.pi * (220 + number % 220) / SAMPLE_RATE
            tone = array("f", (0.1 * math.sin(angle * (start + at)) for at in range(SAMPLES)))
            sound.planes[0].update(tone.tobytes())
            sound.sample_rate, sound.pts = SAMPLE_RATE, start
            sound.time_base = Fraction(1, SAMPLE_RATE)
            container.mux(audio.encode(sound))
        container.mux(audio.encode())


def inspect(body: bytes) -> VideoFacts | None:
    """What the bytes are, or None when they are no film. Blocks: call it from a thread."""
    try:
        with av.open(io.BytesIO(body), "r") as container:
            video = container.streams.video[0]
            sound = container.streams.audio[0] if container.streams.audio else None
            return VideoFacts(
                codec=video.codec_context.name,
                audio_codec=None if sound is None else sound.codec_context.name,
                width=video.codec_context.width,
                height=video.codec_context.height,
                duration_s=(container.duration or 0) / av.time_base,
                fps=float(video.average_rate or 0),
            )
    except (av.FFmpegError, IndexError, ValueError):
        return None
