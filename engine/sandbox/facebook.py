"""Facebook Pages: which path means which call.

Sources, read 2026-11-25: the generated parameters and fields of PyPI facebook-business 26.0.3,
https://developers.facebook.com/docs/pages-api/posts and
https://developers.facebook.com/docs/video-api/guides/reels-publishing.
"""

from typing import Final

from engine.sandbox import facebook_comments
from engine.sandbox.facebook_comments import create_comment, list_comments
from engine.sandbox.facebook_posts import PagePosts
from engine.sandbox.facebook_videos import PageVideos
from engine.sandbox.graph import Call
from engine.sandbox.listing import is_true
from engine.sandbox.media import MediaChecker
from engine.sandbox.page_objects import PagePost, Photo, Video
from engine.sandbox.parameters import Parameters
from engine.sandbox.state import PageObject, World

PAGES: Final = "pages"


class Facebook:
    """The calls of Pages and of what is on them."""

    def __init__(self, checker: MediaChecker) -> None:
        posts, videos = PagePosts(checker), PageVideos(checker)
        self._of_page = {
            ("POST", "feed"): Call("create_post", posts.create, True, PAGES, _post_name),
            ("POST", "photos"): Call("create_photo", posts.create_photo, True, PAGES, _photo_name),
            ("POST", "videos"): Call("create_video", videos.create, True, PAGES, _video_name),
            ("POST", "video_reels"): Call("create_reel", videos.reel, True, PAGES, _reel_name),
            ("GET", "feed"): Call("list_posts", posts.list_public, True, PAGES),
            ("GET", "posts"): Call("list_posts", posts.list_public, True, PAGES),
            ("GET", "published_posts"): Call("list_posts", posts.list_public, True, PAGES),
            ("GET", "scheduled_posts"): Call("list_scheduled", posts.list_scheduled, True, PAGES),
            ("GET", "photos"): Call("list_photos", posts.list_photos, True, PAGES),
            ("GET", "videos"): Call("list_videos", videos.list_videos, True, PAGES),
            ("GET", "video_reels"): Call("list_reels", videos.list_reels, True, PAGES),
        }
        self._of_object = {
            ("POST", "comments"): Call("create_comment", create_comment, False, PAGES),
            ("GET", "comments"): Call("list_comments", list_comments, False, PAGES),
            ("POST", "video-upload"): Call("upload", videos.upload, False, PAGES),
            ("GET", "video-upload"): Call("read_upload", videos.read_upload, False, PAGES),
        }
        self._of_comment = {
            ("POST", "comments"): ("create_reply", facebook_comments.create_reply),
            ("GET", "comments"): ("list_replies", facebook_comments.list_replies),
            ("GET", ""): ("read_comment", facebook_comments.read_comment),
            ("POST", ""): ("hide_comment", facebook_comments.hide_comment),
            ("DELETE", ""): ("delete_comment", facebook_comments.delete_comment),
        }
        self._of_kind = {
            (PagePost, "GET"): Call("read_post", posts.read, False, PAGES),
            (PagePost, "POST"): Call("update_post", posts.update, False, PAGES, _update_name),
            (PagePost, "DELETE"): Call("delete_post", posts.delete, False, PAGES),
            (Photo, "GET"): Call("read_photo", posts.read_photo, False, PAGES),
            (Photo, "DELETE"): Call("delete_photo", posts.delete, False, PAGES),
            (Video, "GET"): Call("read_video", videos.read, False, PAGES),
            (Video, "POST"): Call("update_video", videos.update, False, PAGES, _update_name),
            (Video, "DELETE"): Call("delete_video", videos.delete, False, PAGES),
        }

    def route(self, world: World, method: str, segments: tuple[str, ...]) -> Call | None:
        """The call that a method and path mean, or None."""
        if isinstance(world.comments.get(segments[0], (None,))[0], PageObject):
            edge = segments[1] if len(segments) == 2 else ""
            found = self._of_comment.get((method, edge))
            return None if found is None else Call(*found, False, PAGES)
        if len(segments) == 2:
            call = self._of_page.get((method, segments[1]))
            if call is None and (
                segments[0] in world.page_objects or segments[1] == "video-upload"
            ):
                call = self._of_object.get((method, segments[1]))
            return call
        if len(segments) == 1:
            thing = world.page_objects.get(segments[0])
            if thing is not None:
                return self._of_kind.get((type(thing), method))
        return None


def _goes_public(given: Parameters) -> bool:
    return is_true(given, "published", default=True) and "scheduled_publish_time" not in given


def _post_name(world: World, node: str, given: Parameters) -> str:
    return "publish" if _goes_public(given) else "create_post"


def _photo_name(world: World, node: str, given: Parameters) -> str:
    return "publish" if _goes_public(given) else "create_photo"


def _video_name(world: World, node: str, given: Parameters) -> str:
    match given.get("upload_phase"):
        case "start":
            return "start_upload"
        case "transfer":
            return "upload"
        case "cancel":
            return "cancel_upload"
        case "finish":
            return "publish" if _goes_public(given) else "finish_upload"
    return "publish" if _goes_public(given) else "create_video"


def _reel_name(world: World, node: str, given: Parameters) -> str:
    if given.get("upload_phase") == "start":
        return "start_upload"
    return "publish" if given.get("video_state") == "PUBLISHED" else "finish_upload"


def _update_name(world: World, node: str, given: Parameters) -> str:
    is_wanted = is_true(given, "is_published") or is_true(given, "published")
    thing = world.page_objects.get(node)
    name = "update_video" if isinstance(thing, Video) else "update_post"
    return "publish" if is_wanted else name
