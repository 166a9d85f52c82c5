"""Videos and comments as YouTube's JSON shows them."""

from datetime import UTC, datetime
from typing import Any

from engine.sandbox.state import Comment, World
from engine.sandbox.youtube_state import Video


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
        "statistics": {
            "viewCount": "0",
            "likeCount": "0",
            "commentCount": str(len(video.post.comments) if video.post else 0),
        },
    }
    return {
        "kind": "youtube#video",
        "id": video.id,
        **{name: values[name] for name in parts if name in values},
    }


def thread_resource(video_id: str, comment: Comment) -> dict[str, Any]:
    """A comment as the thread that it begins."""
    return {
        "kind": "youtube#commentThread",
        "id": comment.id,
        "snippet": {
            "channelId": comment.author.id,
            "videoId": video_id,
            "canReply": True,
            "totalReplyCount": 0,
            "isPublic": True,
            "topLevelComment": {
                "kind": "youtube#comment",
                "id": comment.id,
                "snippet": {
                    "videoId": video_id,
                    "textDisplay": comment.text,
                    "textOriginal": comment.text,
                    "authorDisplayName": comment.author.username,
                    "authorChannelId": {"value": comment.author.id},
                    "likeCount": 0,
                    "publishedAt": instant(comment.posted_at),
                    "updatedAt": instant(comment.posted_at),
                },
            },
        },
    }


def instant(seconds: float) -> str:
    """A time as YouTube writes it: RFC 3339 in whole seconds of UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
