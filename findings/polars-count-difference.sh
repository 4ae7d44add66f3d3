#!/usr/bin/env bash
# In Polars the item that lost the most views tops the list of trends.
#
# Expected: views this week minus views last week is negative for an item that lost views, as in
# pandas and DuckDB.
#
# Seen: len(), count(), n_unique() and the sum of a condition give UInt32, and a subtraction of two
# UInt32 columns wraps around with no error. An item that went from 2 views to 1 gets 4294967295 and
# ranks first. With a plain number (len - 2) the same happens. diff() on the same column is right,
# because it changes to a signed type.
#
# Why it matters: trends, lift, "support minus a shrinkage" and smoothed counts are all differences
# of counts. Spoken of in pola-rs/polars issues 15415 and 21540. Cast to Int64 first.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  polars==2.1.0
cd "$work"
venv/bin/python - <<'EOF'
import polars as pl

print("polars", pl.__version__)
views = pl.DataFrame({"item": list("abbcc" "aacc"), "week": [2] * 5 + [1] * 4})
views = pl.concat([views, pl.DataFrame({"item": ["b"], "week": [1]})])
counts = views.group_by("item").agg(
    now=(pl.col("week") == 2).sum(), before=(pl.col("week") == 1).sum(), all=pl.len()
)
trend = counts.with_columns(
    change=pl.col("now") - pl.col("before"),
    signed=pl.col("now").cast(pl.Int64) - pl.col("before"),
    shrunk=pl.col("all") - 4,
).sort("change", descending=True)
print(trend)
kinds = views.select(pl.len(), pl.col("week").count().alias("count"), pl.col("item").n_unique()).dtypes
assert kinds == [pl.UInt32] * 3
rows = {row["item"]: (row["now"], row["before"], row["change"], row["signed"], row["shrunk"]) for row in trend.to_dicts()}
assert trend["item"][0] == "a"
assert rows == {
    "a": (1, 2, 4294967295, -1, 4294967295),
    "b": (2, 1, 1, 1, 4294967295),
    "c": (2, 2, 0, 0, 0),
}
assert counts.sort("item")["all"].diff().to_list() == [None, 0, 1]
assert counts.sort("item", descending=True)["all"].diff().to_list() == [None, -1, 0]
EOF
