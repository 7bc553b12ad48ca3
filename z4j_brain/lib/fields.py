"""Texts that the database must hold but not show: encrypted with a key of their own, which is not in it."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def encrypt(text: str) -> str:
    return _cipher(settings.Z4J_FIELD_SECRET).encrypt(text.encode()).decode()


def decrypt(sealed: str) -> str:
    """Raises InvalidToken for what was encrypted with another key, or tampered with."""
    return _cipher(settings.Z4J_FIELD_SECRET).decrypt(sealed.encode()).decode()


@cache
def _cipher(secret: str) -> Fernet:
    key = HKDF(SHA256(), 32, salt=None, info=b"z4j/fields/v1").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
