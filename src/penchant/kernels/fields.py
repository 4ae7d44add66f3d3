"""Numbers in lines of delimited text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import kernel

B1 = NDArray[np.bool_]
F64 = NDArray[np.float64]
I8 = NDArray[np.int8]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

SKIPPED, WHOLE, DECIMAL = 0, 1, 2  # what a field is read as
ROUGH = -1  # the lines are not what ``plain_numbers`` reads


@kernel
def plain_numbers(
    data: U8,  # lines that end in a line feed, the last one perhaps at the end of the data
    separator: int,
    kinds: I8,  # (fields,) SKIPPED, WHOLE or DECIMAL
    places: I64,  # (fields,) the row of ``whole`` or ``decimal`` that a field goes to
    powers: F64,  # 1, 10, 100, ... 1e18
    whole: I64,  # (columns, rows)
    decimal: F64,  # (columns, rows)
    failed: B1,  # (fields,) out: fields with a cell that is not written plainly
    shortest: I64,  # (1,) out: bytes of the shortest last field
) -> int:
    """Read the numbers of some fields of every line; return the number of lines.

    A whole number is written plainly if its text is the only one for it: no sign but a minus, no zeros in front, at
    most 18 digits. A decimal number has at most 15 digits, so a single division rounds it correctly, and at most
    nine before the point. ``ROUGH`` if a line has another number of fields, a quote or a carriage return, or if a cell
    is not written plainly.
    """
    n_fields, size, room = kinds.shape[0], data.shape[0], max(whole.shape[1], decimal.shape[1])
    at, row, rough = 0, 0, False
    while at < size:
        if row == room:
            return ROUGH
        for field in range(n_fields):
            kind = kinds[field]
            number, digits, after, plain = np.int64(0), 0, -1, True
            begin = at
            minus = at < size and data[at] == 45
            if minus and kind != SKIPPED:
                at += 1
            start = at
            while at < size:
                sign = data[at]
                if sign in (separator, 10):
                    break
                if sign in (34, 13):
                    return ROUGH
                if kind != SKIPPED:
                    digit = np.int64(sign) - 48
                    if 0 <= digit <= 9:
                        digits += 1
                        if digits <= 18:
                            number = 10 * number + digit
                    elif sign == 46 and kind == DECIMAL and after < 0 and digits > 0:
                        after = digits
                    else:
                        plain = False
                at += 1
            if field < n_fields - 1:
                if at >= size or data[at] == 10:
                    return ROUGH
            elif at < size and data[at] == separator:
                return ROUGH
            else:
                shortest[0] = min(shortest[0], at - begin)
            at += 1
            if kind == WHOLE:
                zero = data[start] == 48 if digits > 0 else False
                if not plain or digits == 0 or digits > 18 or (zero and (digits > 1 or minus)):
                    failed[field] = rough = True
                whole[places[field], row] = -number if minus else number
            elif kind == DECIMAL:
                odd = digits == 0 or digits > 15 or after == digits or (minus and number == 0)
                after = after if after >= 0 else digits
                if not plain or odd or after > 9:
                    failed[field] = rough = True
                else:
                    value = np.float64(number) / powers[digits - after]
                    decimal[places[field], row] = -value if minus else value
        row += 1
    return ROUGH if rough else row
