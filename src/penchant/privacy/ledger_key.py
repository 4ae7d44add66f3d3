"""The key that signs a ledger: Ed25519, in a file that only its owner reads."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penchant.errors import DataError, MissingExtraError, ParameterError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIZE = 32  # bytes of a key
OTHERS = 0o077  # permissions that a key file must not have


@dataclass(frozen=True)
class LedgerKey:
    """Signs entries, and makes fingerprints of data that say nothing without it."""

    secret: bytes

    @classmethod
    def open(cls, file: Path, *, make: bool) -> LedgerKey:
        """Read the key, or ``make`` one where there is no file; raises ``DataError`` for anything else."""
        if make:
            try:
                handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                pass
            else:
                with os.fdopen(handle, "w", encoding="ascii") as out:
                    out.write(os.urandom(SIZE).hex() + "\n")
                    out.flush()
                    os.fsync(out.fileno())
        try:
            text = file.read_bytes()[: 4 * SIZE]
            shared = os.name == "posix" and file.stat().st_mode & OTHERS
        except OSError as wrong:
            raise DataError(
                f"the key of the ledger cannot be read ({wrong.strerror})", file=str(file),
                fix="Name it with --ledger-key; without it nothing is released.",
            ) from None  # fmt: skip
        if shared:
            raise ParameterError(f"{file} can be read by others: chmod 600 {file.name}")
        try:
            secret = bytes.fromhex(text.decode("ascii").strip())
        except ValueError:
            secret = b""
        if len(secret) != SIZE:
            raise DataError("this is not the key of a ledger: 64 hex digits", file=str(file))
        return cls(secret)

    def _private(self) -> Ed25519PrivateKey:
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        except ModuleNotFoundError as missing:
            raise MissingExtraError("privacy", "a signed ledger") from missing
        return Ed25519PrivateKey.from_private_bytes(self.secret)

    @property
    def public(self) -> str:
        """The public key in hex: it checks what this key signed."""
        return self._private().public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """The signature of a message in hex."""
        return self._private().sign(message).hex()

    def fingerprint(self, data: bytes) -> str:
        """A keyed hash of data."""
        own = hashlib.sha256(b"penchant ledger fingerprint\0" + self.secret).digest()
        return hmac.digest(own, data, "sha256").hex()


def is_signed(public: str, message: bytes, signature: str) -> bool:
    """Whether the holder of the key behind ``public`` signed a message."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ModuleNotFoundError as missing:
        raise MissingExtraError("privacy", "a signed ledger") from missing
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
