"""Real MP4s on demand, and what a video that came is."""

import io
import math
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Final

import av
from PIL import Image, ImageDraw

from engine.sandbox.pictures import colours_of

FPS: Final = 24
SOUND_HZ: Final = 44_100
SIDE_LIMIT: Final = 2000  # pixels
SECONDS_LIMIT: Final = 1000.0
# Without these, the file would tell when and by which build it was made.
BITEXACT: Final = {"fflags": "+bitexact", "movflags": "faststart"}
CODEC: Final = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "crf": "32",
    "g": "48",
    "threads": "1",
    "x264-params": "sliced-threads=0",
}


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
def mp4(width: int, height: int, seed: str, seconds: float) -> bytes:
    """H.264 and AAC, the same bytes for the same wishes. Takes tens of milliseconds: in a thread.

    Args:
        width: pixels, made even.
        height: pixels, made even.
        seed: gives the colours.
        seconds: length, up to 1000.
    """
    width, height = max(16, width // 2 * 2), max(16, height // 2 * 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.mp4")  # moving the index to the front needs a real file
        with av.open(str(path), "w", options=BITEXACT) as made:
            _write(made, width, height, seed, min(seconds, SECONDS_LIMIT))
        return path.read_bytes()


def _write(
    made: av.container.OutputContainer, width: int, height: int, seed: str, seconds: float
) -> None:
    pictures = made.add_stream("libx264", rate=FPS, options=CODEC)
    pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
    pictures.codec_context.flags |= av.codec.context.Flags.bitexact
    sound = made.add_stream("aac", rate=SOUND_HZ, layout="mono")
    sound.codec_context.flags |= av.codec.context.Flags.bitexact
    ground, mark = colours_of(seed)
    for number in range(max(1, round(seconds * FPS))):
        # A second at a time the mark stands still, which the codec writes in next to nothing.
        if number % FPS == 0:
            frame = av.VideoFrame.from_image(
                _picture(width, height, ground, mark, number // FPS)
            ).reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        made.mux(pictures.encode(frame))
    made.mux(pictures.encode(None))
    for number in range(math.ceil(seconds * SOUND_HZ / 1024)):
        silence = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        silence.sample_rate = SOUND_HZ
        silence.pts, silence.time_base = number * 1024, Fraction(1, SOUND_HZ)
        made.mux(sound.encode(silence))
    made.mux(sound.encode(None))


def _picture(
    width: int,
    height: int,
    ground: tuple[int, int, int],
    mark: tuple[int, int, int],
    second: int,
) -> Image.Image:
    picture = Image.new("RGB", (width, height), ground)
    left = width * (second % 8) // 8
    ImageDraw.Draw(picture).rectangle((left, height // 4, left + width // 8, height // 2), mark)
    return picture


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
