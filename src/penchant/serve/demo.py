"""The data of ``penchant demo --serve``: three models with evaluations, people of the data set, and traffic."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from penchant.data.datasets import load_movielens_small
from penchant.data.interactions import Interactions
from penchant.evaluation.evaluate import evaluate
from penchant.recommender.folder.listing import evaluation_of
from penchant.serve.common.settings import Settings
from penchant.store.active_model import ActiveModel
from penchant.store.events import Batch, EventStore, NewEvent
from penchant.training.fit import fit

BESIDE = "als"  # loaded from the start, for comparison
MODELS = ("transitions", BESIDE)  # and the served one
METRICS = "hit,ndcg,mrr,coverage"
PEOPLE = 60  # with ratings in the store
FEWEST, MOST = 10, 60  # ratings of a person
PLACEMENTS, FOLLOWED = ("home", "home", "film-page"), 0.3  # of lists; the share of lists that somebody follows
PAUSE = 0.35  # seconds between two people, on average
Past = dict[str, list[tuple[str, float, int]]]  # (film, stars, when) by person, oldest first


def prepare(settings: Settings, served: str, positive: str) -> Past:
    """Fit and evaluate the models and fill the store; returns the ratings by person."""
    log, catalog = load_movielens_small(positive=positive)
    names = (*MODELS, served)
    measured = json.dumps(evaluate(log, names, split="leave-last", k=10, metrics=METRICS).to_json())
    for name in names:
        fit(log, name, catalog=catalog).save(Path(settings.folder) / name)
        evaluation_of(Path(settings.folder) / name).write_text(measured, encoding="utf-8")
    past = _people(log)
    _fill(settings, past, served)
    return past


def _people(log: Interactions) -> Past:
    """Some people of the log with their ratings."""
    past: Past = {}
    everybody = log.histories()
    for row, user in enumerate(log.user_ids):
        history = everybody[row : row + 1]
        if not FEWEST <= len(history.items) <= MOST or history.values is None or history.times is None:
            continue
        columns = zip(history.items.tolist(), history.values.tolist(), history.times.tolist(), strict=True)
        past[str(user)] = [(log.vocab.ids[item], float(value), int(when)) for item, value, when in columns]
        if len(past) == PEOPLE:
            break
    return past


def _fill(settings: Settings, past: Past, served: str) -> None:
    store = EventStore(settings.store)
    store.open()
    rows = [
        NewEvent(f"u:{person}", item, None, stars, when, None, None)
        for person, ratings in past.items()
        for item, stars, when in ratings
    ]
    asyncio.run(_append(store, Batch(rows)))
    store.writer.do_now(ActiveModel(store).note(served, ""))
    store.close()


async def _append(store: EventStore, batch: Batch) -> None:
    await store.writer.append(batch, len(batch.rows))


class Traffic(threading.Thread):
    """People of the data set rate their films again and ask for recommendations: activity for the pages to show."""

    def __init__(self, port: int, past: Past) -> None:
        super().__init__(daemon=True, name="penchant-demo-traffic")
        self.port, self.past = port, past

    def run(self) -> None:
        """Run until the service ends."""
        dice, people = random.Random(0), list(self.past)
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            while True:
                time.sleep(dice.expovariate(1 / PAUSE))
                person = dice.choice(people)
                item, stars, _ = dice.choice(self.past[person])
                self._ask(connection, "POST", "/v1/events", [{"user": person, "item": item, "value": stars}])
                for _ in range(dice.randint(1, 3)):
                    somebody = person if dice.random() < 0.9 else "somebody new"
                    place = dice.choice(PLACEMENTS)
                    path = f"/v1/users/{quote(somebody, safe='')}/recommendations?placement={place}"
                    self._follow(connection, somebody, self._ask(connection, "GET", path), dice)

    def _follow(self, connection: http.client.HTTPConnection, person: str, told: Any, dice: random.Random) -> None:
        """Rate an item of a list now and then, sooner one at the top."""
        if told["items"] and dice.random() < FOLLOWED:
            item = told["items"][min(len(told["items"]) - 1, int(dice.expovariate(0.5)))]["item"]
            event = {"user": person, "item": item, "value": dice.choice((3.5, 4.0, 4.5, 5.0))}
            self._ask(connection, "POST", "/v1/events", [{**event, "recommendation": told["recommendation"]}])

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str, events: Sequence[Any] = ()) -> Any:
        body = json.dumps({"events": list(events)}) if events else None
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        return json.loads(connection.getresponse().read())
