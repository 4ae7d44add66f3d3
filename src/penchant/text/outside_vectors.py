"""Vectors by a function of the operator. A folder remembers that there was one, and never which code it was."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats
from penchant.errors import DataError, FormatError
from penchant.text.clean import cleaned
from penchant.text.encoder import unit

MOST_SIZE = 8192
log = logging.getLogger("penchant.text")


@dataclass(eq=False)
class OutsideVectors:
    """What a function from a list of texts to an array ``(texts, size)`` returns, scaled to length one.

    While a catalogue is encoded, its errors are raised. Afterwards a failing function, or one that returns another
    size, gives zeros: ``failures`` counts the texts, and the first failure is logged.
    """

    name = "outside"
    size: int
    function: Callable[[list[str]], Any] | None
    failures: int = 0
    strict: bool = False
    _told: bool = field(default=False, repr=False)

    @classmethod
    def of_function(cls, function: Callable[[list[str]], Any]) -> OutsideVectors:
        """Wrap a function; it is called once to learn the size. Raises ``DataError`` if it fails."""
        made = cls(0, function, strict=True)
        first = made._call(["text"])
        made.size = first.shape[1]
        return made

    def _call(self, texts: list[str]) -> NDArray[np.float32]:
        if self.function is None:
            raise DataError("texts became vectors by a function of the operator, which was not given at load")
        try:
            vectors = np.asarray(self.function(texts), dtype=np.float32)
        except Exception as wrong:
            raise DataError(f"the encoder of texts failed ({type(wrong).__name__}: {str(wrong)[:200]})") from wrong
        wanted = (len(texts), self.size or (vectors.shape[1] if vectors.ndim == 2 else 0))
        if vectors.shape != wanted or not 1 <= wanted[1] <= MOST_SIZE:
            raise DataError(f"the encoder of texts returned an array of shape {vectors.shape}, not {wanted}")
        if not np.isfinite(vectors).all():
            raise DataError("the encoder of texts returned numbers that are not finite")
        return vectors

    def encode(self, texts: Sequence[object]) -> Floats:
        """A vector of length one for each text, ``(texts, size)``; zeros for an empty one, and where it fails."""
        spoken = [cleaned(text) for text in texts]
        said = [at for at, text in enumerate(spoken) if text]
        out = np.zeros((len(spoken), self.size), dtype=np.float32)
        if not said:
            return out
        try:
            out[said] = unit(self._call([spoken[at] for at in said]))
        except DataError as wrong:
            if self.strict:
                raise
            self.failures += len(said)
            if not self._told:
                self._told = True
                log.warning("texts have no vectors", extra={"data": {"reason": str(wrong)}})
        return out

    def to_json(self) -> dict[str, Any]:
        """What a folder remembers: the size."""
        return {"name": self.name, "size": self.size}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Nothing."""
        return {}

    @classmethod
    def of(cls, data: Mapping[str, Any], function: Callable[[list[str]], Any] | None) -> OutsideVectors:
        """What was saved, with the function of the operator; raises ``FormatError`` for another content."""
        size = data.get("size")
        if type(size) is not int or not 1 <= size <= MOST_SIZE:
            raise FormatError("vectors by a function of the operator: the size is not a whole number")
        return cls(size, function)
