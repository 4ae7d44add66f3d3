#!/usr/bin/env bash
# DuckDB turns 64-bit hash ids into floats on the way from CSV to Parquet.
#
# Expected: COPY (FROM 'ids.csv') TO 'ids.parquet' keeps the ids. DuckDB itself reads them exactly
# from the CSV and counts three users.
#
# Seen: ids from 2**63 up are read as HUGEINT. The Parquet writer stores a HUGEINT as DOUBLE, so the
# three users become one, and a join of the two files gives nine rows for three. .df() gives float64
# as well. Only .pl() and Arrow keep the ids.
#
# Why it matters: user and item ids are often unsigned 64-bit hashes, and half of them are above
# 2**63. Histories of different users are merged without an error. duckdb/duckdb issue 21180 speaks
# of the Parquet writer. Cast to UBIGINT first.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  duckdb==2.0.1 pandas==3.1.1 numpy==2.4.6 polars==2.1.0 pyarrow==26.0.1
cd "$work"
venv/bin/python - <<'EOF'
import duckdb

print("duckdb", duckdb.__version__)
with open("ids.csv", "w") as out:
    out.write("user,item\n")
    for user in range(9223372036854775809, 9223372036854775812):
        out.write(f"{user},1\n")
duckdb.sql("COPY (FROM 'ids.csv') TO 'ids.parquet'")
duckdb.sql("COPY (SELECT user::UBIGINT AS user, item FROM 'ids.csv') TO 'cast.parquet'")


def users(file):
    kind = duckdb.sql(f"SELECT user FROM '{file}'").types[0]
    return str(kind), duckdb.sql(f"SELECT count(DISTINCT user) FROM '{file}'").fetchall()[0][0]


seen = {file: users(file) for file in ("ids.csv", "ids.parquet", "cast.parquet")}
joined = duckdb.sql("SELECT count(*) FROM 'ids.csv' c JOIN 'ids.parquet' p ON c.user = p.user").fetchall()[0][0]
frames = {
    "pandas": duckdb.sql("FROM 'ids.csv'").df()["user"].nunique(),
    "polars": duckdb.sql("FROM 'ids.csv'").pl()["user"].n_unique(),
}
print(seen, "rows of the join:", joined, "users in a frame:", frames)
assert seen == {"ids.csv": ("HUGEINT", 3), "ids.parquet": ("DOUBLE", 1), "cast.parquet": ("UBIGINT", 3)}
assert joined == 9
assert frames == {"pandas": 1, "polars": 3}
EOF
