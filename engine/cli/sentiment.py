"""``sns sentiment``: what comments feel like, offline, one JSON line each."""

import itertools
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from engine.cli.faults import CommandFailed

BATCH_LIMIT: Final = 64
"""Lines that are read together, if so many are there; none is waited for."""


def sentiment(
    file: Annotated[
        str, typer.Argument(metavar="[FILE|-]", help="한 줄에 댓글 하나(UTF-8). -는 표준 입력.")
    ] = "-",
    model: Annotated[
        str,
        typer.Option(
            "--model",
            envvar="SNS_SENTIMENT_MODEL",
            help="모델 폴더나 이름. 비우면 함께 제공되는 작은 모델을 씁니다.",
        ),
    ] = "",
) -> None:
    """댓글의 감정을 읽어 줄마다 JSON으로 출력합니다. 인터넷 연결 없이 동작합니다.

    출력은 입력과 같은 순서로 {"text", "sentiment", "score"} 한 줄씩입니다. sentiment는 positive,
    neutral, negative 중 하나이고, score는 -1(부정)부터 1(긍정)까지입니다. 입력이 들어오는 대로
    출력하므로 다른 명령과 파이프로 이을 수 있고, Ctrl-C로 끝냅니다.

    예: echo "배송 빨라요ㅎㅎ" | sns sentiment
    """
    from dotenv import dotenv_values

    from engine.ai.sentiment import load_sentiment
    from engine.errors import BootFailed

    # Not all settings: this needs neither secrets nor servers.
    named = model or dotenv_values(".env").get("SNS_SENTIMENT_MODEL") or ""
    lines = _lines_of(file)
    try:
        loaded = load_sentiment(named)
    except BootFailed as error:
        raise CommandFailed(str(error)) from error
    import orjson

    try:
        for batch in batches(lines):
            for text, reading in zip(batch, loaded.read_now(batch), strict=True):
                shown = {"text": text, "sentiment": reading.sentiment, "score": reading.score}
                sys.stdout.buffer.write(orjson.dumps(shown) + b"\n")
            sys.stdout.buffer.flush()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115  # or the exit flushes into it
        raise typer.Exit(0) from None


def _lines_of(file: str) -> Iterator[str]:
    if file == "-":
        source: Iterable[bytes] = sys.stdin.buffer
    else:
        try:
            source = Path(file).open("rb")  # noqa: SIM115  # until the process ends
        except OSError as error:
            raise CommandFailed(f"{file} 파일을 읽을 수 없습니다: {error.strerror}") from error
    return (line.decode("utf-8", "replace").rstrip("\r\n") for line in source)


def batches(lines: Iterator[str]) -> Iterator[list[str]]:
    """Give what is there, up to the limit, as soon as anything is.

    A thread reads ahead, so that a slow input is answered line by line and a fast one in batches.
    """
    ahead: queue.Queue[str | None] = queue.Queue(maxsize=4 * BATCH_LIMIT)

    def read() -> None:
        for line in lines:
            ahead.put(line)
        ahead.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (first := ahead.get()) is not None:
        batch = [first]
        for _ in itertools.repeat(None, BATCH_LIMIT - 1):
            try:
                line = ahead.get_nowait()
            except queue.Empty:
                break
            if line is None:
                yield batch
                return
            batch.append(line)
        yield batch
