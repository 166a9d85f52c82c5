"""Closed sets of words that rows and browser events share; light enough for every process."""

from enum import StrEnum


class Role(StrEnum):
    """What a user may do; carried in the token's ``roles`` claim."""

    ADMIN = "admin"
    MANAGER = "manager"
    OPERATOR = "operator"
    CLIENT = "client"


class Platform(StrEnum):
    """Where a post can go."""

    INSTAGRAM = "instagram"
    FACEBOOK = "facebook"
    THREADS = "threads"
    YOUTUBE = "youtube"


class ContentStatus(StrEnum):
    """draft → review → approved → published; review → rejected → draft; approved → draft."""

    DRAFT = "draft"
    REVIEW = "review"
    REJECTED = "rejected"
    APPROVED = "approved"
    PUBLISHED = "published"


class PostFormat(StrEnum):
    """What form a content takes; with its media it tells each platform's own kind."""

    POST = "post"
    REEL = "reel"  # a short upright video: reel, Short
    STORY = "story"  # gone after a day


class Priority(StrEnum):
    """How loudly the browser should say it."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class PublishingStatus(StrEnum):
    """Where one post is on its way."""

    PENDING = "pending"
    STAGED = "staged"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    SUCCESS = "success"
    FAILED = "failed"
    NEEDS_PERSON = "needs_person"
    CANCELLED = "cancelled"
    DELETED = "deleted"


class CommentStatus(StrEnum):
    """Where a first comment is on its way."""

    PENDING = "pending"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    SUCCESS = "success"
    FAILED = "failed"
    NEEDS_PERSON = "needs_person"


class PublishResultStatus(StrEnum):
    """How a post ended, as its author is told."""

    SUCCESS = "success"
    FAILED = "failed"


class Severity(StrEnum):
    """How bad a surge of negative comments is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Sentiment(StrEnum):
    """What a comment feels like; null where it is not known yet."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


class MessageRole(StrEnum):
    """Who says something in a conversation."""

    USER = "user"
    ASSISTANT = "assistant"


class MessageStatus(StrEnum):
    """waiting → streaming → done | failed; waiting, streaming → cancelled. A question is done."""

    WAITING = "waiting"
    STREAMING = "streaming"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ReplyStatus(StrEnum):
    """Where an answer to a comment is on its way; nothing leaves before a person approved it."""

    DRAFT = "draft"
    APPROVED = "approved"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    SUCCESS = "success"
    FAILED = "failed"
    NEEDS_PERSON = "needs_person"
    CANCELLED = "cancelled"
