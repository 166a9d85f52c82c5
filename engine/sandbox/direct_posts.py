"""Live posts made without publishing, for tests and measurements of what comes after."""

from engine.sandbox.instructions import BadInstruction
from engine.sandbox.page_objects import PagePost
from engine.sandbox.state import Account, PublicPost, SeenRequest, World, shortcode_of
from engine.sandbox.youtube_metadata import completed_status
from engine.sandbox.youtube_state import Video


def show_post(world: World, account: Account, platform: str, text: str, at: float) -> str:
    """Make one post that everybody sees; gives its id.

    Raises:
        BadInstruction: there is no such platform.
    """
    number = world.number()
    if platform == "facebook":
        thing = PagePost(
            number=number,
            id=f"{account.id}_{number}",
            account=account,
            created_at=at,
            arrived_at=at,
            request_id="",
            text=text,
            kind="text",
        )
        world.page_objects[thing.id] = thing
        thing.appear(world, at)
        return thing.id
    if platform == "youtube":
        return _video(world, account, text, at, number)
    if platform not in ("instagram", "threads"):
        raise BadInstruction(f"there is no platform {platform!r}")
    post = PublicPost(
        number=number,
        id=f"180{number:014d}",
        account=account,
        container_id="",
        caption=text,
        alt_text=None,
        image_url="",
        shortcode=shortcode_of(number),
        posted_at=at,
        arrived_at=at,
        request_id="",
        platform=platform,
        kind="text" if platform == "threads" else "image",
    )
    world.keep(post)
    return post.id


def _video(world: World, account: Account, text: str, at: float, number: int) -> str:
    video = Video(
        id=f"v{number:010d}",
        number=number,
        account=account,
        snippet={"title": text[:100] or "동영상", "description": text, "categoryId": "22"},
        status=completed_status({"privacyStatus": "public"}),
        size=0,
        sha256="",
        file_name="",
        created_at=at,
        last_said_by=SeenRequest("", "POST", "", "", account.id, at),
    )
    world.youtube.videos[video.id] = video
    world.youtube.show(world, video, posted_at=at)
    return video.id
