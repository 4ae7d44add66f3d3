#!/usr/bin/env bash
# Cornac's AUC is 0 for a model that cannot tell items apart.
#
# Expected: a constant score has AUC 0.5, since a tie counts one half.
#
# Seen: Cornac counts only pairs in which the relevant item scores strictly higher. A tie counts as
# lost. MostPop on a training set in which each item has one event scores all items alike and gets
# AUC 0.0, worse than random.
#
# Why it matters: popularity and neighbourhood models tie all along the tail, where scores are small
# counts or 0. Their AUC is pushed down beside factor models, which almost never tie. scikit-learn
# gives 0.5 for the same scores.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  cornac==3.0.1 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.8.0
cd "$work"
venv/bin/python - <<'EOF'
import warnings

warnings.filterwarnings("ignore")
import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):  # Cornac talks at import
    import cornac
    from cornac.eval_methods import BaseMethod
    from cornac.metrics import AUC
    from cornac.models import MostPop
from sklearn.metrics import roc_auc_score

print("cornac", cornac.__version__)
train = [("u1", "i1", 1.0), ("u2", "i2", 1.0), ("u3", "i3", 1.0), ("u4", "i4", 1.0)]
test = [("u1", "i2", 1.0), ("u2", "i3", 1.0), ("u3", "i4", 1.0), ("u4", "i1", 1.0)]
method = BaseMethod.from_splits(train_data=train, test_data=test)
model = MostPop()
result, _ = method.evaluate(model, [AUC()], user_based=True)
seen = float(result.metric_avg_results["AUC"])
scores = model.score(0).tolist()
print("scores", scores, "Cornac's AUC", seen, "scikit-learn's", roc_auc_score([1, 0, 0], scores[:3]))
assert len(set(scores)) == 1
assert seen == 0.0
assert roc_auc_score([1, 0, 0], scores[:3]) == 0.5
EOF
