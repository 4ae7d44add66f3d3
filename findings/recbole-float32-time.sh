#!/usr/bin/env bash
# RecBole holds out an event that is not the last.
#
# Expected: eval_args order TO with split LS (leave one out) tests each user's last event. The data
# set keeps timestamps as float64, which holds unix seconds exactly.
#
# Seen: RecBole turns the timestamp column into float32 before it sorts. Near 1.7e9 one step of
# float32 is 128 seconds, so events within two minutes tie and their order in time is lost. Here
# each user has six events, 20 seconds apart. The last one is i0, but the test event is i1 for
# everyone.
#
# Why it matters: sessions have many events a minute, so "leave the last out" trains on the future
# and tests on the past. No warning. Spoken of in RUCAIBox/RecBole issues 1653 and 2204.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.13.0 recbole==1.2.1 'setuptools<80' 'numpy==1.26.4' 'scipy==1.13.1' 'pandas==2.3.3'
cd "$work"
venv/bin/python - <<'EOF'
import logging
import os
import warnings

warnings.filterwarnings("ignore")
import recbole
import torch
from recbole.config import Config
from recbole.data import create_dataset

print("recbole", recbole.__version__, "torch", torch.__version__)
os.makedirs("data/toy")
with open("data/toy/toy.inter", "w") as out:
    out.write("user_id:token\titem_id:token\ttimestamp:float\n")
    for user in range(3):
        for item in range(6):  # i5 comes first, i0 last
            out.write(f"u{user}\ti{item}\t{1_700_000_000 + 20 * (5 - item)}\n")

logging.disable(logging.CRITICAL)
config = Config(
    model="BPR",
    dataset="toy",
    config_dict={
        "data_path": "data",
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {
            "split": {"LS": "valid_and_test"},
            "order": "TO",
            "group_by": "user",
            "mode": "full",
        },
    },
)
dataset = create_dataset(config)
loaded = str(dataset.inter_feat["timestamp"].dtype)
test = dataset.build()[2].inter_feat
held_out = dataset.id2token("item_id", test["item_id"].numpy()).tolist()
print("loaded as", loaded, "sorted as", test["timestamp"].dtype)
print("held out:", held_out, "- the last events are i0, i0, i0")
assert loaded == "float64"
assert test["timestamp"].dtype == torch.float32
assert held_out == ["i1", "i1", "i1"]
EOF
