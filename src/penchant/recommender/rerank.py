"""The operator's own order of the items for a stated need, such as that of a language model: bounded, and checked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.errors import ParameterError

if TYPE_CHECKING:
    from penchant.core.histories import Histories
    from penchant.recommender.answer import Answer
    from penchant.recommender.held import Held

SECONDS = 1.0  # that the function may take
AT_ONCE = 4  # calls that may run; one that never returns keeps its place
NEWEST = 50  # events of the history that the function is told of
Named = Mapping[str, Any]  # {"item": id, "title": text or None}
Function = Callable[[str, list[Named], list[Named]], Sequence[Any]]
log = logging.getLogger("penchant.rerank")


@dataclass(eq=False)
class Reranker:
    """Orders the items of an answer by ``function(need, items, history)``, which returns ids, best first.

    ``items`` and ``history`` (oldest event first) are lists of ``{"item", "title"}``; nothing says whose they are.
    Items that it does not name follow in their old order, and scores stay as they were. Where it fails, takes longer
    than ``seconds``, or names an item twice or one that is not in the list, the answer stays as it was, and
    ``degraded`` says so. Raises ``ParameterError`` for what cannot be called, and for a limit that is not above 0.
    """

    function: Function
    seconds: float = SECONDS
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE), repr=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ParameterError(f"rerank is a function, not {type(self.function).__name__}")
        if not 0 < self.seconds < float("inf"):
            raise ParameterError(f"the seconds of rerank are a number above 0, not {self.seconds}")

    @classmethod
    def of(cls, function: Reranker | Function) -> Reranker:
        """One with the usual limit, unless it is one already."""
        return function if isinstance(function, Reranker) else cls(function)

    def __call__(self, answer: Answer, need: str, given: Histories, names: Held) -> Answer:
        """The answer in the order of the function."""
        if len(answer) < 2:
            return answer
        newest = given.items[-NEWEST:].tolist()
        history: list[Named] = [{"item": names.vocab.external(at), "title": names.title(at)} for at in newest]
        listed: list[Named] = [{"item": one.item, "title": one.title} for one in answer]
        try:
            order = _checked(self._asked(need, listed, history), answer.ids)
        except _Failed as why:
            log.warning("a list was not reranked", extra={"data": {"reason": str(why)}})
            said = f"the list is not reranked: {why}"
            return replace(answer, degraded=said if answer.degraded is None else f"{answer.degraded}; {said}")
        return replace(answer, items=[answer.items[at] for at in order])

    def _asked(self, need: str, listed: list[Named], history: list[Named]) -> Any:
        """What the function returns; raises ``_Failed``."""
        if not self._free.acquire(blocking=False):
            raise _Failed(f"{AT_ONCE} calls of the function have not ended yet")
        found: list[Any] = []
        wrong: list[BaseException] = []

        def work() -> None:
            try:
                found.append(self.function(need, listed, history))
            except BaseException as error:  # noqa: BLE001  # the function is not ours
                wrong.append(error)
            finally:
                self._free.release()

        thread = threading.Thread(target=work, name="penchant-rerank", daemon=True)
        thread.start()
        thread.join(self.seconds)
        if wrong:
            raise _Failed(f"the function failed ({type(wrong[0]).__name__}: {str(wrong[0])[:200]})")
        if not found:
            raise _Failed(f"the function took longer than {self.seconds:g} s")
        return found[0]


class _Failed(Exception):  # noqa: N818  # it says why a list stays as it was
    """The function gave no order."""


def _checked(said: Any, ids: Sequence[str | int]) -> list[int]:
    """The places of the items in the order that was said, the others behind them; raises ``_Failed``."""
    if isinstance(said, (str, bytes, Mapping)) or not isinstance(said, (Sequence, np.ndarray)):
        raise _Failed(f"the function returned {type(said).__name__}, not a list of ids")
    if len(said) > len(ids):
        raise _Failed(f"the function returned {len(said)} ids of {len(ids)} items")
    places = {str(one): at for at, one in enumerate(ids)}
    order: dict[int, None] = {}
    for one in said:
        at = places.get(str(one))
        if at is None:
            raise _Failed(f"the function returned {str(one)[:40]!r}, which is not in the list")
        if at in order:
            raise _Failed(f"the function returned {str(one)[:40]!r} twice")
        order[at] = None
    return [*order, *(at for at in range(len(ids)) if at not in order)]
