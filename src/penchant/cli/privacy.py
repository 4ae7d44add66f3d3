"""``penchant privacy``: pseudonyms, forgetting and its receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from penchant.cli.forgetting import check, forget, key
from penchant.cli.privacy_audit import add
from penchant.cli.render import AsJson, example, print_json, say
from penchant.cli.serve import Config, Store, StoreUrlFile, read_settings
from penchant.cli.stores import existing_store
from penchant.errors import ParameterError

if TYPE_CHECKING:
    from penchant.serve.common.settings import Settings

KeyFile = Annotated[str | None, typer.Option("--key", metavar="KEYFILE", help="The key of pseudonyms.")]
Session = Annotated[bool, typer.Option("--session", help="The id is that of a session, not of a user.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    privacy = typer.Typer(help="Pseudonyms, forgetting with receipts, and what models reveal.", no_args_is_help=True)
    privacy.command(epilog=example("penchant privacy pseudonym 42 --key /etc/penchant/pseudonyms.key"))(pseudonym)
    privacy.command(epilog=example("penchant privacy pseudonymise --config /etc/penchant.toml"))(pseudonymise)
    add(privacy)
    privacy.command(epilog=example("penchant privacy key /etc/penchant/receipts.key"))(key)
    privacy.command(epilog=example("penchant privacy forget 42 --config penchant.toml --json"))(forget)
    privacy.command(epilog=example("penchant privacy check receipt.json --config /etc/penchant.toml"))(check)
    app.add_typer(privacy, name="privacy")


def _key_of(key: str | None, settings: Settings) -> str:
    found = key or settings.pseudonym_key
    if not found:
        raise ParameterError("name the file of the key: --key KEYFILE, or pseudonym_key in --config FILE")
    return found


def pseudonym(
    id: Annotated[str, typer.Argument(metavar="ID", help="The id of a user.")],
    key: KeyFile = None,
    session: Session = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Print the pseudonym of a person, for whoever holds the key."""
    settings = read_settings({}, config)
    from penchant.data.pseudonyms import Pseudonyms, read_key
    from penchant.data.vocab import normalise_id

    kind = "session" if session else "user"
    found = Pseudonyms(read_key(_key_of(key, settings))).of(kind, normalise_id(id))
    print_json({"pseudonym": found, "kind": kind}) if as_json else say(found)


def pseudonymise(
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    key: KeyFile = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Turn the ids of people in a store into pseudonyms, once; stop the service first."""
    settings = read_settings({"store": store, "store_url_file": store_url_file}, config)
    from penchant.data.pseudonyms import Pseudonyms, read_key
    from penchant.privacy.pseudonyms import pseudonymise as turn

    under = Pseudonyms(read_key(_key_of(key, settings)))
    opened = existing_store(settings)
    try:
        moved = turn(opened, under)
    finally:
        opened.close()
    print_json({"people": moved}) if as_json else say(f"{moved:,} people are known by pseudonyms now")
