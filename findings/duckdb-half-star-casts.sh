#!/usr/bin/env bash
# DuckDB casts the same half stars to other integers when one more column is selected.
#
# Expected: rating::INTEGER of a CSV column has one value, whatever else the query selects.
#
# Seen: SELECT rating::INTEGER from a file of 0.5, 1.5, 2.5, 3.5, 4.5 gives 1 2 3 4 5. SELECT
# rating, rating::INTEGER gives 0 2 2 4 4 in the second column. With the cast alone DuckDB moves it
# into the CSV reader (EXPLAIN shows no projection), which parses the text as an integer and rounds
# halves up. Otherwise it casts the DOUBLE, which rounds halves to even. A table made from the file
# follows the second rule, an INSERT straight from the file or a literal 2.5 the first.
#
# Why it matters: MovieLens has half stars. Histograms, thresholds such as "4 and up" and training
# labels depend on how the query is written. A condition on a cast literal (2.5::INTEGER = 3) is
# tested with the other rule than the data.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  duckdb==2.0.1
cd "$work"
venv/bin/python - <<'EOF'
import duckdb

print("duckdb", duckdb.__version__)
with open("ratings.csv", "w") as out:
    out.write("rating\n0.5\n1.5\n2.5\n3.5\n4.5\n")


def column(query, place=-1):
    return [row[place] for row in duckdb.sql(query).fetchall()]


duckdb.sql("CREATE TABLE ratings AS FROM 'ratings.csv'")
duckdb.sql("CREATE TABLE inserted (rating INTEGER)")
duckdb.sql("INSERT INTO inserted SELECT rating FROM 'ratings.csv'")
seen = {
    "cast alone": column("SELECT rating::INTEGER FROM 'ratings.csv'"),
    "cast beside the column": column("SELECT rating, rating::INTEGER FROM 'ratings.csv'"),
    "cast from a table": column("SELECT rating::INTEGER FROM ratings"),
    "inserted": column("FROM inserted"),
    "literals": list(duckdb.sql("SELECT 0.5::INTEGER, 1.5::INTEGER, 2.5::INTEGER, 3.5::INTEGER, 4.5::INTEGER").fetchall()[0]),
}
for name, values in seen.items():
    print(name, values)
up, even = [1, 2, 3, 4, 5], [0, 2, 2, 4, 4]
assert seen == {
    "cast alone": up,
    "cast beside the column": even,
    "cast from a table": even,
    "inserted": up,
    "literals": up,
}
EOF
