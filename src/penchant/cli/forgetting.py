"""``penchant privacy key|forget|check``: forgetting from the command line, and receipts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penchant.cli.render import AsJson, print_json, say
from penchant.cli.serve import Config, Store, StoreUrlFile, read_settings
from penchant.cli.stores import existing_store
from penchant.errors import DataError, ParameterError

Models = Annotated[str | None, typer.Option("--models", metavar="FOLDER", help="The folder of models.")]
MARKS = {True: "yes", False: "NO", None: "not yet"}


def key(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file for the private key.")],
    as_json: AsJson = False,
) -> None:
    """Make the key that signs receipts, and print its public key."""
    from penchant.privacy.receipts import make_key

    public = make_key(file)
    print_json({"file": file, "public_key": public}) if as_json else say(f"{file}: the public key is {public}")


def forget(
    id: Annotated[str, typer.Argument(metavar="USER", help="The id of a user.")],
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    models: Models = None,
    session: Annotated[bool, typer.Option("--session", help="The id is that of a session, not of a user.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Forget a person: rows, then models; print the receipt. The service may run.

    With --models, those that keep what exact updates need are corrected; the others are listed.
    """
    settings = read_settings({"store": store, "store_url_file": store_url_file, "folder": models}, config)
    from penchant.data.vocab import normalise_id
    from penchant.privacy.checking import forget as do
    from penchant.privacy.receipts import read_private, sign
    from penchant.serve.keeping import open_door
    from penchant.store.people import People, subject

    signing = read_private(settings.receipt_key) if settings.receipt_key else None  # before anything is erased
    root = _root(settings.folder)
    person = ("s:" if session else "u:") + normalise_id(id)
    opened = existing_store(settings)
    try:
        people = People(opened, keep=settings.keep_seconds)
        door = open_door(settings, opened, people)
        known = [person] if door is None else door.names(person)
        done = None
        for one in known:
            here = do(opened, people, one, root, within=settings.forget_seconds, file=settings.ledger_file)
            done = done or here
    finally:
        opened.close()
    if done is None:
        raise DataError(f"the store holds nothing of this {'session' if session else 'user'}", value=id[:80])
    receipt = sign({**done, **subject(person)}, signing)
    if as_json:
        print_json(receipt)
        return
    say(", ".join(f"{count:,} {name}" for name, count in receipt["removed"].items()) + " were removed")
    for model in receipt["models"]["corrected"]:
        say(f"{model['name']} was corrected: {model['into']} stands for it")
    for model in receipt["models"]["pending"]:
        say(f"{model['name']} may hold the person: {model['why']}; train again")


def check(
    receipt: Annotated[str, typer.Argument(metavar="RECEIPT", help="The file of a receipt.")],
    store: Store = None,
    store_url_file: StoreUrlFile = None,
    models: Models = None,
    public_key: Annotated[
        str | None, typer.Option("--public-key", metavar="HEX", help="The public key, as privacy key prints it.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> int:
    """Check the signature of a receipt, then look again at everything that it says.

    Exit codes: 0 everything is as it says, or not yet; 1 something is not; 2 bad input, a changed receipt too.
    """
    settings = read_settings({"store": store, "store_url_file": store_url_file, "folder": models}, config)
    from penchant.privacy.checking import check as look
    from penchant.privacy.receipts import public_of, read_receipt, verify

    said = read_receipt(receipt)
    if public_key is None and not settings.receipt_key:
        raise ParameterError("name the key that signed it: --public-key HEX, or receipt_key in --config FILE")
    verify(said, public_of(None if public_key else settings.receipt_key, public_key))
    opened = existing_store(settings)
    try:
        found = look(said, opened, _root(settings.folder), within=settings.forget_seconds)
    finally:
        opened.close()
    wrong = any(one.passed is False for one in found)
    if as_json:
        print_json({"signature": True, "passed": not wrong, "findings": [one.to_json() for one in found]})
    else:
        say("the signature is right")
        for one in found:
            say(f"{MARKS[one.passed]}: {one.what}" + (f" ({one.detail})" if one.detail else ""))
    return int(wrong)


def _root(folder: str) -> Path | None:
    """The folder of models, None if none is named; raises ``DataError`` if there is none."""
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise DataError("there is no such folder of models", file=folder)
    return Path(folder).absolute()
