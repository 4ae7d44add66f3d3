"""Settings: from flags, then the environment (``PENCHANT_…``), then a TOML file, then the defaults."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from penchant.core.settings import check_settings, parse_span, read_toml, refuse_unknown, setting
from penchant.errors import DataError, ParameterError
from penchant.placements.reading import from_table
from penchant.serve.common.environment import PREFIX, check_names
from penchant.serve.common.hooks import check_hook
from penchant.store.consent import check_purposes
from penchant.store.database import UNREADABLE, file_of, has_password, without_password
from penchant.store.keep import DEFAULT, Keep
from penchant.store.keep import from_table as kept_by_kind
from penchant.store.keys import check_origin
from penchant.training.loop.settings import TABLE, TrainSettings

LEVELS = ("debug", "info", "warning", "error")
PRIORITIES = ("idle", "low", "same")
OVERDUE = ("alarm", "replace")


@dataclass(frozen=True)
class Settings:
    """All settings. Raises ``ParameterError`` that names an invalid one."""

    folder: str = setting("", "a saved recommender, or a folder of them")
    store: str = setting(
        "sqlite:///penchant.db", "where events are kept: sqlite:///FILE or postgresql://HOST/NAME", shown=False
    )
    store_url_file: str = setting("", "a file with the URL of the store, which stands for store")
    active: str = setting("", "the model to activate at the first start over several folders")
    model_copies: str = setting("", "the folder for copies of the served models; default: beside the store")
    host: str = setting("127.0.0.1", "the address to listen on; without a key only a loopback address is allowed")
    port: int = setting(8000, "the port to listen on; 0 takes a free one", low=0, high=65535)
    workers: int = setting(1, "processes that answer, over one store and one copy of the models", low=1, high=256)
    secret: str = setting("", "signs page tokens and cookies; default: made once and kept in the store", secret=True)
    allow_remembered: bool = setting(False, "serve models that keep training histories")
    exact: bool = setting(False, "look at every item although the model has an index")
    pseudonyms: bool = setting(False, "know people by keyed pseudonyms; no id of a person is written")
    pseudonym_key: str = setting("", "the file of the key of pseudonyms, outside the store")
    pseudonym_old_keys: tuple[str, ...] = setting((), "files of earlier keys, whose people move when they appear")
    pseudonym_old_until: str = setting(
        "", "when what is left under earlier keys is erased, such as 2027-01-31; default: it is kept"
    )
    receipt_key: str = setting("", "the file of the key that signs receipts of erasures; default: they are not signed")
    erasures_file: str = setting("", "a second ledger of erasures, applied at the start; default: beside a store file")
    forget_within: str = setting("30d", "how long a model that may hold erased people may be used")
    overdue: str = setting("alarm", "what becomes of an active model past that: " + ", ".join(OVERDUE))
    correct_seconds: float = setting(30.0, "seconds that an erasure waits for corrected models", low=0, high=3600)
    purposes: tuple[str, ...] = setting((), "purposes of events that models may learn from; default: all events")
    keep: str = setting(DEFAULT, "how long events are kept, such as 90d, or by kind: view=90d,purchase=2y; 0: for ever")
    keep_per_user: int = setting(5000, "how many of the newest events of a person are kept", low=1, high=1_000_000)
    retention_gap: float = setting(
        30.0, "days by which the clock may be ahead of the newest event; beyond, retention stops", low=0.01, high=36500
    )
    retention_share: float = setting(
        0.1, "the largest share of the events that one run of retention may drop", low=0.0001, high=1
    )
    confirm_retention: bool = setting(False, "run retention even if the clock or the share looks wrong")
    clean_after: float = setting(
        60.0, "seconds after an erasure until the store is rewritten without the data", low=0, high=30 * 86_400
    )
    clean_share: float = setting(0.05, "the largest share of time that rewriting may take", low=0.001, high=1)
    wrong_keys: int = setting(20, "requests a minute with a wrong key that one address may send", low=1, high=100_000)
    sign_ins: int = setting(20, "attempts a minute to sign in from one address", low=1, high=100_000)
    trusted_proxies: tuple[str, ...] = setting(
        ("127.0.0.1", "::1"), "addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed"
    )
    max_head: int = setting(65_536, "bytes of the head of a request", low=1024, high=2**20)
    head_seconds: float = setting(10.0, "seconds until the head of a request has arrived", low=0.1, high=600)
    body_seconds: float = setting(30.0, "seconds until the body of a request has arrived", low=0.1, high=3600)
    max_connections: int = setting(2000, "open connections; one more is closed", low=1, high=1_000_000)
    why_k: int = setting(200, "the most items of an answer with reasons", low=1, high=1000)
    why_parts: int = setting(
        20_000, "items with reasons times events of the history, of one answer", low=1, high=100_000_000
    )
    heavy_running: int = setting(2, "expensive answers that are computed at once", low=1, high=256)
    heavy_waiting: int = setting(16, "expensive answers that may wait for their turn", low=0, high=10_000)
    heavy_seconds: float = setting(10.0, "seconds that one count over everybody may take", low=0.01, high=3600)
    store_seconds: float = setting(10.0, "seconds that PostgreSQL may take to answer", low=1, high=3600)
    ready_seconds: float = setting(0.8, "seconds that the store may take to answer /readyz", low=0.05, high=60)
    recent: int = setting(500, "how many of the newest events are scored; all count as seen", low=1, high=100_000)
    dislike_days: float = setting(
        180.0, "days for which a dislike hides its item and lowers similar ones", low=0, high=36500
    )
    most_impressions: int = setting(
        0,
        "impressions without another event of the item, after which it is not shown again; 0: no limit",
        low=0,
        high=1000,
    )
    rerank: str = setting("", "module:function that orders lists for a stated need; default: none")
    rerank_seconds: float = setting(1.0, "seconds that it may take; then the list stays as it was", low=0.01, high=60)
    encoder: str = setting("", "module:function that turned item texts into vectors, if one did; default: none")
    keep_text: tuple[str, ...] = setting((), "purposes of events whose texts are kept; default: texts are dropped")
    text_moods: tuple[str, ...] = setting((), "purposes of events whose texts tell a mood; default: they tell none")
    need_minutes: float = setting(
        30.0, "minutes for which a text without an item, such as a search, is what its person needs; 0: not at all",
        low=0, high=1440,
    )  # fmt: skip
    purchases: tuple[str, ...] = setting(("purchase", "buy", "order"), "kinds of events that count as bought")
    exposures: bool = setting(False, "write down which lists people are shown")
    keep_exposures: str = setting("90d", "how long they are kept, such as 90d; 0: for ever")
    placements: str = setting(
        "", "a TOML file with tables [placements.NAME]; default: that of --config, if it has some"
    )
    attribution: str = setting("24h", "how long after an exposure an event of the item counts as its outcome")
    new_items: bool = setting(True, "unknown items enter the catalogue with their first event")
    new_items_per_hour: int = setting(
        10_000, "unknown items that events of one key may add in an hour", low=1, high=10_000_000
    )
    train_every: str = setting("0", "how often to train by itself, such as 24h, as [train] says; 0: never")
    update_every: str = setting("0", "how often to bring a model with exact updates up to date, such as 1h; 0: never")
    train_priority: str = setting("idle", "how far a training stands back: " + ", ".join(PRIORITIES))
    stale_after: str = setting("0", "age of the active model from which it counts as stale, such as 14d; 0: never")
    min_support: int = setting(20, "people with events that a segment needs", low=1)
    max_body: int = setting(2**20, "bytes of one request body", low=1024, high=2**30)
    max_batch: int = setting(1000, "events or items of one request", low=1, high=4096)
    rate: float = setting(0.0, "requests a second for each key (for each address without keys); 0: no limit", low=0)
    origins: tuple[str, ...] = setting((), "web origins that may read answers (CORS); default: none")
    gorse_api: bool = setting(False, "answer the requests of Gorse's clients under /api")
    demo: bool = setting(False, "open the page Try it to everyone")
    log_level: str = setting("info", "one of " + ", ".join(LEVELS))
    access_log: bool = setting(False, "log every request, not only failures")
    drain: float = setting(10.0, "seconds from SIGTERM to the end of the process", low=0, high=600)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.train_priority not in PRIORITIES:
            raise ParameterError(f"train_priority is one of {', '.join(PRIORITIES)}, not {self.train_priority!r}")
        for name, seconds in (("train_every", self.train_seconds), ("update_every", self.update_seconds)):
            if seconds == 0:
                raise ParameterError(f"{name} is at least a second, or 0 (never)")
            if (span := getattr(self, name).strip()).endswith("m"):
                raise ParameterError(f"{name}: m stands for months: write {span}in for minutes, or days (30d)")
        parse_span("stale_after", self.stale_after)
        if self.log_level not in LEVELS:
            raise ParameterError(f"log_level is one of {', '.join(LEVELS)}, not {self.log_level!r}")
        if self.secret and len(self.secret) < 32:
            raise ParameterError("secret needs at least 32 characters")
        self._check_pseudonyms()
        for purposes in (self.purposes, self.keep_text, self.text_moods):
            check_purposes(purposes)
        check_hook("rerank", self.rerank)
        check_hook("encoder", self.encoder)
        if self.overdue not in OVERDUE:
            raise ParameterError(f"overdue is one of {', '.join(OVERDUE)}, not {self.overdue!r}")
        if not self.forget_seconds:
            raise ParameterError(f"forget_within is a span of time such as 30d, not {self.forget_within!r}")
        for origin in self.origins:
            check_origin(origin)
        for proxy in self.trusted_proxies:
            _check_network(proxy)
        Keep.read(self.keep)
        if self.keep_exposures_seconds is not None and self.keep_exposures_seconds < 60:
            raise ParameterError("keep_exposures is at least a minute, or 0 (for ever)")
        if not self.attribution_seconds:
            raise ParameterError(f"attribution is a span of time such as 24h, not {self.attribution!r}")

    def _check_pseudonyms(self) -> None:
        from penchant.privacy.pseudonyms import moment, outside

        moment(self.pseudonym_old_until)
        if self.pseudonyms != bool(self.pseudonym_key):
            raise ParameterError("pseudonyms = true and pseudonym_key = FILE belong together")
        if self.pseudonym_old_keys and not self.pseudonyms:
            raise ParameterError("pseudonym_old_keys belong to pseudonyms = true")
        if self.pseudonyms and self.gorse_api:
            raise ParameterError("gorse_api lists people by their ids, which pseudonyms do not keep: use one of them")
        if self.pseudonyms:
            outside(self.pseudonym_key, file_of(self.store))

    @cached_property
    def kept(self) -> Keep:
        """How long events are kept, by kind."""
        return Keep.read(self.keep)

    @property
    def keep_seconds(self) -> int | None:
        """How long any event is kept at most, in seconds; None: for ever."""
        return self.kept.longest

    @property
    def keep_exposures_seconds(self) -> int | None:
        """How long exposures are kept, in seconds; None: for ever."""
        return parse_span("keep_exposures", self.keep_exposures)

    @property
    def attribution_seconds(self) -> int:
        """How long after an exposure an outcome counts, in seconds."""
        return parse_span("attribution", self.attribution) or 0

    @property
    def train_seconds(self) -> int | None:
        """How often the service trains, in seconds; None: never."""
        return parse_span("train_every", self.train_every)

    @property
    def update_seconds(self) -> int | None:
        """How often the service brings its model up to date, in seconds; None: never."""
        return parse_span("update_every", self.update_every)

    @property
    def stale_seconds(self) -> int | None:
        """The age of a stale model, in seconds; None: never."""
        return parse_span("stale_after", self.stale_after)

    @property
    def forget_seconds(self) -> int:
        """How long a model that may hold erased people may be used, in seconds."""
        return parse_span("forget_within", self.forget_within) or 0

    @property
    def ledger_file(self) -> Path | None:
        """The second ledger of erasures; None for a remote store where none is named."""
        beside = file_of(self.store)
        return Path(self.erasures_file) if self.erasures_file else Path(f"{beside}.erasures") if beside else None

    @property
    def copies_folder(self) -> Path:
        """The folder for copies of models: beside the store, or in the working directory if the store is remote."""
        if self.model_copies:
            return Path(self.model_copies)
        return Path(f"{file_of(self.store) or 'penchant'}.models")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)

    def shown(self) -> dict[str, Any]:
        """The settings without secrets and passwords."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        for one in fields(self):
            if one.metadata["secret"]:
                values[one.name] = "(hidden)" if values[one.name] else "(in the store)"
        values["store"] = without_password(self.store)
        values["model_copies"] = str(self.copies_folder) if values["store"] != UNREADABLE else ""
        values["origins"], values["trusted_proxies"] = list(self.origins), list(self.trusted_proxies)
        for name in ("purposes", "keep_text", "text_moods"):
            values[name] = list(getattr(self, name))
        values["purchases"], values["pseudonym_old_keys"] = list(self.purchases), list(self.pseudonym_old_keys)
        return values


