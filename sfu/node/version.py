"""The version of the distribution this node runs from."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("parley")
except PackageNotFoundError:
    VERSION = "unknown"
