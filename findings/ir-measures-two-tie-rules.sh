#!/usr/bin/env bash
# ir_measures gives RR = 0.5 and RR@10 = 1.0 for the same list of two items.
#
# Expected: with only two items in the list, a cut-off at 10 changes nothing, so RR and RR@10 are
# equal.
#
# Seen: one call hands the measures to different back ends. RR goes to pytrec_eval, which breaks
# ties by id, as text, highest first ("9" before "10"). RR@10 goes to another one, which puts the
# lower id first. Both items have the same score here, so the list is evaluated in two orders. P@1
# is 0 while RR@10 is 1.
#
# Why it matters: recommenders tie often (popularity counts, co-occurrences, a new user). A table of
# measures from one call may then describe two different rankings. terrierteam/ir_measures issue 18
# speaks of ties; make scores distinct first.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  ir_measures==0.4.3 pytrec-eval-terrier==0.5.11 numpy==2.4.6
cd "$work"
venv/bin/python - <<'EOF'
from importlib.metadata import version

import ir_measures
from ir_measures import RR, P, Qrel, ScoredDoc, Success, nDCG

print("ir_measures", version("ir_measures"), "pytrec-eval-terrier", version("pytrec-eval-terrier"))
truth = [Qrel("user", "10", 1)]
ranked = [ScoredDoc("user", "9", 1.0), ScoredDoc("user", "10", 1.0)]
for order in (ranked, ranked[::-1]):
    found = ir_measures.calc_aggregate([RR, RR @ 10, P @ 1, Success @ 1, nDCG @ 1], truth, order)
    seen = {str(measure): value for measure, value in sorted(found.items(), key=lambda pair: str(pair[0]))}
    print(seen)
    assert seen == {"P@1": 0.0, "RR": 0.5, "RR@10": 1.0, "Success@1": 0.0, "nDCG@1": 0.0}
# Distinct scores: both agree.
found = ir_measures.calc_aggregate([RR, RR @ 10], truth, [ScoredDoc("user", "9", 1.0), ScoredDoc("user", "10", 0.5)])
assert set(found.values()) == {0.5}
EOF
