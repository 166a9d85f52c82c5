"""How late 200 publishes due at one instant reach the platform, through the adapter alone.

``python -m tests.benchmarks.publish_burst [--rounds 5]`` prints, for 20 accounts with one post at a
time and for all 200 at once, the lateness of the request's first byte at the sandbox (which answers
after 20 ms), and what both processes spent.
"""

import argparse
import asyncio
import resource
import time
from pathlib import Path

from engine.ports import AccountAccess, Media, Post
from models.accounts import AccessToken
from tests.fakes.parts import prepared
from tests.instagram import instagram_client
from tests.running_sandbox import RunningSandbox

ACCOUNTS = 20
POSTS_EACH = 10
ANSWER_MS = 20
TICKS_PER_S = 100


async def burst(sandbox: RunningSandbox, *, one_at_a_time: bool) -> list[float]:
    """Lateness of every publish in milliseconds, sorted."""
    sandbox.reset(fetch_media=False, container_ready_s=0)
    client = instagram_client(sandbox.graph_url)
    accounts = [
        AccountAccess(str(number), AccessToken(sandbox.token(str(number))))
        for number in range(1, ACCOUNTS + 1)
    ]
    post = Post("동시에", (Media(sandbox.picture()),))
    containers = [
        (access, await prepared(client, access, post))
        for access in accounts
        for _ in range(POSTS_EACH)
    ]
    sandbox.switch(answer_ms=ANSWER_MS)
    await client.warm_up()
    due = time.time() + 0.3
    await asyncio.sleep(due - time.time())
    if one_at_a_time:

        async def in_turn(access: AccountAccess) -> None:
            for owner, container in containers:
                if owner is access:
                    await client.publish(access, container, post)

        await asyncio.gather(*(in_turn(access) for access in accounts))
    else:
        await asyncio.gather(*(client.publish(*publishing) for publishing in containers))
    await client.close()
    return sorted(1000 * (seen["arrived_at"] - due) for seen in sandbox.requests(call="publish"))


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with RunningSandbox() as sandbox:
        for one_at_a_time in (True, False):
            for _ in range(rounds):
                ours = resource.getrusage(resource.RUSAGE_SELF).ru_utime
                theirs = cpu_s(sandbox.pid)
                late = asyncio.run(burst(sandbox, one_at_a_time=one_at_a_time))
                ours = resource.getrusage(resource.RUSAGE_SELF).ru_utime - ours
                theirs = cpu_s(sandbox.pid) - theirs
                shape = "one per account" if one_at_a_time else "all at once"
                print(
                    f"{shape:>16}: p50 {late[len(late) // 2]:6.1f} ms"
                    f"  p99 {late[int(len(late) * 0.99) - 1]:6.1f} ms  n={len(late)}"
                    f"  CPU {ours:.2f} s here, {theirs:.2f} s sandbox"
                    f"  platform_answer_ms={ANSWER_MS}"
                )


if __name__ == "__main__":
    main()
