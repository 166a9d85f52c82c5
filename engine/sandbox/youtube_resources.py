"""Videos and comments as YouTube's JSON shows them."""

from datetime import UTC, datetime
from typing import Any, Final

from engine.sandbox.state import Comment, PublicPost, World
from engine.sandbox.youtube_figures import video_statistics
from engine.sandbox.youtube_state import Video

REPLIES_INLINED: Final = 5  # of a thread's replies, the newest


def video_resource(world: World, video: Video, parts: list[str]) -> dict[str, Any]:
    """The parts that were asked for."""
    is_done = world.clock.now() - video.created_at >= world.switches.container_ready_s
    status = {"uploadStatus": "processed" if is_done else "uploaded", **video.status}
    processing = "succeeded" if is_done else "processing"
    if video.rejection is not None:
        status |= {"uploadStatus": "rejected", "rejectionReason": video.rejection}
    elif video.failure is not None:
        status |= {"uploadStatus": "failed", "failureReason": video.failure}
        processing = "failed"
    values = {
        "snippet": {
            **video.snippet,
            "channelId": video.account.id,
            "channelTitle": video.account.username,
            "publishedAt": instant(video.created_at),
        },
        "status": status,
        "processingDetails": {"processingStatus": processing},
        "fileDetails": {"fileName": video.file_name, "fileSize": str(video.size)},
        "contentDetails": {"duration": f"PT{round(video.duration_s)}S"},
        "statistics": video_statistics(world, video),
    }
    return {
        "kind": "youtube#video",
        "id": video.id,
        **{name: values[name] for name in parts if name in values},
    }


def thread_resource(world: World, post: PublicPost, comment: Comment) -> dict[str, Any]:
    """A comment as the thread that it begins, with some of its replies."""
    replies = [
        one for one in post.comments if one.parent is comment and one.is_shown and not one.is_hidden
    ]
    thread: dict[str, Any] = {
        "kind": "youtube#commentThread",
        "id": comment.id,
        "snippet": {
            "channelId": post.account.id,
            "videoId": post.id,
            "canReply": True,
            "totalReplyCount": len(replies),
            "isPublic": True,
            "topLevelComment": comment_resource(world, post, comment),
        },
    }
    if replies:
        thread["replies"] = {
            "comments": [comment_resource(world, post, one) for one in replies[-REPLIES_INLINED:]]
        }
    return thread


def comment_resource(world: World, post: PublicPost, comment: Comment) -> dict[str, Any]:
    """One comment."""
    author = comment.author if world.switches.comment_authors else None
    snippet: dict[str, Any] = {
        "videoId": post.id,
        "textDisplay": comment.text,
        "textOriginal": comment.text,
        "likeCount": 0,
        "publishedAt": instant(comment.posted_at),
        "updatedAt": instant(comment.edited_at or comment.posted_at),
    }
    if author is not None:
        snippet["authorDisplayName"] = author.username
        snippet["authorChannelId"] = {"value": author.id}
    if comment.parent is not None:
        snippet["parentId"] = comment.parent.id
    if comment.is_hidden:
        snippet["moderationStatus"] = "rejected"
    return {"kind": "youtube#comment", "id": comment.id, "snippet": snippet}


def instant(seconds: float) -> str:
    """A time as YouTube writes it: RFC 3339 in whole seconds of UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
