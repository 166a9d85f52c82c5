"""The post as a visitor sees it, so that a permalink opens."""

from datetime import UTC, datetime
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

from engine.sandbox.state import Medium, PublicPost, World

PAGE = """<!doctype html>
<html lang="ko"><head><meta charset="utf-8"><title>{username}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem}}
img,video{{max-width:100%;border-radius:8px}}p{{white-space:pre-wrap}}</style></head>
<body><article><h1>{username}</h1>{media}<p>{caption}</p>
<footer><time datetime="{posted_at}">{posted_at}</time></footer></article></body></html>
"""
MISSING = '<!doctype html><html lang="ko"><title>404</title><p>No such post.</p></html>'
# The page shows a stranger's text: no script may run in it.
POLICY = "default-src 'none'; img-src *; media-src *; style-src 'unsafe-inline'"
HEADERS = {"content-security-policy": POLICY}


def post_page(request: Request, world: World) -> HTMLResponse:
    """The page of one post by its shortcode, or 404."""
    code = request.path_params.get("shortcode")
    watched = request.query_params.get("v") or request.path_params.get("id", "")
    post = world.by_shortcode.get(code) if code else world.posts.get(watched)
    if post is None or post.is_deleted:
        return HTMLResponse(MISSING, 404, HEADERS)
    return HTMLResponse(_filled(post), headers=HEADERS)


def _filled(post: PublicPost) -> str:
    posted_at = datetime.fromtimestamp(post.posted_at, UTC).isoformat(timespec="seconds")
    return PAGE.format(
        username=escape(post.account.username),
        media="".join(map(_shown, post.media)),
        caption=escape(post.caption),
        posted_at=escape(posted_at),
    )


def _shown(medium: Medium) -> str:
    """One picture or video; nothing for uploaded bytes, which nobody kept."""
    if medium.url is None:
        return ""
    url, alt_text = escape(medium.url), escape(medium.alt_text or "")
    if medium.kind == "video":
        return f'<video controls src="{url}"></video>'
    return f'<img src="{url}" alt="{alt_text}">'
