"""The page people call from: Jinja2 templates and plain ES modules, served as they are.

`static/lib` is the client library (no DOM), `static/ui` the page built on it, `static/style` the
design. This package holds paths alone; who serves them, and with which headers, is control's matter.
"""

from pathlib import Path
from typing import Final

TEMPLATES: Final = Path(__file__).parent / "templates"
STATIC: Final = Path(__file__).parent / "static"
