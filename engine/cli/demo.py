"""``sns demo``: the promise, kept before your eyes, in a folder that is gone afterwards."""

import asyncio
import json
import shutil
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.cli.up import Interrupts, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.cli.demo_posts import PlannedPost
    from engine.cli.demo_report import Appearance
    from engine.cli.killing import Victim
    from engine.cli.launch import Stack

LEAD_S = 8.0  # time to prepare what is due first
DEADLINE_S = 150.0
STRAGGLERS_S = 1.5  # a double would come late
LOOK_EVERY_S = 0.25
SWEEP_S = 2  # what takes an hour elsewhere is shown within the demo: edits and late approvals
KILL_AFTER_DUE_S = 0.010  # the platform answers after 20 ms, so a request is on its way
BY_ITSELF: "Victim" = "edge"
"""Killed when nothing else is asked for: what everyone sees every day is a lost connection."""


def demo(
    posts: Annotated[int, typer.Option("--posts", min=1, help="How many posts.")] = 30,
    over: Annotated[
        int, typer.Option("--over", min=1, metavar="SECONDS", help="Due within this time.")
    ] = 20,
    kill: Annotated[
        Literal["critical", "scheduler", "edge", "valkey", "postgres"] | None,
        typer.Option(
            "--kill", help="Kill this with -9 while posts are being sent, instead of the edge."
        ),
    ] = None,
    json_only: Annotated[
        bool, typer.Option("--json-only", help="No table, no progress: the last line only.")
    ] = False,
) -> None:
    """Schedule posts, publish them on the second, collect what people say, and watch it all.

    Meanwhile 300 comments are written on the platforms, some edited or deleted, and have to be in
    the inbox and before two operators' eyes once; tokens of all platforms are renewed or checked.
    Starts a whole stack in a throw-away folder on free ports and ends it again: under 60 seconds,
    up to 3 minutes with --kill. The last line is JSON; the exit code is 1 when anything is missing.
    """
    from engine.cli.demo_report import faults, summary
    from engine.cli.folder import Folder
    from engine.cli.launch import launched
    from engine.cli.ports import Ports

    tell = (lambda _: None) if json_only else say
    tell(
        f"{posts} posts over {over} s on a stack of its own; "
        + f"{kill or BY_ITSELF} is killed on the way: "
        + ("under 60 s" if kill is None else "up to 3 minutes")
    )
    root = Path(tempfile.mkdtemp(prefix="sns-demo-"))
    is_good = False
    interrupts = Interrupts()
    try:
        with launched(
            Folder.at(root),
            Ports.free(),
            say=tell,
            wanted={"SNS_COMMENT_SWEEP_S": str(SWEEP_S)},
            at_once=interrupts.is_second,
        ) as stack:
            one = Demo(stack, posts=posts, over_s=over, victim=kill or BY_ITSELF, quiet=json_only)
            found, events = asyncio.run(one.run())
            said = faults(found, events, killed=kill) + one.side.faults()
            is_good = not said
            if not json_only:
                _print_table(found)
            for line in said:
                typer.secho(line, err=True, fg="red")
        edges_killed = int((kill or BY_ITSELF) == "edge" and one.has_killed)
        result = summary(found, events, killed=kill, edges_killed=edges_killed)
        result |= {"ok": is_good, **one.side.listed()}
        print(json.dumps(result, separators=(",", ":")), flush=True)
    except KeyboardInterrupt:
        is_good = True  # nothing went wrong: somebody has seen enough
        raise typer.Exit(130) from None
    finally:
        interrupts.restore()
        if is_good or not any((root / "logs").glob("*")):  # without a log there is nothing to see
            shutil.rmtree(root, ignore_errors=True)
        else:
            say(f"the folder is kept; the logs are in {root / 'logs'}")
    if not is_good:
        raise typer.Exit(1)


