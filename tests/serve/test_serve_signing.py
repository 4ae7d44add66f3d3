"""Signed texts: only the holder of the secret can make or change one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penchant.serve.common.signing import sign, unsign


@given(
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), max_size=4),
    st.integers(0, 500),
    st.integers(1, 255),
)
def test_a_signed_text_cannot_be_changed(document: dict[str, object], at: int, change: int) -> None:
    token = sign(b"secret", "page", document)
    assert unsign(b"secret", "page", token) == document
    assert unsign(b"secret", "cookie", token) is None
    assert unsign(b"other", "page", token) is None
    place = at % len(token)
    changed = token[:place] + chr(33 + (ord(token[place]) + change) % 90) + token[place + 1 :]
    found = unsign(b"secret", "page", changed)
    assert found is None or found == document  # the last character has bits that nothing depends on
