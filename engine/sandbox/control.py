"""The sandbox's own endpoints under ``/sandbox``, outside every imitated path."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.sandbox.files import endless, ranged
from engine.sandbox.instructions import BadInstruction, check
from engine.sandbox.pictures import jpeg
from engine.sandbox.state import ACCOUNT_ID, AUTO_TOKEN, Account, World
from engine.sandbox.truth import seen_requests, visible_posts
from engine.sandbox.videos import SECONDS_LIMIT, SIDE_LIMIT, mp4


class Control:
    """Reads and changes the present world.

    Args:
        world: gives the present world.
        reset: puts a new one in its place.
    """

    def __init__(self, world: Callable[[], World], reset: Callable[[], None]) -> None:
        self._world = world
        self._reset = reset

    def routes(self) -> list[Route]:
        """Where everything is."""
        return [
            Route("/sandbox/accounts", self.list_accounts, methods=["GET"]),
            Route("/sandbox/accounts", self.add_account, methods=["POST"]),
            Route("/sandbox/accounts/{id}/token", self.change_token, methods=["POST"]),
            Route("/sandbox/clock", self.read_clock, methods=["GET"]),
            Route("/sandbox/clock", self.change_clock, methods=["POST"]),
            Route("/sandbox/switches", self.read_switches, methods=["GET"]),
            Route("/sandbox/switches", self.change_switches, methods=["POST"]),
            Route("/sandbox/faults", self.read_faults, methods=["GET"]),
            Route("/sandbox/faults", self.add_fault, methods=["POST"]),
            Route("/sandbox/faults", self.clear_faults, methods=["DELETE"]),
            Route("/sandbox/truth", self.read_truth, methods=["GET"]),
            Route("/sandbox/requests", self.read_requests, methods=["GET"]),
            Route("/sandbox/reset", self.reset, methods=["POST"]),
            Route("/sandbox/media/{width:int}x{height:int}/{seed}.jpg", self.read_picture),
            Route("/sandbox/media/{width:int}x{height:int}/{seed}.mp4", self.read_film),
            Route("/sandbox/media/bytes/{size:int}.mp4", self.read_bytes),
        ]

    async def list_accounts(self, request: Request) -> Response:
        """Every account, without tokens."""
        return _json([_listed(account) for account in self._world().accounts.values()])

    async def add_account(self, request: Request) -> Response:
        """``{"id", "username"?, "token"?}``; without a token it gets ``sandbox-token-<id>``."""
        given = await _object(request, id=str, username=str, token=str)
        account_id = given.get("id", "")
        if not ACCOUNT_ID.fullmatch(account_id):
            raise BadInstruction("an account needs an id of letters, digits and . _ -")
        account = self._world().add_account(
            account_id,
            given.get("username", f"account_{account_id}"),
            given.get("token", f"{AUTO_TOKEN}{account_id}"),
        )
        return _json(_listed(account), 201)

    async def change_token(self, request: Request) -> Response:
        """``{"subcode"?: 190's subcode or null, "expires_at"?: unix seconds or null}``."""
        given = await _object(request, subcode=int | None, expires_at=float | None)
        account = self._world().accounts.get(request.path_params["id"])
        if account is None:
            raise BadInstruction("no such account; POST /sandbox/accounts makes one")
        if "subcode" in given:
            account.token_subcode = given["subcode"]
        if "expires_at" in given:
            account.token_expires_at = given["expires_at"]
        return _json(_listed(account))

    async def read_clock(self, request: Request) -> Response:
        """``{"now": unix seconds, "is_frozen"}``."""
        clock = self._world().clock
        return _json({"now": clock.now(), "is_frozen": clock.is_frozen})

    async def change_clock(self, request: Request) -> Response:
        """``{"freeze"?: bool, "set"?: unix seconds, "advance_s"?}``, in this order."""
        given = await _object(request, freeze=bool, set=float, advance_s=float)
        clock = self._world().clock
        if "freeze" in given:
            if given["freeze"]:
                clock.freeze()
            else:
                clock.run()
        if "set" in given:
            clock.set(given["set"])
        if "advance_s" in given:
            clock.advance(given["advance_s"])
        return await self.read_clock(request)

    async def read_switches(self, request: Request) -> Response:
        """Every switch and its value."""
        return _json(asdict(self._world().switches))

    async def change_switches(self, request: Request) -> Response:
        """Some switches and their new values; the rest stay."""
        world = self._world()
        world.switches = world.switches.changed(await _body(request))
        return await self.read_switches(request)

    async def read_faults(self, request: Request) -> Response:
        """``{"planned": […], "applied": […]}``."""
        faults = self._world().faults
        return _json({"planned": faults.listed(), "applied": list(faults.applied)})

    async def add_fault(self, request: Request) -> Response:
        """Plan one fault; the fields are those of ``engine.sandbox.faults.Fault``."""
        fault = self._world().faults.add(await _body(request))
        return _json({"id": fault.id}, 201)

    async def clear_faults(self, request: Request) -> Response:
        """Drop the plan."""
        self._world().faults.clear()
        return Response(status_code=204)

    async def read_truth(self, request: Request) -> Response:
        """``?account=&since=`` → ``{"posts": […], "hidden": […], "requests": [publish requests]}``.

        ``hidden`` are videos that only their channel has seen.
        """
        query = request.query_params
        account = query.get("account")
        world = self._world()
        world.youtube.show_what_is_due(world)
        return _json(
            {
                "posts": visible_posts(
                    world,
                    account,
                    _instant(query.get("since", "0")),
                    str(request.base_url).rstrip("/"),
                ),
                "hidden": world.youtube.hidden(account),
                "requests": seen_requests(world, None, account, "publish"),
            }
        )

    async def read_requests(self, request: Request) -> Response:
        """``?path=&account=&call=`` → ``{"requests": […]}``; ``path`` is any part of the path."""
        query = request.query_params
        return _json(
            {
                "requests": seen_requests(
                    self._world(), query.get("path"), query.get("account"), query.get("call")
                )
            }
        )

    async def reset(self, request: Request) -> Response:
        """Begin anew: nothing known, real time, the switches of the command line."""
        self._reset()
        return Response(status_code=204)

    async def read_picture(self, request: Request) -> Response:
        """A JPEG of the asked size."""
        path = request.path_params
        # Drawing one takes milliseconds, in which nobody else would be answered.
        picture = await asyncio.to_thread(jpeg, path["width"], path["height"], path["seed"])
        return ranged(request, picture, media_type="image/jpeg")

    async def read_film(self, request: Request) -> Response:
        """An MP4 of the asked size, ``?seconds=`` long."""
        path = request.path_params
        seconds = _instant(request.query_params.get("seconds", "5"))
        sides = path["width"], path["height"]
        if not 0 < seconds <= SECONDS_LIMIT or not all(16 <= side <= SIDE_LIMIT for side in sides):
            raise BadInstruction("a film has sides of 16 to 2000 pixels and up to 1000 seconds")
        film = await asyncio.to_thread(mp4, *sides, path["seed"], seconds)
        return ranged(request, film, media_type="video/mp4")

    async def read_bytes(self, request: Request) -> Response:
        """So many bytes that are no film, at no cost of memory."""
        return endless(request, request.path_params["size"], media_type="video/mp4")


def _listed(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "username": account.username,
        "token_expires_at": account.token_expires_at,
        "token_subcode": account.token_subcode,
        "posts": len(account.posts),
    }


async def _body(request: Request) -> dict[str, Any]:
    try:
        given = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise BadInstruction(f"the body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise BadInstruction("the body is a JSON object")
    return given


async def _object(request: Request, **kinds: Any) -> dict[str, Any]:
    given = await _body(request)
    check(given, kinds)
    return given


def _instant(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInstruction(f"{text!r} is no instant in unix seconds") from None


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
