"""``penchant serve`` and ``penchant keys``: the live service and its access keys."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penchant.cli.render import AsJson, example, note, print_json, progress, say

if TYPE_CHECKING:
    from penchant.serve.common.settings import Settings
    from penchant.serve.service import Service
    from penchant.store.keys import Keyring

NEEDED = ("fastapi", "uvicorn", "sqlalchemy", "alembic", "jinja2", "prometheus_client")
NOT_SETTINGS = {"config", "print_settings", "origin", "import_logs"}  # options of serve
Config = Annotated[str | None, typer.Option("--config", metavar="FILE", help="Settings in a TOML file.")]
Store = Annotated[str | None, typer.Option("--store", metavar="URL", help="sqlite:///FILE or postgresql://HOST/NAME.")]
StoreUrlFile = Annotated[
    str | None,
    typer.Option("--store-url-file", metavar="FILE", help="A file with the URL of the store, if it has a password."),
]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The id of a key, as shown by keys list.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=example(
            "penchant serve model/",
            "penchant serve model/ --import events.csv",
            "penchant serve models/ --store sqlite:////var/lib/penchant/events.db --host 0.0.0.0",
            "penchant serve --config penchant.toml --print-settings",
        )
    )(serve)
    keys = typer.Typer(help="Create, list, rotate and revoke access keys.", no_args_is_help=True)
    keys.command(epilog=example("penchant keys create shop --scope collect --origin https://shop.example"))(create)
    keys.command("list", epilog=example("penchant keys list"))(list_keys)
    keys.command(epilog=example("penchant keys rotate 1a2b3c4d --grace 3600"))(rotate)
    keys.command(epilog=example("penchant keys revoke 1a2b3c4d"))(revoke)
    app.add_typer(keys, name="keys")


def serve(
    folder: Annotated[
        str | None, typer.Argument(metavar="FOLDER", help="A saved recommender, or a folder of them.")
    ] = None,
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    active: Annotated[str | None, typer.Option(help="The model to activate at the first start over several.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 chooses a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many processes answer.")] = None,
    keep: Annotated[
        str | None, typer.Option(help="How long events are kept, such as 2y or view=90d,purchase=2y; 0: for ever.")
    ] = None,
    keep_per_user: Annotated[
        int | None, typer.Option(help="How many of the newest events of one person are kept.")
    ] = None,
    confirm_retention: Annotated[
        bool | None, typer.Option("--confirm-retention", help="Run retention even if the clock looks wrong.")
    ] = None,
    recent: Annotated[int | None, typer.Option(help="How many of the newest events of one person are scored.")] = None,
    dislike_days: Annotated[float | None, typer.Option(help="How long a dislike hides its item.")] = None,
    new_items: Annotated[bool | None, typer.Option(help="Add unknown items to the catalogue.")] = None,
    min_support: Annotated[
        int | None, typer.Option(help="The smallest number of people in a popularity segment.")
    ] = None,
    max_body: Annotated[int | None, typer.Option(help="The largest request body, in bytes.")] = None,
    max_batch: Annotated[int | None, typer.Option(help="The largest number of events or items in one request.")] = None,
    rate: Annotated[float | None, typer.Option(help="Requests per second for one key; 0: no limit.")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="A web origin that may read answers (CORS).")] = None,
    demo: Annotated[bool | None, typer.Option("--demo", help="Open the page 'Try it' to everyone.")] = None,
    allow_remembered: Annotated[
        bool | None, typer.Option("--allow-remembered", help="Allow models that store training histories.")
    ] = None,
    exact: Annotated[
        bool | None, typer.Option("--exact", help="Look at every item although the model has an index.")
    ] = None,
    train_every: Annotated[
        str | None, typer.Option(help="How often to train by itself, such as 24h, as the table train of --config says.")
    ] = None,
    update_every: Annotated[
        str | None, typer.Option(help="How often to bring a model with exact updates up to date, such as 1h.")
    ] = None,
    stale_after: Annotated[
        str | None, typer.Option(help="The age from which the active model counts as stale, such as 14d.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    access_log: Annotated[bool | None, typer.Option(help="Log every request.")] = None,
    drain: Annotated[float | None, typer.Option(help="Seconds from SIGTERM to the end of the process.")] = None,
    import_logs: Annotated[
        list[str] | None,
        typer.Option("--import", metavar="LOG", help="A log to import if the store is empty; may be repeated."),
    ] = None,
    config: Config = None,
    print_settings: Annotated[
        bool, typer.Option("--print-settings", help="Check and print the settings, then exit.")
    ] = False,
) -> None:
    """Serve recommendations over HTTP. Settings may also come from the environment (PENCHANT_PORT) or a file."""
    flags = {name: value for name, value in locals().items() if name not in NOT_SETTINGS}
    settings = read_settings({**flags, "origins": tuple(origin) if origin else None}, config)
    if print_settings:
        print_json(settings.shown())
        return
    _need_folder(settings)
    from penchant.serve.workers import serve as run

    run(settings, config=config, opened=(lambda service: _fill(service, import_logs)) if import_logs else None)


def _fill(service: Service, logs: list[str]) -> None:
    """Import logs into the store of a service that has no events yet, with the values that its model learned from."""
    from penchant.cli.options import ReadOptions, read_rows
    from penchant.store.importing import import_log

    if service.store.clock().events:
        note("the store has had events: nothing was imported (penchant events import adds to it)")
        return
    active = service.models.active
    recipe = active.recommender.recipe
    raw = read_rows(ReadOptions(values="weight" if recipe.quantities else None).with_logs(logs))
    with progress() as report:
        done = import_log(
            service.store,
            raw,
            keep=service.settings.kept,
            known=active.catalogue.vocab,
            told=note,
            progress=report,
            named=None if service.door is None else service.door.name,
        )
    note(f"{done.imported:,} of {done.events:,} events were imported")


def serve_demo(model: str, *, positive: str, port: int | None, traffic: bool = True) -> None:
    """Fit models on the bundled films and serve them from a temporary folder."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="penchant-demo-") as folder:
        store = f"sqlite:///{Path(folder) / 'events.db'}"
        given = {
            "folder": f"{folder}/films",
            "store": store,
            "port": port,
            "demo": True,
            "keep": "0",
            "exposures": True,
        }
        settings = read_settings(given, None)
        from penchant.serve.demo import BESIDE, Traffic, prepare
        from penchant.serve.workers import serve as run

        typer.echo("Fitting and evaluating three models on the films; this takes some seconds.", err=True)
        past = prepare(settings, model, positive)

        def started(port: int) -> None:
            typer.echo(f"\n  Open http://127.0.0.1:{port}/   (Ctrl-C stops it and leaves no files)\n", err=True)
            if traffic:
                Traffic(port, past).start()

        run(settings, beside=BESIDE, started=started)


