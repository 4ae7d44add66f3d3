#!/usr/bin/env bash
# LightGBM's NDCG is 1 for a group in which nothing is relevant.
#
# Expected: a user without a relevant item adds 0 to the mean NDCG, as in scikit-learn, or is left
# out.
#
# Seen: LightGBM counts such a group as a perfect 1. Here the only user with a relevant item has it
# ranked last, so NDCG@1 is 0. With nine more users who clicked nothing LightGBM reports 0.9,
# scikit-learn 0.0. MAP does the same.
#
# Why it matters: most impressions of a recommender end without a click. The validation score that
# early stopping and tuning look at sits near 1, moves little, and differs from that of most
# evaluators. It also rises when more empty users are added. XGBoost does the same, but has a switch
# for it ("ndcg@5-").
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  lightgbm==4.7.0 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cd "$work"
venv/bin/python - <<'EOF'
import lightgbm as lgb
import numpy as np
from sklearn.metrics import ndcg_score

print("lightgbm", lgb.__version__)
# The feature says which item is good, and the ranker learns it.
features = np.tile([[0.0], [0.0], [1.0], [1.0]], (10, 1))
model = lgb.LGBMRanker(n_estimators=1, min_child_samples=1, verbose=-1)

# One validation user clicks an item that the model ranks last; the nine others click nothing.
first = np.array([[1.0], [1.0], [1.0], [0.0]])
labels = np.zeros((10, 4), dtype=int)
labels[0] = [0, 0, 0, 1]
seen = {}
for users in (1, 10):
    model.fit(
        features,
        np.tile([0, 0, 1, 1], 10),
        group=[4] * 10,
        eval_X=np.tile(first, (users, 1)),
        eval_y=labels[:users].ravel(),
        eval_group=[[4] * users],
        eval_at=[1],
        eval_metric=["ndcg", "map"],
    )
    (scores,) = model.evals_result_.values()
    predicted = model.predict(np.tile(first, (users, 1))).reshape(users, 4)
    seen[users] = (
        round(float(scores["ndcg@1"][-1]), 6),
        round(float(scores["map@1"][-1]), 6),
        float(ndcg_score(labels[:users], predicted, k=1)),
    )
    print(users, "users: LightGBM ndcg@1, map@1, scikit-learn ndcg@1 =", seen[users])
assert seen == {1: (0.0, 0.0, 0.0), 10: (0.9, 0.9, 0.0)}
EOF
