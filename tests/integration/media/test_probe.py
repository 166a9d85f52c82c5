"""What files are, read over real sockets by the real decoders."""

import asyncio
import struct
import zlib
from pathlib import Path

import psutil
import pytest

from engine.errors import MediaTooLarge, MediaUnreachable, MediaUnreadable
from engine.media import probe as probe_module
from engine.media.probe import REMEMBERED_S, Prober
from engine.media.source import HttpMediaSource
from tests.file_server import FileServer
from tests.media_files import picture, video, with_gap, with_index_first

pytestmark = pytest.mark.integration

VIDEO = video()
TURNED_TAG = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)  # orientation 6: stored lying on its side
EXIF_TURNED = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + TURNED_TAG + bytes(4)


def decoders() -> set[int]:
    """The ids of this process's decoders."""
    children = psutil.Process().children()
    return {child.pid for child in children if any("decoder.py" in w for w in child.cmdline())}


async def test_picture_is_known_by_its_bytes(server: FileServer, prober: Prober) -> None:
    for name in ("JPEG", "PNG", "WEBP", "TIFF"):
        body = picture(name)
        facts = await prober.probe(server.put("/a.mp4", body, content_type="video/mp4"))
        assert (facts.kind, facts.format) == ("image", name.lower())
        assert (facts.width, facts.height, facts.size_bytes) == (640, 480, len(body))
        assert facts.duration_s is None


async def test_picture_is_measured_as_it_is_seen(server: FileServer, prober: Prober) -> None:
    facts = await prober.probe(server.put("/a.jpg", picture(exif=EXIF_TURNED)))
    assert (facts.width, facts.height, facts.rotation) == (480, 640, 90)
    assert facts.aspect == 0.75


async def test_colour_profile_is_named(server: FileServer, prober: Prober) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    facts = await prober.probe(server.put("/a.jpg", picture(icc_profile=profile)))
    assert facts.color == "srgb"


@pytest.mark.parametrize("knows_ranges", [True, False])
async def test_video_is_known_with_its_sound(
    server: FileServer, prober: Prober, knows_ranges: bool
) -> None:
    facts = await prober.probe(server.put("/a.jpg", VIDEO, knows_ranges=knows_ranges))
    assert (facts.kind, facts.format, facts.codec) == ("video", "mp4", "h264")
    assert (facts.width, facts.height, facts.fps) == (320, 240, 30.0)
    assert (facts.audio_codec, facts.audio_sample_rate, facts.audio_channels) == ("aac", 44_100, 2)
    assert facts.duration_s == pytest.approx(1.0, abs=0.1)
    assert facts.bit_rate == pytest.approx(len(VIDEO) * 8, rel=0.1)
    assert facts.size_bytes == len(VIDEO)


@pytest.mark.parametrize(
    ("container", "codec", "expected"),
    [
        ("mov", "libx264", ("mov", "h264")),
        ("webm", "libvpx-vp9", ("webm", "vp9")),
        ("matroska", "libx264", ("matroska", "h264")),
        ("avi", "mpeg4", ("avi", "mpeg4")),
    ],
)
async def test_container_and_codec_are_told_apart(
    server: FileServer, prober: Prober, container: str, codec: str, expected: tuple[str, str]
) -> None:
    body = video(container=container, codec=codec, sound_hz=None, frames=10)
    facts = await prober.probe(server.put("/a", body))
    assert (facts.format, facts.codec) == expected
    assert facts.audio_codec is None


async def test_index_at_the_end_of_2_gib_costs_a_few_megabytes(
    server: FileServer, prober: Prober
) -> None:
    before, gap, index = with_gap(VIDEO, 2 * 1024**3)
    size = len(before) + gap + len(index)

    def content(start: int, length: int) -> bytes:
        end = start + length
        parts = [
            before[start:end],
            bytes(max(min(end, len(before) + gap) - max(start, len(before)), 0)),
            index[max(start - len(before) - gap, 0) : max(end - len(before) - gap, 0)],
        ]
        return b"".join(parts)

    facts = await prober.probe(server.put("/large.mp4", content, size=size, etag='"1"'))
    assert (facts.size_bytes, facts.codec, facts.width) == (size, "h264", 320)
    assert server.sent_bytes < 5 * 1024 * 1024