class Demo:
    """One run on a stack that is up."""

    def __init__(
        self, stack: "Stack", *, posts: int, over_s: int, victim: "Victim", quiet: bool
    ) -> None:
        self._stack = stack
        self._posts = posts
        self._over_s = over_s
        self._victim = victim
        self._quiet = quiet
        self._events: list[dict[str, Any]] = []
        self.has_killed = False
        from engine.cli.demo_side import SideShow

        self.side = SideShow(stack, self._events)

    async def run(self) -> "tuple[list[Appearance], list[dict[str, Any]]]":
        """Plan, watch, kill, and wait until all is seen or the deadline has passed."""
        from engine.cli.demo_posts import author_id, next_whole_second, plan_posts
        from engine.cli.token import mint
        from engine.cli.watcher import Watcher
        from engine.settings import Settings

        database_url = self._stack.database_url
        author = await asyncio.to_thread(author_id, database_url)
        watcher = Watcher(
            self._stack.edge_url.replace("http", "ws", 1),
            mint(Settings.load(self._stack.settings), author, ["operator"], ()),
            self._events.append,
        )
        tasks = [asyncio.create_task(watcher.run())]
        try:
            async with asyncio.timeout(10):
                await watcher.connected.wait()
            planned = await asyncio.to_thread(
                plan_posts,
                database_url,
                count=self._posts,
                over_s=self._over_s,
                first_at=next_whole_second(LEAD_S),
                sandbox_url=self._stack.sandbox_url,
            )
            tasks.append(asyncio.create_task(self._kill(self._victim, planned)))
            beside = asyncio.create_task(self.side.run())
            tasks.append(beside)
            found = await self._wait(planned)
            await beside
            return found, self._events
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _kill(self, victim: "Victim", planned: "Sequence[PlannedPost]") -> None:
        from engine.cli.killing import kill

        middle = planned[len(planned) // 2].planned_at + timedelta(seconds=KILL_AFTER_DUE_S)
        await asyncio.sleep((middle - datetime.now(UTC)).total_seconds())
        pid = kill(self._stack.supervisor, victim)
        self.has_killed = True
        if not self._quiet:
            say(f"killed {victim} (process {pid}) with -9")

    async def _wait(self, planned: "Sequence[PlannedPost]") -> "list[Appearance]":
        import httpx
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        from engine.cli.demo_report import appearances, faults

        deadline = time.monotonic() + DEADLINE_S
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        found: list[Appearance] = []
        with Progress(*columns, console=Console(stderr=True), disable=self._quiet) as progress:
            public_bar = progress.add_task("live on the platform", total=len(planned))
            seen_bar = progress.add_task("seen by their author", total=len(planned))
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                is_complete = False
                while True:
                    await asyncio.sleep(STRAGGLERS_S if is_complete else LOOK_EVERY_S)
                    with suppress(httpx.HTTPError):
                        answer = await client.get(f"{self._stack.sandbox_url}/sandbox/truth")
                        found = appearances(planned, answer.json()["posts"], self._events)
                    ids = {event.get("content_id") for event in self._events}
                    seen = sum(1 for post in planned if post.content_id in ids)
                    progress.update(public_bar, completed=sum(1 for one in found if one.times))
                    progress.update(seen_bar, completed=seen)
                    if is_complete or time.monotonic() > deadline:
                        return found
                    # Also with a --kill that may cost events, they are waited for.
                    is_complete = seen == len(planned) and not faults(
                        found, self._events, killed=self._victim
                    )


def _print_table(found: "Sequence[Appearance]") -> None:
    from rich.table import Table

    from engine.cli.seoul import SEOUL, clock, precise_clock
    from engine.cli.terminal import table_console

    table = Table(title="Times in Asia/Seoul; the first byte is the platform's own measurement")
    table.add_column("post", justify="right")
    table.add_column("kind")
    table.add_column("planned")
    table.add_column("first byte sent")
    table.add_column("lateness", justify="right")
    table.add_column("link", overflow="fold")
    for one in found:
        arrived = None if one.arrived_at is None else datetime.fromtimestamp(one.arrived_at, SEOUL)
        table.add_row(
            str(one.post.content_id),
            f"{one.post.platform} {one.post.kind}",
            clock(one.post.planned_at),
            "–" if arrived is None else precise_clock(arrived),
            "–" if one.lateness_ms is None else f"{one.lateness_ms:.1f} ms",
            one.link or "–",
        )
    table_console().print(table)
