#!/usr/bin/env bash
# One null in one user's list turns the item ids of every other user into floats.
#
# Expected: to_pandas() of a list<int64> column gives each row its own array. A list with a null may
# become float, as a plain column with a null does. The other lists stay int64.
#
# Seen: pyarrow looks for nulls in the values of the whole column. A single one makes every list
# float64, those without a null too, and those in other chunks or row groups. Two ids next to each
# other above 2**53 become one. The type of one user's ids depends on the other users of the file.
#
# Why it matters: lists per user or session are the usual form of Parquet training data, one null
# (an item withdrawn from the catalogue) is ordinary, and str(id) or a dictionary of ids then misses
# for users whose rows look fine. Spoken of in apache/arrow issue 26482.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
cd "$work"
venv/bin/python - <<'EOF'
import pyarrow as pa

print("pyarrow", pa.__version__)
big, near = 2**53 + 1, 2**53
clean = pa.table({"items": pa.array([[big, near]], pa.list_(pa.int64()))})
broken = pa.table({"items": pa.array([[7, None]], pa.list_(pa.int64()))})


def first_row(table):
    row = table.to_pandas()["items"][0]
    return str(row.dtype), len(set(row.tolist()))


two_chunks = pa.concat_tables([clean, broken])
seen = {
    "alone": first_row(clean),
    "a null in another chunk": first_row(two_chunks),
    "a null in the same chunk": first_row(two_chunks.combine_chunks()),
}
print(seen)
assert seen == {
    "alone": ("int64", 2),
    "a null in another chunk": ("float64", 1),
    "a null in the same chunk": ("float64", 1),
}
EOF
