"""Real JPEGs on demand, so that a demonstration has something to post."""

import io
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw

SIDE_LIMIT: Final = 2000  # pixels; larger ones would hold up the event loop


@lru_cache(maxsize=64)
def jpeg(width: int, height: int, seed: str) -> bytes:
    """A picture that looks different for every seed; sides of 1 to 2000 pixels."""
    ground, mark = colours_of(seed)
    picture = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((width // 4, height // 4, 3 * width // 4, 3 * height // 4), fill=mark)
    draw.text((8, 8), f"{width} x {height}  {seed}".encode("ascii", "replace").decode())
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return file.getvalue()


def colours_of(seed: str) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The ground and the mark of a picture, different for every seed."""
    number = sum(ord(letter) * 31**place for place, letter in enumerate(seed[:8]))
    red, green, blue = 80 + number % 150, 80 + number // 7 % 150, 80 + number // 49 % 150
    return (red, green, blue), (blue, red, green)
