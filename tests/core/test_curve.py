"""How a summed weight counts."""

from __future__ import annotations

import numpy as np
import pytest

from penchant.core.curve import Curve
from penchant.errors import ParameterError

SUMS = np.array([-3.0, 0.0, 0.5, 7.0], np.float32)


@pytest.mark.parametrize(
    ("curve", "counted"),
    [
        (Curve("raw"), [-3, 0, 0.5, 7]),
        (Curve("raw", 2.0), [-3, 0, 0.5, 7]),
        (Curve("binary"), [-1, 0, 1, 1]),
        (Curve("log"), [-np.log(4), 0, np.log(1.5), np.log(8)]),
        (Curve("log", 2.0), [-np.log(3), 0, np.log(1.5), np.log(3)]),
    ],
)
def test_the_shapes(curve: Curve, counted: list[float]) -> None:
    found = curve.of(SUMS)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, counted, rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "cap", "says"),
    [
        ("root", None, "weights count 'raw', 'log' or 'binary', not 'root'"),
        ("log", 0.0, "the cap of weights must be a finite number above 0, not 0.0"),
        ("log", -1.0, "the cap of weights must be a finite number above 0, not -1.0"),
        ("log", float("inf"), "the cap of weights must be a finite number above 0, not inf"),
    ],
)
def test_what_is_not_a_curve_is_refused(shape: str, cap: float | None, says: str) -> None:
    with pytest.raises(ParameterError) as refused:
        Curve(shape, cap)  # type: ignore[arg-type]  # that is the test
    assert str(refused.value) == says
