"""Recommend for people the model has never seen, each described by what they like.

python examples/strangers.py "Alien (1979)" "Heat (1995)"
"""

from __future__ import annotations

import sys

import penchant as pc


def main(titles: list[str]) -> None:
    """Fit on the bundled films, then answer for the titles given."""
    log, films = pc.load_movielens_small(positive="value>=3.5")
    recommender = pc.fit(log, pc.ItemKNN(neighbours=100), catalog=films)
    liked = [log.vocab.ids[films.resolve(title)] for title in titles]
    print(recommender.recommend(liked, k=10, why=True))

    # the same person a moment later, after a film they did not like: no retraining, the next answer knows
    disliked = recommender.recommend(liked, k=1).items[0].item
    events = [*liked, {"item": disliked, "value": 1.0}]
    print(recommender.recommend(events, k=10))


if __name__ == "__main__":
    main(sys.argv[1:] or ["Alien (1979)", "Heat (1995)"])
