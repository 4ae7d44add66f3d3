"""Recommend for new users, each described by a few films they like.

python examples/strangers.py "Alien (1979)" "Heat (1995)"
"""

from __future__ import annotations

import sys

import penchant as pc


def main(titles: list[str]) -> None:
    """Fit a model on the bundled films and recommend for the given titles."""
    log, films = pc.load_movielens_small(positive="value>=3.5")
    recommender = pc.fit(log, pc.ItemKNN(neighbours=100), catalog=films)
    liked = [log.vocab.ids[films.resolve(title)] for title in titles]
    print(recommender.recommend(liked, k=10, why=True))

    # the same person, now with a film they did not like: the next answer uses it, without retraining
    disliked = recommender.recommend(liked, k=1).items[0].item
    events = [*liked, {"item": disliked, "value": 1.0}]
    print(recommender.recommend(events, k=10))


if __name__ == "__main__":
    main(sys.argv[1:] or ["Alien (1979)", "Heat (1995)"])
