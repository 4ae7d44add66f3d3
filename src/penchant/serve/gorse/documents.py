"""Users, items and feedback as Gorse writes them, and as the service keeps them.

================  ==========================================================================================
FeedbackType      the kind of an event
Value             its value; 0, which Gorse takes where there is none, is none
Comment           of feedback: ``comment`` in the context; of a user: an attribute; of an item: the title
Timestamp         of feedback: the time of the event; of an item: the attribute ``timestamp``
Categories        the attribute ``categories``
Labels            attributes of the same names; a list without a name: ``labels``
IsHidden          ``available`` is false
================  ==========================================================================================

A person's attribute has one value, so a list of texts is an attribute ``name:text`` that is true for each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from penchant.serve.common.problems import invalid
from penchant.serve.common.values import attribute, named, plain, scalar
from penchant.store.events import NewEvent
from penchant.store.feedback import FIRST, Given

CATEGORIES, TIMESTAMP, COMMENT, LABELS = "categories", "timestamp", "comment", "labels"
OWN = {CATEGORIES, TIMESTAMP}  # attributes of items that are no labels
MOST = 64  # labels of one user or item
NEVER = "0001-01-01T00:00:00Z"  # how Gorse writes that there is no time


def moment(seconds: float) -> str:
    """Unix seconds as Gorse writes them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- labels -----------------------------------------------------------------------------------------------------------


def _labels(given: Any, field: str) -> dict[str, Any]:
    """Labels by name; raises ``Problem`` 422 that names one that cannot be kept."""
    if given is None:
        return {}
    labels = given if isinstance(given, dict) else {LABELS: given}
    if len(labels) > MOST:
        raise invalid(field, f"there are at most {MOST} labels")
    for name, value in labels.items():
        try:
            if not 1 <= len(plain(named(name))) <= MOST:
                raise ValueError(f"a name has 1 to {MOST} characters")  # noqa: TRY301  # one way to tell
            attribute(value)
        except ValueError as wrong:
            shown = name[:MOST].encode("utf-8", "backslashreplace").decode()
            raise invalid(f"{field}.{shown}", f"{wrong}: labels inside labels are not kept") from None
    return {name: value for name, value in labels.items() if value is not None}


def _unnamed(labels: dict[str, Any]) -> Any:
    """Labels as they were given; None where there are none."""
    if set(labels) == {LABELS}:
        return labels[LABELS]
    return labels or None


def _is_name(text: str) -> bool:
    try:
        return 1 <= len(named(text)) <= MOST
    except ValueError:
        return False


# -- users ------------------------------------------------------------------------------------------------------------


def user_attributes(labels: Any, comment: str | None, field: str = "Labels") -> dict[str, Any]:
    """The attributes of a user. Raises ``Problem`` 422."""
    found: dict[str, Any] = {}
    for name, value in _labels(labels, field).items():
        if name == COMMENT or ":" in name:
            raise invalid(f"{field}.{name}", "a label of a user is not named comment, and has no colon in its name")
        if not isinstance(value, list):
            found[name] = value
            continue
        for tag in value:
            if not isinstance(tag, str) or not _is_name(f"{name}:{tag}"):
                detail = f"a list of a user's labels has texts without control characters, at most {MOST} with the name"
                raise invalid(f"{field}.{name}", detail)
            found[f"{name}:{tag}"] = True
    if comment or not found:  # a user without anything is known by an empty comment
        found[COMMENT] = scalar(comment or "")
    if len(found) > MOST:
        raise invalid(field, f"there are at most {MOST} labels, each text of a list counts")
    return found


def user_document(user: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A user as Gorse writes it."""
    labels: dict[str, Any] = {}
    for full, value in attributes.items():
        name, colon, tag = full.partition(":")
        if colon and value is True:
            labels.setdefault(name, []).append(tag)
        elif full != COMMENT:
            labels[full] = value
    return {"UserId": user, "Labels": _unnamed(labels), "Comment": str(attributes.get(COMMENT, ""))}


# -- items ------------------------------------------------------------------------------------------------------------


def item_document(described: Mapping[str, Any]) -> dict[str, Any]:
    """An item as Gorse writes it, from its description in the catalogue."""
    attributes = described["attributes"]
    categories = attributes.get(CATEGORIES, [])
    return {
        "ItemId": described["item"],
        "IsHidden": described["hidden"] or not described["available"],
        "Categories": [str(one) for one in (categories if isinstance(categories, (list, tuple)) else [categories])],
        "Timestamp": str(attributes.get(TIMESTAMP, NEVER)),
        "Labels": _unnamed({name: value for name, value in attributes.items() if name not in OWN}),
        "Comment": described["title"] or "",
    }


def item_change(
    item: str, given: Mapping[str, Any], before: Mapping[str, Any], *, whole: bool, field: str = "Labels"
) -> dict[str, Any]:
    """What to set of an item: the fields that are given, or with ``whole`` all of them, so that nothing is left of
    ``before``, its description. Raises ``Problem`` 422."""
    change: dict[str, Any] = {"item": item}
    attributes: dict[str, Any] = {}
    if given.get("Labels") is not None or whole:
        labels = _labels(given.get("Labels"), field)
        if wrong := sorted(OWN & set(labels)):
            raise invalid(f"{field}.{wrong[0]}", "a label of an item is not named categories or timestamp")
        attributes |= {name: None for name in before.get("attributes", {}) if name not in OWN}
        attributes |= labels
    if given.get("Categories") is not None or whole:
        attributes[CATEGORIES] = given.get("Categories") or None
    if given.get("Timestamp") is not None or whole:
        when = given.get("Timestamp")
        attributes[TIMESTAMP] = None if when is None else moment(when)
    if given.get("Comment") is not None or whole:
        change["title"] = given.get("Comment") or None
    if given.get("IsHidden") is not None or whole:
        change |= {"available": not given.get("IsHidden"), "hidden": False}
    return {**change, "attributes": attributes}


# -- feedback ---------------------------------------------------------------------------------------------------------


def feedback_event(given: Mapping[str, Any], now: int) -> NewEvent:
    """The event of feedback; ``Timestamp`` is unix seconds or None, which is now."""
    context = json.dumps({COMMENT: given["Comment"]}, ensure_ascii=False) if given.get("Comment") else None
    when, value = given.get("Timestamp"), given.get("Value")
    person, time, ours = "u:" + given["UserId"], now if when is None else when, when is None
    return NewEvent(person, given["ItemId"], given["FeedbackType"], value or None, time, context, None, 0, ours)


def feedback_document(row: Given) -> dict[str, Any]:
    """Feedback as Gorse writes it."""
    context = json.loads(row.context or "{}")
    comment, first = context.get(COMMENT, ""), context.get(FIRST, row.time)
    return {
        "FeedbackType": row.kind or "",
        "UserId": row.person.removeprefix("u:"),
        "ItemId": row.item,
        "Value": row.value or 0.0,
        "Timestamp": moment(first if isinstance(first, int) else row.time),
        "Updated": moment(row.time),
        "Comment": comment if isinstance(comment, str) else "",
    }
