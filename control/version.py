"""The version of the distribution this service runs from."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("parley")
except PackageNotFoundError:
    VERSION = "dev"
