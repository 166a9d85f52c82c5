"""The sandbox's own endpoints for comments: people who write, change their minds, and delete."""

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.sandbox.answers import as_json
from engine.sandbox.conversations import Wanted, change, everything, find, take_away, write
from engine.sandbox.direct_posts import show_post
from engine.sandbox.instructions import BadInstruction, check
from engine.sandbox.pushing import Pushing, Subscription
from engine.sandbox.state import World

KINDS: dict[str, Any] = {
    "post": str,
    "text": str,
    "author": str | None,
    "author_id": str,
    "parent": str,
    "at": float,
    "is_held": bool,
}


class CommentControl:
    """Writes and reads comments of the present world, and says where they are pushed.

    Args:
        world: gives the present world.
    """

    def __init__(self, world: Callable[[], World]) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Where everything is."""
        return [
            Route("/sandbox/comments", self.list, methods=["GET"]),
            Route("/sandbox/comments", self.write, methods=["POST"]),
            Route("/sandbox/comments/batch", self.write_many, methods=["POST"]),
            Route("/sandbox/comments/{id}", self.change, methods=["PATCH"]),
            Route("/sandbox/comments/{id}", self.delete, methods=["DELETE"]),
            Route("/sandbox/posts", self.show_posts, methods=["POST"]),
            Route("/sandbox/webhooks", self.subscribe, methods=["PUT"]),
        ]

    async def list(self, request: Request) -> Response:
        """``?account=&post=`` → ``{"comments": […]}``: all there ever were, oldest first."""
        query = request.query_params
        found = everything(self._world(), query.get("account"), query.get("post"))
        return _answer({"comments": found})

    async def write(self, request: Request) -> Response:
        """``{"post", "text", "author"?, "author_id"?, "parent"?, "at"?, "is_held"?}`` → its id."""
        said = write(self._world(), _wanted(await _body(request)))
        return _answer({"id": said.id}, 201)

    async def write_many(self, request: Request) -> Response:
        """``{"comments": […]}``, each as above → ``{"ids": […]}``."""
        given = (await _body(request)).get("comments")
        if not isinstance(given, list):
            raise BadInstruction("comments is a list")
        wanted = [_wanted(one) for one in given]
        return _answer({"ids": [write(self._world(), one).id for one in wanted]}, 201)

    async def change(self, request: Request) -> Response:
        """``{"text"?, "is_held"?, "is_hidden"?}``."""
        given = await _body(request)
        check(given, {"text": str, "is_held": bool, "is_hidden": bool})
        said = change(self._world(), request.path_params["id"], **given)
        return _answer({"id": said.id})

    async def delete(self, request: Request) -> Response:
        """With what was answered to it."""
        world = self._world()
        under, said = find(world, request.path_params["id"])
        take_away(world, under, said)
        return Response(status_code=204)

    async def show_posts(self, request: Request) -> Response:
        """``{"account", "platform", "count"?, "text"?, "at"?}`` → ``{"ids": […]}``."""
        given = await _body(request)
        check(given, {"account": str, "platform": str, "count": int, "text": str, "at": float})
        world = self._world()
        account = world.accounts.get(given.get("account", ""))
        if account is None:
            raise BadInstruction("no such account; POST /sandbox/accounts makes one")
        at = given.get("at", world.clock.now())
        text = given.get("text", "오늘의 소식")
        ids = [
            show_post(world, account, given.get("platform", ""), text, at)
            for _ in range(given.get("count", 1))
        ]
        return _answer({"ids": ids}, 201)

    async def subscribe(self, request: Request) -> Response:
        """The fields of ``engine.sandbox.pushing.Subscription``; a null ``url`` ends it."""
        given = await _body(request)
        names = Subscription.__annotations__
        check(given, names)
        world = self._world()
        if isinstance(world.pushes, Pushing):
            await world.pushes.close()
        wanted = Subscription(**given)
        world.pushes = None if wanted.url is None else Pushing(wanted, world.clock.now)
        return _answer({"url": wanted.url})


def _wanted(given: Any) -> Wanted:
    if not isinstance(given, dict):
        raise BadInstruction("a comment is an object")
    check(given, KINDS)
    if "post" not in given or "text" not in given:
        raise BadInstruction("a comment needs a post and a text")
    return Wanted(**given)


async def _body(request: Request) -> dict[str, Any]:
    try:
        # Not orjson: half a character is among what people write.
        given = json.loads(await request.body())
    except ValueError as error:
        raise BadInstruction(f"the body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise BadInstruction("the body is a JSON object")
    return given


def _answer(value: Any, status: int = 200) -> Response:
    return Response(as_json(value), status, media_type="application/json")
