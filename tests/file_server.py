"""A small HTTP server for one test: real sockets, and manners that a real server may have."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

BLOCK = 64 * 1024


@dataclass
class File:
    """What is served at one path.

    Attributes:
        content: the bytes, or a function of start and length, for files too large to make.
        size: needed with a function.
        knows_ranges: whether it gives parts.
        declared: a Content-Length that is a lie.
        cut_after: bytes of each body after which the connection breaks, while any are left here.
        stalls_after: bytes of a body after which nothing more comes.
        status: instead of the file.
        location: of a redirect.
    """

    content: bytes | Callable[[int, int], bytes] = b""
    size: int | None = None
    etag: str | None = None
    content_type: str = "application/octet-stream"
    knows_ranges: bool = True
    tells_size: bool = True
    declared: int | None = None
    cut_after: list[int] = field(default_factory=list)
    stalls_after: int | None = None
    status: int = 200
    location: str | None = None
    encoding: str | None = None

    @property
    def length(self) -> int:
        if isinstance(self.content, bytes):
            return len(self.content)
        assert self.size is not None
        return self.size

    def part(self, start: int, length: int) -> bytes:
        if isinstance(self.content, bytes):
            return self.content[start : start + length]
        return self.content(start, length)


@dataclass
class Request:
    path: str
    range: str | None


class FileServer:
    """Serves ``files`` by path and notes what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.requests: list[Request] = []
        self.sent_bytes = 0
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def put(
        self, path: str, content: bytes | Callable[[int, int], bytes], **manners: object
    ) -> str:
        file = File(content, **manners)  # type: ignore[arg-type]
        if isinstance(content, bytes) and file.etag is None:
            file.etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        self.files[path] = file
        return self.url(path)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FileServer"]:
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                request = Request(lines[0].split(" ")[1].partition("?")[0], headers.get("range"))
                self.requests.append(request)
                if not await self._answer(request, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may be used again."""
        file = self.files.get(request.path, File(status=404))
        status, start, end = file.status, 0, file.length
        headers = {"content-type": file.content_type}
        if file.etag:
            headers["etag"] = file.etag
        if file.location:
            headers["location"] = file.location
        if file.encoding:
            headers["content-encoding"] = file.encoding
        if request.range and file.knows_ranges and status == 200:
            first, _, last = request.range.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or end) + 1 if last else end, end)
            status = 206 if start < file.length else 416
            total = file.length
            headers["content-range"] = (
                f"bytes {start}-{end - 1}/{total}" if status == 206 else f"bytes */{total}"
            )
        length = max(end - start, 0) if status in (200, 206) else 0
        if file.tells_size:
            headers["content-length"] = str(length if file.declared is None else file.declared)
        else:
            headers["connection"] = "close"
        text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} Said\r\n{text}\r\n".encode())
        cut = file.cut_after.pop(0) if file.cut_after and length > 1 else None
        sent = 0
        while sent < length:
            if file.stalls_after is not None and sent >= file.stalls_after:
                await writer.drain()
                await asyncio.Event().wait()
            most = min(BLOCK, length - sent)
            if cut is not None:
                most = min(most, cut - sent)
            if file.stalls_after is not None:
                most = min(most, file.stalls_after - sent)
            writer.write(file.part(start + sent, most))
            await writer.drain()
            sent += most
            self.sent_bytes += most
            if sent == cut:
                return False
        await writer.drain()
        return file.tells_size