def _check_network(proxy: str) -> None:
    try:
        ipaddress.ip_network(proxy)
    except ValueError:
        raise ParameterError(f"trusted_proxies has addresses like 10.0.0.7 or 10.0.0.0/8, not {proxy[:80]!r}") from None


@lru_cache(maxsize=256)  # the host of every request
def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def load(
    flags: Mapping[str, Any], *, file: str | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Settings from flags (None: not given), the environment and a TOML file.

    Raises ``DataError`` for an unreadable file and ``ParameterError`` for an invalid value, for a misspelt variable,
    and for a password among the flags: everybody on the machine can read the arguments of a process.
    """
    in_file: dict[str, Any] = {}
    known = {one.name: one for one in fields(Settings)}
    if file:
        document, toml = read_toml(file)
        TrainSettings.from_table(document.pop(TABLE, {}), file, toml)  # a mistake in it shows at the start
        found = document.pop("placements", None)
        if isinstance(found, dict):
            from_table(found, file, toml)  # the same
            found = file
        document |= {} if found is None else {"placements": found}
        refuse_unknown(document, known, file, toml)
        if isinstance(document.get("keep"), dict):
            document["keep"] = kept_by_kind(document["keep"])
        in_file = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}
    around = os.environ if environment is None else environment
    check_names(around, known)
    texts = {name: around.get(f"{PREFIX}{name.upper()}") for name in known}
    in_environment = {
        name: _from_text(name, text, known[name].default) for name, text in texts.items() if text is not None
    }
    given = {name: value for name, value in flags.items() if value is not None}
    if "store" in given and has_password(given["store"]):
        raise ParameterError(
            "store: a password on the command line can be read by everybody on this machine (ps): "
            "put the URL into PENCHANT_STORE, or into a file (--store-url-file FILE, or store in --config FILE)"
        )
    values: dict[str, Any] = {}
    for level in (in_file, in_environment, given):
        if {"store", "store_url_file"} <= level.keys():
            raise ParameterError("name the store or a file with its URL, not both: store, store_url_file")
        if "store" in level:
            values.pop("store_url_file", None)
        values |= level
    if values.get("store_url_file"):
        values["store"] = _read_url(values["store_url_file"])
    return Settings(**values)


def _read_url(file: object) -> str:
    try:
        return Path(str(file)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else "it is not text"
        raise DataError(f"the URL of the store cannot be read ({reason})", file=str(file)) from None


def _from_text(name: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        if text.strip().lower() not in {"1", "0", "true", "false", "yes", "no"}:
            raise ParameterError(f"{PREFIX}{name.upper()} is true or false, not {text!r}")
        return text.strip().lower() in {"1", "true", "yes"}
    if isinstance(default, (int, float)):
        try:
            return type(default)(text)
        except ValueError:
            raise ParameterError(f"{PREFIX}{name.upper()} is a number, not {text!r}") from None
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(default, tuple) else text
