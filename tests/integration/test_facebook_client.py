"""The Facebook client where one kind of post differs from another."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.ports import Container, Media
from tests.contracts.levers import FacebookPlatform
from tests.fakes.parts import MemoryParts


@pytest.mark.parametrize(
    ("pictures", "link", "kind"),
    [(0, True, "text"), (0, False, "text"), (1, False, "photo"), (3, False, "photos")],
)
async def test_list_tells_each_kind_by_what_is_attached(sandbox, pictures, link, kind):
    """Facebook lists several photos as one album, and a link's preview as an attachment."""
    async with FacebookPlatform.open(sandbox, kind=kind) as page:
        media = tuple(Media(sandbox.picture(seed=str(place))) for place in range(pictures))
        address = f"{sandbox.base_url}/healthz" if link else None
        post = replace(page.post("봄"), media=media, link=address)
        parts = MemoryParts()
        container = Container(await page.client.prepare(page.access(), post, parts), kind)
        await page.client.publish(page.access(), container, post)
        since = datetime.now(UTC) - timedelta(minutes=1)
        (listed,) = await page.client.list_posts(page.access(), kind, since)
    assert (listed.kind, listed.text) == (kind, "봄")
