#!/usr/bin/env bash
# pytrec_eval ranks by float32 scores: a "most recent first" baseline loses its order.
#
# Expected: scores are Python floats, so a list scored by unix time is ranked by time. The newest
# item is the relevant one: reciprocal rank 1.
#
# Seen: trec_eval, which pytrec_eval wraps, keeps a score as a C float. Times within about two
# minutes become equal, and ties go by item id, as text, highest first. The newest item comes last:
# reciprocal rank 0.25. The same happens to play counts above 16,777,216.
#
# Why it matters: recency and popularity are the baselines that every recommender is compared with.
# They come out too weak or too strong by the spelling of the ids. usnistgov/trec_eval issue 34
# speaks of the float; evaluate ranks, not raw scores.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  pytrec-eval-terrier==0.5.11 numpy==2.4.6
cd "$work"
venv/bin/python - <<'EOF'
from importlib.metadata import version

import pytrec_eval

print("pytrec-eval-terrier", version("pytrec-eval-terrier"))
evaluator = pytrec_eval.RelevanceEvaluator({"user": {"item-1": 1}}, {"recip_rank"})


def reciprocal_rank(scores):
    return evaluator.evaluate({"user": scores})["user"]["recip_rank"]


times = {"item-1": 1_700_000_060.0, "item-2": 1_700_000_040.0, "item-3": 1_700_000_020.0, "item-4": 1_700_000_000.0}
plays = {"item-1": 16_777_217.0, "item-2": 16_777_216.0}
ranks = {item: -float(place) for place, item in enumerate(sorted(times, key=times.get, reverse=True))}
seen = {"times": reciprocal_rank(times), "plays": reciprocal_rank(plays), "ranks": reciprocal_rank(ranks)}
print(seen)
assert seen == {"times": 0.25, "plays": 0.5, "ranks": 1.0}
EOF
