"""Variables of the environment that look like settings and are none: a misspelt one must not be passed over."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from penchant.errors import ParameterError

PREFIX = "PENCHANT_"
OTHERS = ("cache", "kernels", "pipe_timeout", "sql_url")  # read by other parts of Penchant
LIKENESS = 0.75  # from which a name counts as a misspelling; those that Kubernetes sets are further off


def check_names(environment: Mapping[str, str], settings: Iterable[str]) -> list[str]:
    """The variables ``PENCHANT_...`` that nothing reads. Raises ``ParameterError`` for one that is almost a setting."""
    known = {f"{PREFIX}{name.upper()}" for name in (*settings, *OTHERS)}
    unread = [name for name in sorted(environment) if name.upper().startswith(PREFIX) and name not in known]
    bare = {name.removeprefix(PREFIX): name for name in known}
    for name in unread:
        near = difflib.get_close_matches(name.upper().removeprefix(PREFIX), bare, n=1, cutoff=LIKENESS)
        if near:
            raise ParameterError(f"the environment has {name}, which is no setting; {bare[near[0]]} is one")
    return unread
