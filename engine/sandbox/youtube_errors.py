"""YouTube's errors: one row per reason, and the envelope.

Source: https://developers.google.com/youtube/v3/docs/errors, read 2026-11-23.
"""

from typing import Any, Final

import orjson

ROWS: Final[dict[str, tuple[int, str, str]]] = {
    "invalidTitle": (400, "youtube.video", "The request metadata specifies an invalid title."),
    "invalidDescription": (400, "youtube.video", "An invalid video description."),
    "invalidTags": (400, "youtube.video", "The request metadata specifies invalid keywords."),
    "invalidCategoryId": (400, "youtube.video", "An invalid category ID."),
    "invalidPublishAt": (400, "youtube.video", "An invalid scheduled publishing time."),
    "invalidVideoMetadata": (400, "youtube.video", "The request metadata is invalid."),
    "mediaBodyRequired": (400, "youtube.video", "The request does not include the content."),
    "uploadLimitExceeded": (400, "youtube.video", "The user has exceeded the number of videos."),
    "invalidImage": (400, "youtube.thumbnail", "The provided image content is invalid."),
    "commentTextTooLong": (400, "youtube.commentThread", "The comment is too long."),
    "commentTextRequired": (400, "youtube.commentThread", "The comment has no text."),
    "invalidChunk": (400, "global", "A chunk's size must be a multiple of 256 KiB."),
    "parseError": (400, "global", "Parse Error"),
    "missingRequiredParameter": (400, "youtube.parameter", "No filter selected."),
    "invalidParameter": (400, "global", "Invalid value."),
    "invalidPageToken": (400, "youtube.parameter", "The request specifies an invalid page token."),
    "uploadTooLarge": (413, "global", "The request is too large."),
    "badRequest": (400, "global", "Bad request."),
    "authError": (401, "youtube.header", "Invalid Credentials"),
    "quotaExceeded": (403, "youtube.quota", "The request cannot be completed: quota exceeded."),
    "dailyLimitExceeded": (403, "usageLimits", "Daily Limit Exceeded"),
    "rateLimitExceeded": (403, "usageLimits", "Rate Limit Exceeded"),
    "userRateLimitExceeded": (403, "usageLimits", "User Rate Limit Exceeded"),
    "uploadRateLimitExceeded": (403, "youtube.video", "Too many thumbnails were uploaded."),
    "commentsDisabled": (403, "youtube.commentThread", "The video has disabled comments."),
    "forbidden": (403, "global", "The request is not properly authorized."),
    "insufficientPermissions": (403, "global", "Insufficient Permission"),
    "youtubeSignupRequired": (401, "youtube.header", "Unauthorized"),
    "parentIdMissing": (400, "youtube.comment", "The parent comment is not named."),
    "commentNotFound": (404, "youtube.comment", "The comment cannot be found."),
    "videoNotFound": (404, "youtube.video", "The video cannot be found."),
    "notFound": (404, "global", "Not Found"),
    "playlistNotFound": (404, "youtube.playlistItem", "The playlist cannot be found."),
    "channelNotFound": (404, "youtube.channel", "Channel not found."),
    "backendError": (500, "global", "Backend Error"),
    "internalError": (500, "global", "Internal error encountered."),
    "processingFailure": (400, "youtube.video", "The API server failed to process the request."),
}


class YouTubeError(Exception):
    """What YouTube answers instead of doing as asked."""

    def __init__(
        self, reason: str, *, message: str | None = None, status: int | None = None
    ) -> None:
        usual, self.domain, text = ROWS.get(reason, (400, "global", reason))
        super().__init__(message or text)
        self.reason = reason
        self.status = status or usual

    def body(self) -> bytes:
        """The envelope, as bytes of JSON."""
        error: dict[str, Any] = {
            "code": self.status,
            "message": str(self),
            "errors": [{"message": str(self), "domain": self.domain, "reason": self.reason}],
        }
        if self.status == 401:
            error["status"] = "UNAUTHENTICATED"
        return orjson.dumps({"error": error})
