"""Vectors from embeddings of word pieces that a wheel ships: English first of all, and nothing is downloaded."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats
from penchant.errors import FormatError, MissingExtraError
from penchant.text.clean import cleaned
from penchant.text.encoder import Arrays, unit

EXTRA = "text"
PACKAGE = "wordllama"  # its data files are read; importing it would set up logging and a downloader
TABLE, TOKENIZER = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"
ROWS = 1024  # texts that are encoded at a time
MOST_BYTES = 2**26  # of a saved tokenizer


@dataclass(frozen=True, eq=False)
class StaticVectors:
    """v = the mean of the vectors of a text's word pieces, scaled to length one.

    The table is that of WordLlama (MIT licence): token embeddings of language models, trained further for similarity
    of sentences. It is saved with the recommender, 16 MB.
    """

    name = "static"
    table: NDArray[np.float16]  # (pieces, size)
    tokenizer: bytes  # JSON
    _pieces: Any = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """The length of a vector."""
        return int(self.table.shape[1])

    @classmethod
    def installed(cls) -> StaticVectors:
        """That of the installed wheel; raises ``MissingExtraError`` without it."""
        found = importlib.util.find_spec(PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise MissingExtraError(EXTRA, "static embeddings of texts")
        root = Path(found.submodule_search_locations[0])
        from safetensors.numpy import load_file

        (table,) = load_file(root / TABLE).values()
        return cls._of(table.astype(np.float16), (root / TOKENIZER).read_bytes())

    @classmethod
    def _of(cls, table: NDArray[np.float16], tokenizer: bytes) -> StaticVectors:
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise MissingExtraError(EXTRA, "static embeddings of texts") from None
        pieces = Tokenizer.from_str(tokenizer.decode("utf-8"))
        pieces.no_truncation()
        pieces.no_padding()
        return cls(table, tokenizer, pieces)

    def encode(self, texts: Sequence[object]) -> Floats:
        """A vector of length one for each text, ``(texts, size)``; zeros for an empty one."""
        made = [np.empty((0, self.size), np.float32)]
        for lo in range(0, len(texts), ROWS):
            found = self._pieces.encode_batch([cleaned(one) for one in texts[lo : lo + ROWS]], add_special_tokens=False)
            sums = np.zeros((len(found), self.size), np.float32)
            for row, one in enumerate(found):
                ids = np.asarray(one.ids, dtype=np.int64)
                sums[row] = self.table[ids[ids < len(self.table)]].astype(np.float32).sum(axis=0)
            made.append(unit(sums))
        return np.concatenate(made)

    def to_json(self) -> dict[str, Any]:
        """What made it, as plain JSON values."""
        return {"name": self.name, "size": self.size, "made": TABLE}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The table, and the tokenizer as bytes."""
        return {"table": self.table, "tokenizer": np.frombuffer(self.tokenizer, dtype=np.uint8)}

    @classmethod
    def of(cls, data: Mapping[str, Any], arrays: Arrays) -> StaticVectors:
        """What was saved; raises ``FormatError`` for anything else."""
        if set(arrays) != {"table", "tokenizer"} or arrays["table"].ndim != 2 or arrays["table"].dtype != np.float16:
            raise FormatError("static vectors: other arrays than were saved")
        if arrays["table"].shape[1] != data.get("size") or arrays["tokenizer"].nbytes > MOST_BYTES:
            raise FormatError("static vectors: the arrays do not fit together")
        content = bytes(arrays["tokenizer"])
        try:
            json.loads(content)
            return cls._of(arrays["table"], content)
        except MissingExtraError:
            raise
        except Exception as wrong:  # noqa: BLE001  # the tokenizer raises its own, without a base class
            raise FormatError(f"static vectors: the tokenizer cannot be read ({str(wrong)[:80]})") from None
