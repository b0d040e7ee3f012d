"""Texts that strangers carry for the bridge, sealed, so that it need keep nothing of theirs."""

import hashlib

from itsdangerous import BadData, URLSafeTimedSerializer

from bridge.models import Json

KEY_BYTES = 32


def seal(told: Json, key: bytes, kind: str) -> str:
    """Return a text for addresses that says `told`; only who has the key can make one.

    It is signed (HMAC-SHA256) and not encrypted: who carries it may read it.
    """
    return _serializer(key, kind).dumps(told)


def unseal(text: str, key: bytes, kind: str, max_age_s: int | None = None) -> Json:
    """Return what a sealed text of the kind says; None for any other, and for one too old.

    Nothing of it is read before its seal has proved whole. Several texts may say the same, for
    base64 has more than one form.
    """
    try:
        told: Json = _serializer(key, kind).loads(text, max_age=max_age_s)
    except BadData:
        return None
    return told


def _serializer(key: bytes, kind: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key, salt=kind, signer_kwargs={"digest_method": hashlib.sha256})
