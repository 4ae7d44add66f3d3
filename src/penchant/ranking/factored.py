"""Factorisation machines as a second stage: ids, attributes, contexts and features in bins, in pairs."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats
from penchant.core.log_shape import LogShape
from penchant.core.run import Run
from penchant.errors import FormatError, TrainingError
from penchant.models.kinds.base import Space, hyper, learned
from penchant.ranking.encoding import COLUMNS, Encoding, Rows, batches_of, drawn, entries_of
from penchant.ranking.features import Asked, Feature, compute
from penchant.ranking.network import BEGUN, ENTRIES
from penchant.ranking.second_stage import Lesson, SecondStage, Seen
from penchant.ranking.statistics import Statistics

BLOCK = 64  # requests that one thread answers at once
OTHERS = 50  # candidates of a question that are learned from beside the answer
START = 0.05  # of the numbers of vectors
IDS = ("id.item", "id.attributes")
PAST = ("id.history", "id.ratings")


@dataclass(kw_only=True)
class Factored(SecondStage, ABC):
    """A factorisation machine over the members' scores and everything else that is known of a request."""

    beyond: ClassVar[tuple[str, ...]] = ()  # what adds to a score beside the fields
    softmax: ClassVar[bool]  # one of the pairs of a request is the answer; else targets are numbers

    factors: int = hyper(8, "length of the vectors", ge=1, le=256, space=Space(2, 32, log=True), other=2)
    epochs: int = hyper(20, "passes over the questions", ge=1, space=Space(3, 40, log=True), other=2)
    rate: float = hyper(0.1, "the first step", gt=0, le=2, space=Space(0.02, 0.5, log=True), other=0.02)
    reg: float = hyper(0.002, "penalty on what is learned", ge=0, space=Space(1e-3, 1, log=True), other=0.1)
    bins: int = hyper(
        16, "parts of a feature that hold about as many rows each", ge=2, le=256, space=Space(3, 32, log=True), other=4
    )

    names: NDArray[np.uint8] = learned()  # the features, one a line, UTF-8
    encoding: Encoding = learned()
    linear: Floats = learned()  # (features of the rows,); none where there was nothing to learn from
    vectors: Floats = learned()  # (features of the rows, factors)

    def look(self, statistics: Statistics, asked: Asked) -> Seen:
        """As in ``SecondStage``, with the pairs themselves."""
        return Seen(compute(statistics, asked), asked)

    def learn(self, lessons: Sequence[Lesson], columns: list[str], run: Run) -> None:
        """As in ``SecondStage``: steps of Adagrad over batches of requests, in an order drawn with the seed."""
        self.names = np.frombuffer("\n".join(columns).encode(), dtype=np.uint8).copy()
        lessons = [self._fewer(lesson, run) for lesson in lessons] if self.softmax else list(lessons)
        self.encoding = Encoding.fit([one.seen.table for one in lessons], len(columns), self.bins)
        size = int(self.encoding.places(self.statistics)[-1]) if lessons else 0
        self.linear = np.zeros(size, np.float32)
        self.vectors = (START * run.rng().standard_normal((size, self.factors))).astype(np.float32)
        if lessons:
            self.descend(
                [self.encoding.rows(self.statistics, one.seen) for one in lessons], [one.target for one in lessons], run
            )

    def descend(self, rows: Sequence[Rows], targets: Sequence[Floats], run: Run) -> None:
        """Change what is learned until it fits."""
        from penchant.kernels.machine import gradients, step

        d_linear, d_vectors = np.zeros(self.linear.shape), np.zeros(self.vectors.shape)
        linear_sum, vector_sum = np.full(self.linear.shape, BEGUN), np.full(self.vectors.shape, BEGUN)
        rate = self.rate * ENTRIES / float(np.mean([entries_of(one) for one in rows]))
        rng = run.rng()
        batches = batches_of(rows)
        for _ in range(self.epochs):
            for at in rng.permutation(len(batches)).tolist():
                lesson, groups = batches[at]
                one, target = rows[lesson], targets[lesson]
                weights = (self.linear, self.vectors, d_linear, d_vectors)
                given: tuple[Any, ...] = (groups, *one.arrays(), target, self.softmax, *weights)
                gradients(*given)
                weight = len(groups) if self.softmax else int(np.diff(one.starts)[groups].sum())
                share = 1 / max(1, weight)
                step(self.linear, self.vectors, d_linear, d_vectors, linear_sum, vector_sum, rate, self.reg, share)
        if not np.isfinite(self.vectors).all() or not np.isfinite(self.linear).all():
            raise TrainingError(f"{self.name}: what it learns is no longer a number: lower rate")
        self.vectors[~(vector_sum > BEGUN).any(axis=1)] = 0  # features that no lesson had

    def _fewer(self, lesson: Lesson, run: Run) -> Lesson:
        """The answers, and some of the other candidates."""
        starts = np.concatenate([[0], np.cumsum(lesson.sizes)]).astype(np.int64)
        kept = drawn(starts, lesson.target, OTHERS, run.rng())
        group = np.repeat(np.arange(len(lesson.sizes)), lesson.sizes)[kept]
        return Lesson(lesson.seen.some(kept), lesson.target[kept], np.bincount(group, minlength=len(lesson.sizes)))

    def judge(self, seen: Seen) -> NDArray[np.float64]:
        """The scores of the machine."""
        out = np.zeros(len(seen.table))
        if not self.is_blank and len(out):
            self.add(self.encoding.rows(self.statistics, seen), out)
        return out

    def add(self, rows: Rows, out: NDArray[np.float64]) -> None:
        """Set ``out`` to the scores of rows."""
        from penchant.kernels.machine import sums
        from penchant.kernels.threads import over_blocks

        def work(lo: int, hi: int) -> None:
            sums(lo, hi, *rows.arrays(), self.linear, self.vectors, out)

        over_blocks(work, len(rows.starts) - 1, size=BLOCK, threads=1)

    def contributions(self, seen: Seen) -> tuple[list[str], NDArray[np.float64]]:
        """The linear part of each field, and half of each of its products: the Shapley values against nothing."""
        columns = self.listed()
        contexts = len(self.statistics.sizes)
        of_field = [*IDS, *columns, *(f"context.{number}.stated" for number in range(contexts)), *PAST, *self.beyond]
        names = list(dict.fromkeys(of_field))
        out = np.zeros((len(seen.table), len(names)))
        if self.is_blank or not len(out):
            return names, out
        added = self.of_each(*self.field_vectors(self.encoding.rows(self.statistics, seen)))
        for field, name in enumerate(of_field):
            out[:, names.index(name)] += added[:, field]
        return names, out

    def of_each(self, vectors: Floats, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each field adds ``(pairs, fields)``."""
        total = vectors.sum(axis=1, dtype=np.float64)
        return np.asarray(
            flat + 0.5 * (np.einsum("pfd,pd->pf", vectors, total) - np.einsum("pfd,pfd->pf", vectors, vectors))
        )

    def field_vectors(self, rows: Rows) -> tuple[Floats, NDArray[np.float64]]:
        """The vector of every field of each pair ``(pairs, fields, factors)``, and their linear parts."""
        from penchant.kernels.machine import of_fields

        fields, found = self.encoding.fields(self.statistics), []
        for part in (rows.request, rows.pair):
            size = len(part[0]) - 1
            vectors = np.zeros((size, fields, self.vectors.shape[1]), np.float32)
            flat = np.zeros((size, fields, 1), np.float32)
            of_fields(0, size, *part, self.vectors, vectors)
            of_fields(0, size, *part, self.linear[:, None], flat)
            found.append((vectors, flat[:, :, 0]))
        group = np.repeat(np.arange(len(rows.starts) - 1), np.diff(rows.starts))
        (request, request_flat), (pair, pair_flat) = found
        pair += request[group]
        return pair, (pair_flat + request_flat[group]).astype(np.float64)

    def listed(self) -> list[str]:
        """The names of the features of the table."""
        return self.names.tobytes().decode().split("\n")

    def work(self, log: LogShape, rows: float) -> tuple[dict[str, float], float]:
        """As in ``SecondStage``."""
        fields = COLUMNS + 30.0 + 2 * len(self.members)
        return {"products": rows * self.epochs * fields * self.factors}, 4.0 * (self.factors + 1) * (3 * log.items)

    @property
    def base(self) -> float:
        """Zero: without any entry there is no sum."""
        return 0.0

    @property
    def is_blank(self) -> bool:
        """Whether there was nothing to learn from."""
        return not len(self.linear)

    def check_loaded(self) -> None:
        """As in ``SecondStage``, and arrays over exactly the features that are computed."""
        super().check_loaded()
        if any(one is None for one in (self.names, self.encoding, self.linear, self.vectors)):
            raise FormatError(f"{self.name}: a part of what was learned is missing")
        try:
            listed = self.listed()
        except UnicodeDecodeError:
            raise FormatError(f"{self.name}: the names of the features are not text") from None
        if [Feature(name).kind for name in listed] != self.expected():
            raise FormatError(f"{self.name} is over other features than those that are computed: learned elsewhere")
        self.encoding.check(len(listed))
        size = len(self.linear)
        if size not in (0, int(self.encoding.places(self.statistics)[-1])) or self.vectors.shape[:1] != (size,):
            raise FormatError(f"{self.name}: linear and vectors are not over its features")
