"""Which of Meta's products a request means: the same hosts serve them side by side."""

from starlette.types import Scope

from engine.sandbox.batch import Batch
from engine.sandbox.facebook import Facebook
from engine.sandbox.graph import UPLOAD_HOSTS, Call
from engine.sandbox.insights import ManyReader
from engine.sandbox.instagram import Instagram
from engine.sandbox.media import MediaChecker
from engine.sandbox.meta_tokens import MetaTokens
from engine.sandbox.state import World
from engine.sandbox.threads import Threads


class MetaRouter:
    """Finds the call of Facebook, Threads or Instagram that a method and path mean.

    Args:
        checker: fetches and checks what is to be published.
    """

    def __init__(self, checker: MediaChecker) -> None:
        self._facebook = Facebook(checker)
        self._threads = Threads(checker)
        self._instagram = Instagram(checker)
        self._tokens = MetaTokens()
        self._batch = Call("batch", Batch(self.route).run)
        self._read_many = Call("read_many", ManyReader(self.route).read, product="pages")

    def route(self, world: World, method: str, segments: tuple[str, ...]) -> Call | None:
        """The call, or None. Ids tell what they belong to; an unknown one is Instagram's."""
        if len(segments) == 2 and not segments[1]:  # the generated kits end paths with a slash
            segments = segments[:1]
        if segments == ("",) and method == "POST":
            return self._batch
        if segments == ("",) and method == "GET":
            return self._read_many
        return (
            self._tokens.route(method, segments)
            or self._facebook.route(world, method, segments)
            or self._threads.route(world, method, segments)
            or self._instagram.route(world, method, segments)
        )


def upload_scope(scope: Scope) -> Scope | None:
    """An upload seen as an edge of the thing that it fills, or None if it is no upload.

    ``/ig-api-upload/v25.0/17`` is listed and planned for as ``/17/ig-api-upload``.
    """
    if scope["type"] != "http":
        return None
    parts = scope["path"].split("/")
    if len(parts) != 4 or parts[1] not in UPLOAD_HOSTS:
        return None
    return {**scope, "path": f"/{parts[2]}/{parts[3]}/{parts[1]}"}
