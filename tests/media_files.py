"""Real pictures and videos, made on the spot."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from PIL import Image

SAMPLES_PER_FRAME = 1024  # of AAC


def picture(format_: str = "JPEG", size: tuple[int, int] = (640, 480), **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (90, 120, 200)).save(file, format_, **options)
    return file.getvalue()


def video(
    *,
    container: str = "mp4",
    codec: str = "libx264",
    size: tuple[int, int] = (320, 240),
    frames: int = 30,
    fps: int = 30,
    sound_hz: int | None = 44_100,
) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        sound = output.add_stream("aac", rate=sound_hz) if sound_hz else None
        shown = VideoFrame.from_image(Image.new("RGB", size, (200, 40, 90)))
        for number in range(frames):
            shown.pts = number
            output.mux(stream.encode(shown))
        output.mux(stream.encode(None))
        if sound is not None and sound_hz:
            for number in range(frames * sound_hz // fps // SAMPLES_PER_FRAME):
                silence = AudioFrame(format="fltp", layout="stereo", samples=SAMPLES_PER_FRAME)
                for plane in silence.planes:
                    plane.update(bytes(plane.buffer_size))
                silence.sample_rate = sound_hz
                silence.pts = number * SAMPLES_PER_FRAME
                output.mux(sound.encode(silence))
            output.mux(sound.encode(None))
    return file.getvalue()


def with_index_first(video_bytes: bytes, path: Path) -> bytes:
    """The picture of a video as a file for the web, made at ``path``: the muxer reads it back."""
    options = {"movflags": "faststart"}
    with (
        av.open(io.BytesIO(video_bytes)) as source,
        av.open(str(path), "w", format="mp4", container_options=options) as output,
    ):
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    return path.read_bytes()


def with_gap(video_bytes: bytes, gap_bytes: int) -> tuple[bytes, int, bytes]:
    """A video whose index stands behind ``gap_bytes`` of nothing: what is before, gap, index."""
    at = video_bytes.rindex(b"moov") - 4
    header = (gap_bytes).to_bytes(4, "big") + b"free"
    return video_bytes[:at] + header, gap_bytes - 8, video_bytes[at:]
