"""People in the sandbox write what stands in a file."""

from random import Random

import httpx

from engine.cli.replay import Manners, live_posts, replay, sample_texts
from tests.running_sandbox import RunningSandbox


async def test_what_is_played_is_what_the_platforms_know(sandbox: RunningSandbox) -> None:
    for number, platform in enumerate(("instagram", "facebook", "threads", "youtube")):
        sandbox.add_account(f"7{number}")
        sandbox.ask("POST", "/sandbox/posts", {"account": f"7{number}", "platform": platform})
    texts = sample_texts()[:80]
    async with httpx.AsyncClient(base_url=sandbox.base_url, trust_env=False) as client:
        done = await replay(
            texts,
            client=client,
            posts=await live_posts(client),
            rate=400,
            manners=Manners(edits=0.2, deletions=0.1, replies=0.3),
            random=Random(5),
        )
    known = sandbox.ask("GET", "/sandbox/comments")["comments"]
    assert [one["text"].removesuffix(" (수정)") for one in known] == texts
    assert done.sent == len(known) == 80
    assert done.replies == sum(one["parent"] is not None for one in known) > 0
    assert done.deleted == sum(one["is_deleted"] for one in known) > 0
    assert done.edited == sum(one["edited_at"] is not None for one in known) > 0
    assert not [one for one in known if one["edited_at"] and one["platform"] == "instagram"]
