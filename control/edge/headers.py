"""Headers that tell browsers what our pages may do: the server's half of defence against injected content."""

import secrets

from aiohttp import hdrs, web
from yarl import URL

from control.edge.caller import CALLER

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
CSP_NONCE: web.RequestKey[str] = web.RequestKey("csp_nonce", str)

_ALWAYS = {
    hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def new_nonce() -> str:
    """Return a nonce for the one inline script or style a page may need."""
    return secrets.token_urlsafe(16)


async def protect(files: URL | None, request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers every response carries. Meetings' codes must not leave in a Referer.

    `files` is where browsers find files, if that is not here.
    """
    response.headers.update(_ALWAYS)
    response.headers["X-Request-Id"] = request[REQUEST_ID]
    response.headers.setdefault(hdrs.CONTENT_SECURITY_POLICY, _content_policy(request, files))
    fresh = "no-cache" if request.path.startswith("/static/") else "no-store"
    response.headers.setdefault(hdrs.CACHE_CONTROL, fresh)


def _content_policy(request: web.Request, files: URL | None) -> str:
    """Return the policy: all but files from here, WebSockets to any node, inline script by the nonce."""
    caller = request.get(CALLER)
    sockets = "wss:" if caller is not None and caller.secure else "ws: wss:"
    nonce = f"'nonce-{request[CSP_NONCE]}'"
    elsewhere = "" if files is None else f" {files}"
    return (
        f"default-src 'none'; script-src 'self' {nonce}; style-src 'self' {nonce}; "
        f"connect-src 'self' {sockets}{elsewhere}; img-src 'self' data: blob:{elsewhere}; "
        "media-src 'self' blob:; font-src 'self'; worker-src 'self' blob:; manifest-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
