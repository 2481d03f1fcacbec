"""JSON in and out. A body that does not fit its schema is refused with a sentence for each wrong field."""

import re
import unicodedata
from typing import TypeVar

import msgspec
from aiohttp import MultipartReader, web

from control.edge.endpoint import ENDPOINT, JSON
from control.refusals import Reason, Refused, invalid

Body = TypeVar("Body", bound=msgspec.Struct)

_SENTENCES = (
    (re.compile(r"`array` of length >= (\d+)"), "Choose at least {}."),
    (re.compile(r"`array` of length <= (\d+)"), "Choose at most {}."),
    (re.compile(r"of length >= (\d+)"), "Must have at least {} characters."),
    (re.compile(r"of length <= (\d+)"), "Must have at most {} characters."),
    (re.compile(r">= (\d+)"), "Must be at least {}."),
    (re.compile(r"<= (\d+)"), "Must be at most {}."),
    (re.compile(r"matching regex"), "Is not in the right form."),
    (re.compile(r"missing required field"), "Is required."),
)
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


async def read_json(request: web.Request, schema: type[Body]) -> Body:
    """Return the request's body. Raises `Refused` with BAD_REQUEST, TOO_LARGE or INVALID."""
    _assert_declared(request, schema)
    if request.content_type != JSON:
        raise Refused(Reason.BAD_REQUEST, fields={"Content-Type": f"Must be {JSON}."})
    return decode(await request.read(), schema)


async def read_form(request: web.Request) -> MultipartReader:
    """Return the parts of a form, to be read one after the other. Raises `Refused` with BAD_REQUEST."""
    if request.content_type != "multipart/form-data":
        raise Refused(Reason.BAD_REQUEST)
    return await request.multipart()


def read_query(request: web.Request, schema: type[Body]) -> Body:
    """Return the parameters after the path's `?`. Raises `Refused` with INVALID."""
    _assert_declared(request, schema)
    values = {name: request.query[name] for name in request.query}
    try:
        return msgspec.convert(values, schema, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(**_wrong_fields(values, schema, strict=False)) from error


def decode(body: bytes, schema: type[Body]) -> Body:
    """Return `body` as `schema`. Raises `Refused` with BAD_REQUEST or INVALID and all wrong fields."""
    try:
        return msgspec.json.decode(body, type=schema)
    except msgspec.ValidationError as error:
        raise invalid(**_wrong_fields(_anything(body), schema)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(Reason.BAD_REQUEST) from error


def fit(value: object, schema: type[Body]) -> Body:
    """Return JSON that is parsed already as `schema`. Raises `Refused` with INVALID and all wrong fields."""
    try:
        return msgspec.convert(value, schema)
    except msgspec.ValidationError as error:
        raise invalid(**_wrong_fields(value, schema)) from error


def answer(value: object, status: int = 200) -> web.Response:
    """Return `value` as a JSON response."""
    return web.Response(body=msgspec.json.encode(value), content_type=JSON, status=status)


def one_line(text: str, field: str) -> str:
    """Return a name or title without control characters and needless spaces. Raises `Refused` if empty."""
    line = " ".join(_printable(text.replace("\n", " ").replace("\t", " ")).split())
    if not line:
        raise invalid(**{field: "Is required."})
    return line


def paragraphs(text: str, field: str) -> str:
    """Return a message without control characters and surrounding space. Raises `Refused` if empty."""
    message = _printable(text).strip()
    if not message:
        raise invalid(**{field: "Is required."})
    return message


def _printable(text: str) -> str:
    """Drop what no honest text holds: NUL, terminal escapes, marks that turn the writing direction around."""
    return "".join(
        sign
        for sign in text
        if sign in "\n\t" or not (unicodedata.category(sign) in ("Cc", "Cs") or sign in _BIDI_CONTROLS)
    )


def _anything(body: bytes) -> object:
    """Return whatever JSON it is; a body may be of the wrong kind first, and no JSON further on."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(Reason.BAD_REQUEST) from error


def _assert_declared(request: web.Request, schema: type[Body]) -> None:
    endpoint = request.get(ENDPOINT)
    assert endpoint is None or endpoint.reads(schema), f"{endpoint.path} does not declare {schema.__name__}"


def _wrong_fields(values: object, schema: type[Body], *, strict: bool = True) -> dict[str, str]:
    """Tell what is wrong with each field; msgspec itself stops at the first."""
    if not isinstance(values, dict):
        return {"body": "Must be a JSON object."}
    wrong = {}
    for field in msgspec.structs.fields(schema):
        if field.encode_name in values:
            try:
                msgspec.convert(values[field.encode_name], field.type, strict=strict)
            except msgspec.ValidationError as error:
                wrong[field.encode_name] = _sentence(str(error))
        elif field.required:
            wrong[field.encode_name] = "Is required."
    return wrong


def _sentence(complaint: str) -> str:
    for pattern, sentence in _SENTENCES:
        if found := pattern.search(complaint):
            return sentence.format(*found.groups())
    return "Is not of the right kind."
