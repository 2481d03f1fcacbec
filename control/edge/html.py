"""Pages from templates. Each gets the version, and the nonce its inline parts need."""

from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web

from control.edge.headers import CSP_NONCE
from control.version import VERSION

WEB = Path(__file__).resolve().parents[2] / "web"


def set_up_templates(app: web.Application) -> None:
    """Let the application render templates; a name that a template uses and is not given is an error."""
    loader = jinja2.FileSystemLoader(WEB / "templates")
    environment = aiohttp_jinja2.setup(app, loader=loader, undefined=jinja2.StrictUndefined)
    environment.globals["version"] = VERSION


def render(request: web.Request, template: str, context: dict[str, Any], status: int = 200) -> web.Response:
    """Return the page that `template` makes of `context`."""
    whole = context | {"csp_nonce": request[CSP_NONCE]}
    return aiohttp_jinja2.render_template(template, request, whole, status=status)