def read_settings(flags: dict[str, Any], config: str | None) -> Settings:
    """Settings from flags, environment and file; raises ``MissingExtraError`` if the extra is not installed."""
    from penchant.errors import MissingExtraError

    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        raise MissingExtraError("serve", "the service")
    from penchant.serve.common.settings import load

    return load(flags, file=config)


def _need_folder(settings: Settings) -> None:
    from penchant.errors import ParameterError

    if not settings.folder:
        raise ParameterError("name a saved recommender: penchant serve FOLDER")


def _keyring(store: str | None, store_url_file: str | None, config: str | None, *, new: bool = False) -> Keyring:
    """The keys of a store; with ``new``, of one that is made if it does not exist."""
    settings = read_settings({"store": store, "store_url_file": store_url_file}, config)
    from pathlib import Path

    from penchant.errors import ParameterError
    from penchant.store.database import Database, file_of
    from penchant.store.keys import Keyring

    file = file_of(settings.store)
    if file and not Path(file).exists():
        if not new:
            raise ParameterError(f"there is no store {file}: name that of the service, with --store or --config")
        note(f"{file} is a new store")
    database = Database(settings.store)
    database.migrate()
    ring = Keyring(database)
    ring.load()
    return ring


def create(
    name: Annotated[str, typer.Argument(help="A name for the key.")],
    scope: Annotated[list[str], typer.Option(help="collect, read or admin; may be repeated.")],
    origin: Annotated[list[str] | None, typer.Option(help="A web origin that may use a collect key.")] = None,
    rate: Annotated[float | None, typer.Option(help="Requests per second.")] = None,
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Create a key. It is shown only once, because only its hash is stored."""
    key, secret = _keyring(store, store_url_file, config, new=True).create(name, scope, origins=origin or (), rate=rate)
    print_json({**key.to_json(), "key": secret}) if as_json else say(secret)


def list_keys(
    store: Store = None, store_url_file: StoreUrlFile = None, config: Config = None, as_json: AsJson = False
) -> None:
    """List the keys of a store, without their secrets."""
    keys = [key.to_json() for key in _keyring(store, store_url_file, config)]
    if as_json:
        print_json({"keys": keys})
        return
    if not keys:
        note("there is no key")
    for key in keys:
        say(f"{key['id']}  {','.join(key['scopes']):14}  {key['name']}  {' '.join(key['origins'])}")


def rotate(
    key_id: KeyId,
    grace: Annotated[int, typer.Option(min=0, help="Seconds for which the old key stays valid.")] = 86_400,
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Create a new secret for a key."""
    key, secret = _keyring(store, store_url_file, config).rotate(key_id, grace=grace)
    print_json({**key.to_json(), "key": secret}) if as_json else say(secret)


def revoke(
    key_id: KeyId,
    last: Annotated[bool, typer.Option("--last", help="Revoke even the only admin key.")] = False,
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key immediately. Without any key left, the service refuses every request that needs one."""
    key = _keyring(store, store_url_file, config).revoke(key_id, last=last)
    print_json(key.to_json()) if as_json else say(f"{key.id} is revoked")
