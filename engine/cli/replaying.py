"""``sns sandbox replay``: people in the sandbox write what stands in a file."""

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT
from engine.cli.replay import Manners, Replayed, live_posts, read_texts, replay, sample_texts

LOOPBACK = ("127.0.0.1", "localhost", "::1")
app = typer.Typer(add_completion=False)
Share = Annotated[float, typer.Option(min=0, max=1)]


@app.command()
def main(
    file: Annotated[
        Path | None,
        typer.Argument(help="A .tsv or .tsv.gz with texts; without it, the project's own sample."),
    ] = None,
    rate: Annotated[float, typer.Option("--rate", min=0.1, help="Comments a second.")] = 20,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first so many.")
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", help="Only under posts of this account.")
    ] = None,
    post: Annotated[str | None, typer.Option("--post", help="Only under this post.")] = None,
    edits: Share = 0.05,
    deletions: Share = 0.05,
    replies: Share = 0.2,
    seed: Annotated[int, typer.Option("--seed", help="Who does what.")] = 1,
    data: DataOption = DEFAULT,
) -> None:
    """Play comments from a file through the sandbox as if people wrote them.

    They are spread over its live posts; some answer others, some are edited or deleted a few
    seconds later. The last line is JSON. Ctrl-C ends it, with the figures so far.
    """
    from rich.console import Console
    from rich.progress import Progress

    done = Replayed()
    try:
        texts = (sample_texts() if file is None else read_texts(file))[:limit]
        base_url = _sandbox_url(data)

        async def play(progress: Progress) -> None:
            bar = progress.add_task("comments", total=len(texts))
            async with httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=15) as client:
                await replay(
                    texts,
                    client=client,
                    posts=await live_posts(client, account=account, post=post),
                    rate=rate,
                    manners=Manners(edits, deletions, replies),
                    random=Random(seed),  # noqa: S311  # a play, no secret
                    so_far=done,
                    on_sent=lambda now: progress.update(bar, completed=now.sent),
                )

        with Progress(console=Console(stderr=True)) as progress:
            asyncio.run(play(progress))
    except CommandFailed as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from None
    except httpx.HTTPError as error:
        typer.secho(
            f"the sandbox does not answer ({type(error).__name__}); start it with `sns up`",
            err=True,
            fg="red",
        )
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print(json.dumps(done.listed()), flush=True)
        raise typer.Exit(130) from None
    print(json.dumps(done.listed()), flush=True)


def _sandbox_url(data: Path) -> str:
    """Where the sandbox is that the stack talks to.

    Raises:
        CommandFailed: it talks to no sandbox on this machine.
    """
    parts = urlsplit(configure(data).instagram_base_url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        raise CommandFailed(
            "this stack talks to real platforms; comments are replayed in a sandbox"
        )
    return f"{parts.scheme}://{parts.netloc}"
