"""Graph API errors as Meta writes them: one row per code and subcode, and the envelope.

Sources, read 2026-11-23: https://developers.facebook.com/docs/graph-api/guides/error-handling and
https://developers.facebook.com/docs/instagram-platform/reference/error-codes. The HTTP status of
each code is not documented; seen in the field are 400, 403, 429 and 500.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson


@dataclass(frozen=True, slots=True)
class Row:
    """What one error looks like unless told otherwise."""

    message: str
    status: int = 400
    is_transient: bool = False


ROWS: Final[dict[tuple[int, int | None], Row]] = {
    (1, None): Row("An unknown error occurred", 500, True),
    (1, 2207057): Row("Thumbnail offset must be within the video's duration"),
    (2, None): Row("Service temporarily unavailable", 500, True),
    (3, None): Row("Application does not have the capability to make this API call"),
    (4, None): Row("Application request limit reached", 403, True),
    (4, 2207051): Row("Action is blocked", 403),
    (9, 2207042): Row("Application request limit reached", 400),
    (10, None): Row("Application does not have permission for this action", 403),
    (17, None): Row("User request limit reached", 400, True),
    (24, 2207006): Row("The requested resource does not exist"),
    (24, 2207008): Row("The requested resource does not exist"),
    (25, 2207050): Row("The Instagram account is restricted", 400),
    (32, None): Row("Page request limit reached", 400, True),
    (100, None): Row("Invalid parameter"),
    (100, 33): Row(
        "Unsupported request. Object does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation"
    ),
    (100, 2207023): Row("The media type is not valid"),
    (100, 2207028): Row("A carousel takes from 2 to 10 items"),
    (100, 2207035): Row("Product tag positions are not valid for videos"),
    (100, 2207036): Row("Product tag positions are required for photos"),
    (100, 2207037): Row("The product tags are not valid"),
    (100, 2207040): Row("The maximum number of product tags is exceeded"),
    (102, None): Row("Session key invalid or no longer valid"),
    (190, None): Row("Invalid OAuth access token - Cannot parse access token"),
    (190, 458): Row("Error validating access token: The user has not authorized application"),
    (190, 459): Row("Error validating access token: The user is in a checkpoint"),
    (190, 460): Row("Error validating access token: The user has changed the password"),
    (190, 463): Row("Error validating access token: Session has expired"),
    (190, 464): Row("Error validating access token: Sessions for the user are not confirmed"),
    (190, 467): Row("Error validating access token: The session is invalid"),
    (190, 492): Row("Invalid session"),
    (200, None): Row("Permissions error", 403),
    (324, None): Row("Missing or invalid image file"),
    (341, None): Row("Application limit reached", 400, True),
    (352, 2207026): Row("The video format is not supported"),
    (368, None): Row("The action attempted has been deemed abusive or is otherwise disallowed"),
    (506, None): Row("Duplicate status message"),
    (613, None): Row("Calls to this api have exceeded the rate limit", 400, True),
    (6000, None): Row("There was a problem uploading your video file"),
    (9004, 2207052): Row("Only photo or video can be accepted as media type"),
    (9007, 2207027): Row("Media ID is not available"),
    (36000, 2207004): Row("The image is too large to download"),
    (36001, 2207005): Row("The image format is not supported"),
    (36003, 2207009): Row("The submitted image with an aspect ratio cannot be published"),
    (36004, 2207010): Row("The caption is too long"),
    (-1, 2207001): Row("Instagram server error. Try again", 500),
    (-1, 2207032): Row("Create media fail, please try to re-create media", 500),
    (-1, 2207053): Row("Unknown upload error", 500),
    (-1, 2207073): Row("The media type is not supported"),
    (-2, 2207003): Row("It takes too long to download the media"),
    (-2, 2207020): Row("The media you are trying to access has expired"),
    (1349125, None): Row("You have uploaded too many videos in a short time", 400, True),
    (1363019, None): Row("Video upload error", 500, True),
    (1363020, None): Row("No video file was selected"),
    (1363021, None): Row("Video upload is having problems", 500, True),
    (1363022, None): Row("The video is too small"),
    (1363023, None): Row("The video is too large"),
    (1363024, None): Row("The video format is not supported"),
    (1363025, None): Row("The video is too short"),
    (1363026, None): Row("The video is too long"),
    (1363030, None): Row("Your video upload timed out before it could be completed", 500, True),
    (1363031, None): Row("The video file is corrupt or of an unknown format"),
    (1363032, None): Row("The video encoding is not supported"),
    (1363033, None): Row("There was a problem uploading your video", 500, True),
    (1363037, None): Row("The start offset is not the expected one"),
    (1363041, None): Row("The upload session is not valid or has expired"),
    (1363042, None): Row("No permission to upload a video here", 403),
    (1363045, None): Row("The uploaded bytes and the announced size differ"),
    (1363047, None): Row("The video is still being processed", 500, True),
    (1390008, None): Row("The caption of the video is too long"),
    (1609005, None): Row("The link could not be scraped"),
    (80000, None): Row("There have been too many calls from this ad account", 400, True),
    (80001, None): Row("There have been too many calls to this Page account", 400, True),
    (80002, None): Row("There have been too many calls to this Instagram account", 400, True),
    (80003, None): Row("There have been too many calls to this custom audience", 400, True),
    (80004, None): Row("There have been too many calls to this ad account", 400, True),
    (80005, None): Row("There have been too many leadgen calls to this Page", 400, True),
    (80006, None): Row("There have been too many Messenger calls to this Page", 400, True),
    (80008, None): Row("There have been too many calls to this WhatsApp account", 400, True),
    (80009, None): Row("There have been too many calls to this catalog", 400, True),
    (80014, None): Row("There have been too many batch calls to this catalog", 400, True),
}
UNLISTED: Final = Row("An error occurred")


class GraphError(Exception):
    """What the platform answers instead of doing as asked.

    Args:
        code: Graph's code.
        subcode: Graph's ``error_subcode``, if any.
        message: instead of the row's own.
        status: HTTP status instead of the row's own.
        data: ``error_data``, which Meta writes as a JSON string.
    """

    type = "OAuthException"  # Meta puts nearly everything under it; clients look at the code

    def __init__(
        self,
        code: int,
        subcode: int | None = None,
        *,
        message: str | None = None,
        status: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        row = ROWS.get((code, subcode)) or ROWS.get((code, None)) or UNLISTED
        super().__init__(message or row.message)
        self.code = code
        self.subcode = subcode
        self.status = status or row.status
        self.is_transient = row.is_transient
        self.data = data

    def body(self, trace_id: str) -> bytes:
        """The envelope, as bytes of JSON."""
        error: dict[str, Any] = {
            "message": str(self),
            "type": self.type,
            "code": self.code,
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.data is not None:
            error["error_data"] = orjson.dumps(self.data).decode()
        error["is_transient"] = self.is_transient
        error["fbtrace_id"] = trace_id
        return orjson.dumps({"error": error})
