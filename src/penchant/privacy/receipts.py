"""Receipts of erasures, signed with Ed25519: whoever has the public key can check that a receipt is ours and whole."""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penchant.errors import DataError, MissingExtraError, ParameterError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM, SIGNATURE = "Ed25519", "signature"
COVERED = (
    "rows of the store: events, attributes, shown lists, choices",
    "queued shown lists, and page tokens, which are refused afterwards",
    "files of the store and its log, rewritten when files is clean; in PostgreSQL by its VACUUM and its log",
    "corrected models with their statistics, copies and indexes; pending ones until they are replaced",
    "interrupted trainings, which start again on other data; metrics and logs, which hold no person",
)
NOT_COVERED = (
    "backups: a restored one is cleaned by the ledger of erasures, the file itself is yours to delete",
    "exported logs and lists, checkpoints and folders outside the folder of models",
    "ids in the logs of a proxy, and whatever was sent on",
)


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as missing:
        raise MissingExtraError("privacy", "signed receipts") from missing
    return serialization, ed25519


def make_key(file: str | Path) -> str:
    """Write a new private key to a new file, mode 0600; returns the public key in hexadecimal. Raises
    ``ParameterError`` for a file that exists."""
    serialization, ed25519 = _library()
    key = ed25519.Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ParameterError(f"{file} exists: a new key needs a new name") from None
    with os.fdopen(handle, "wb") as opened:
        opened.write(text)
    return _public(key.public_key())


def read_private(file: str | Path) -> Ed25519PrivateKey:
    """The private key of a file; raises ``DataError``."""
    serialization, ed25519 = _library()
    try:
        key = serialization.load_pem_private_key(Path(file).read_bytes(), None)
    except OSError as wrong:
        raise DataError(f"the key of receipts cannot be read ({wrong.strerror})", file=str(file)) from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise DataError("is no private key of Ed25519", file=str(file), fix="penchant privacy key FILE makes one.")
    found: Ed25519PrivateKey = key
    return found


def public_of(file: str | Path | None = None, text: str | None = None) -> Ed25519PublicKey:
    """A public key from a file with the private key, or from its text in hexadecimal; raises ``InputError``."""
    if file is not None:
        return read_private(file).public_key()
    _, ed25519 = _library()
    try:
        found: Ed25519PublicKey = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(text or ""))
    except ValueError:
        raise ParameterError("a public key is 64 hexadecimal digits, as penchant privacy key prints them") from None
    return found


def sign(receipt: Mapping[str, Any], key: Ed25519PrivateKey | None) -> dict[str, Any]:
    """The receipt with its signature, which is null without a key."""
    bare = {name: value for name, value in receipt.items() if name != SIGNATURE}
    if key is None:
        return {**bare, SIGNATURE: None}
    signed = {
        "algorithm": ALGORITHM, "public_key": _public(key.public_key()),
        "value": b64encode(key.sign(_bytes(bare))).decode(),
    }  # fmt: skip
    return {**bare, SIGNATURE: signed}


def verify(receipt: Mapping[str, Any], key: Ed25519PublicKey) -> None:
    """Raises ``DataError`` unless a receipt was signed by a key and is unchanged."""
    from cryptography.exceptions import InvalidSignature

    signed: Any = receipt.get(SIGNATURE)
    if signed is None:
        raise DataError("the receipt is not signed", fix="Set receipt_key, and erase again.")
    other = isinstance(signed, dict) and signed.get("public_key") != _public(key)
    if other:
        raise DataError("the receipt was signed with another key")
    try:
        bare = {name: value for name, value in receipt.items() if name != SIGNATURE}
        key.verify(b64decode(signed["value"], validate=True), _bytes(bare))
    except (InvalidSignature, KeyError, TypeError, ValueError):
        raise DataError("the receipt was changed after it was signed, or is none") from None


def read_receipt(file: str | Path) -> dict[str, Any]:
    """The receipt in a file; raises ``DataError``."""
    try:
        found = json.loads(Path(file).read_bytes())
    except OSError as wrong:
        raise DataError(f"cannot be read ({wrong.strerror})", file=str(file)) from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("hash"), str):
        raise DataError("is not a receipt of an erasure", file=str(file))
    return found


def _public(key: Ed25519PublicKey) -> str:
    return key.public_bytes_raw().hex()


def _bytes(document: Mapping[str, Any]) -> bytes:
    """One spelling of a document: sorted keys, no spaces, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
