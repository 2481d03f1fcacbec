from datetime import UTC, datetime, timedelta

import pytest

from control.accounts.tokens import AccessTokens
from control.objects.grants import DownloadGrant, Grants, UploadGrant
from control.refusals import Reason, Refused

NOW = datetime(2031, 5, 4, tzinfo=UTC)
SECRET = b"s" * 32
KEY = f"{'a' * 32}/{'b' * 32}"


def grants(later_s: int = 0, secret: bytes = SECRET) -> Grants:
    return Grants(secret, lambda: NOW + timedelta(seconds=later_s))


def test_what_was_granted_is_read_again_until_it_expires() -> None:
    upload = UploadGrant(KEY, grants().until(60), "image/png", 5)
    download = DownloadGrant(KEY, grants().until(60), "image/png", "inline")
    assert grants(59).upload(grants().sign(upload)) == upload
    assert grants(59).download(grants().sign(download)) == download
    assert grants(59).left_s(upload) == 1
    for read, grant in ((grants(60).upload, upload), (grants(60).download, download)):
        with pytest.raises(Refused) as refused:
            read(grants().sign(grant))
        assert refused.value.reason is Reason.FORBIDDEN


def test_no_other_token_passes_for_a_grant() -> None:
    upload = grants().sign(UploadGrant(KEY, grants().until(60), "image/png", 5))
    head, body, signature = upload.split(".")
    access = AccessTokens(SECRET, lambda: NOW, account_s=60, guest_s=60).for_account("x", "y")
    tokens = ["", "x", f"{head}.{body}.", f"{head}.{body}x.{signature}", access]
    tokens.append(grants().sign(DownloadGrant(KEY, grants().until(60), "image/png", "inline")))
    tokens.append(grants(secret=b"t" * 32).sign(UploadGrant(KEY, grants().until(60), "image/png", 5)))
    for token in tokens:
        with pytest.raises(Refused):
            grants().upload(token)
    with pytest.raises(Refused):
        grants().download(upload)