def bomb() -> bytes:
    """A PNG of 50,000 × 50,000 pixels in a few hundred bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


PLAY_LIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(bomb(), "too_many_pixels", id="bomb"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"<!doctype html><title>Log in</title>", "web_page", id="page"),
        pytest.param(b"\x00\x00\x00\x18ftypheic" + bytes(100), "heic", id="heic"),
        pytest.param(picture()[:500], "broken", id="cut-picture"),
        pytest.param(picture("PNG")[:200] + bytes(100), "broken", id="broken-picture"),
        pytest.param(VIDEO[: len(VIDEO) // 2], "broken", id="video-without-index"),
        pytest.param(PLAY_LIST, "broken", id="play-list"),
        pytest.param(b"\xff\xd8\xff" + bytes(5000), "broken", id="only-a-magic-number"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n" * 20, "broken", id="postscript"),
    ],
)
async def test_what_cannot_be_read_is_told_by_its_reason(
    server: FileServer, prober: Prober, body: bytes, code: str
) -> None:
    with pytest.raises(MediaUnreadable) as caught:
        await prober.probe(server.put("/a", body))
    assert caught.value.code == code


async def test_video_whose_end_was_lost_is_unreadable(
    server: FileServer, prober: Prober, tmp_path: Path
) -> None:
    body = with_index_first(VIDEO, tmp_path / "a.mp4")
    assert (await prober.probe(server.put("/whole.mp4", body))).codec == "h264"
    with pytest.raises(MediaUnreadable) as caught:
        await prober.probe(server.put("/cut.mp4", body[:-50]))
    assert caught.value.code == "cut_short"


async def test_decoder_that_crashes_harms_only_itself(
    server: FileServer, prober: Prober, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    crashing = tmp_path / "crashing.py"
    crashing.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    url = server.put("/a.jpg", picture())
    monkeypatch.setattr(probe_module.decoder, "__file__", str(crashing))
    with pytest.raises(MediaUnreadable) as caught:
        await prober.probe(url)
    assert caught.value.code == "crashed"


async def test_decoder_that_hangs_is_killed(
    server: FileServer, source: HttpMediaSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hanging, mark = tmp_path / "hanging.py", tmp_path / "pid"
    hanging.write_text(
        f"import os, signal; open({str(mark)!r}, 'w').write(str(os.getpid())); signal.pause()"
    )
    url = server.put("/a.jpg", picture())
    monkeypatch.setattr(probe_module.decoder, "__file__", str(hanging))
    with pytest.raises(MediaUnreadable) as caught:
        await Prober(source, deadline_s=1.0).probe(url)
    assert caught.value.code == "slow"
    assert not psutil.pid_exists(int(mark.read_text()))


async def test_decoder_sees_no_secret_of_the_worker(
    server: FileServer, prober: Prober, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    spying = tmp_path / "spying.py"
    spying.write_text(f"import os; open({str(told)!r}, 'w').write(repr(dict(os.environ)))")
    monkeypatch.setenv("SNS_TOKEN_KEYS", "the-secret-key")
    url = server.put("/a.jpg", picture())
    monkeypatch.setattr(probe_module.decoder, "__file__", str(spying))
    with pytest.raises(MediaUnreadable):
        await prober.probe(url)
    assert "PATH" in told.read_text()
    assert "the-secret-key" not in told.read_text()


async def test_pictures_share_a_process_until_a_video_or_fault_ends_it(
    server: FileServer, prober: Prober
) -> None:
    pids = []
    for number in range(3):
        await prober.probe(server.put(f"/{number}.jpg", picture(size=(10 + number, 10))))
        pids.append(decoders())
    assert len(pids[0]) == 1
    assert pids[0] == pids[1] == pids[2]
    await prober.probe(server.put("/a.mp4", VIDEO))
    assert decoders() == set()
    await prober.probe(server.put("/b.jpg", picture()))
    with pytest.raises(MediaUnreadable):
        await prober.probe(server.put("/c.jpg", picture()[:300]))
    assert decoders() == set()


async def test_waiting_process_that_was_killed_says_nothing_against_the_next_picture(
    server: FileServer, prober: Prober
) -> None:
    await prober.probe(server.put("/a.jpg", picture()))
    (pid,) = decoders()
    psutil.Process(pid).kill()
    facts = await prober.probe(server.put("/b.jpg", picture(size=(30, 20))))
    assert (facts.width, facts.height) == (30, 20)


async def test_process_reads_a_bounded_number_of_pictures(
    server: FileServer, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_module, "PICTURES_EACH", 2)
    await prober.probe(server.put("/a.jpg", picture()))
    assert len(decoders()) == 1
    await prober.probe(server.put("/b.jpg", picture()))
    assert decoders() == set()


async def test_server_that_stalls_says_nothing_against_the_file(
    server: FileServer, prober: Prober
) -> None:
    url = server.put("/a.mp4", VIDEO, stalls_after=1000)
    with pytest.raises(MediaUnreachable) as caught:
        await prober.probe(url)
    assert caught.value.is_retryable


async def test_large_file_without_ranges_is_not_put_on_disk(
    server: FileServer, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_module, "DOWNLOAD_LIMIT", 1000)
    with pytest.raises(MediaTooLarge):
        await prober.probe(server.put("/a.mp4", VIDEO, knows_ranges=False))


async def test_file_that_must_be_read_without_end_is_given_up(
    server: FileServer, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_module, "READ_LIMIT", 0)
    with pytest.raises(MediaUnreadable):
        await prober.probe(server.put("/a.mp4", VIDEO))


async def test_facts_are_remembered_until_the_file_changes(
    server: FileServer, prober: Prober
) -> None:
    url = server.put("/a.jpg", picture())
    first = await prober.probe(url)
    sent = server.sent_bytes
    assert await prober.probe(url) == first
    assert server.sent_bytes <= sent + 1
    server.put("/a.jpg", picture(size=(100, 50)))
    assert (await prober.probe(url)).width == 100


async def test_facts_are_forgotten_after_their_time(
    server: FileServer, source: HttpMediaSource
) -> None:
    now = 0.0
    prober = Prober(source, monotonic=lambda: now)
    body = picture()
    url = server.put("/a.jpg", body)
    await prober.probe(url)
    now = REMEMBERED_S + 1
    sent = server.sent_bytes
    await prober.probe(url)
    assert server.sent_bytes >= sent + len(body)
    now += REMEMBERED_S - 1
    sent = server.sent_bytes
    await prober.probe(url)
    assert server.sent_bytes <= sent + 1
    await prober.close()


async def test_memory_of_facts_is_bounded(
    server: FileServer, prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_module, "REMEMBERED", 2)
    for number in range(3):
        await prober.probe(server.put(f"/{number}.jpg", picture(size=(10, 10))))
    assert len(prober._known) == 2


async def test_probing_is_cancelled_with_its_process(
    server: FileServer, source: HttpMediaSource
) -> None:
    url = server.put("/a.mp4", VIDEO, stalls_after=2)
    patient = HttpMediaSource(allow_private=True)
    task = asyncio.create_task(Prober(patient).probe(url))
    async with asyncio.timeout(5):
        while len(server.requests) < 2:  # the decoder has asked for its first bytes
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert decoders() == set()
    await patient.close()
