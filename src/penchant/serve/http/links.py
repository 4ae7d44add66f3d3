"""Links of the OpenAPI document: which request can follow an answer, and from where it takes its parameters."""

from __future__ import annotations

from typing import Any, NamedTuple


class Link(NamedTuple):
    """``name`` of a link from the answer of one operation to another, with the parameters of the latter."""

    source: tuple[str, str]  # method and path
    name: str
    target: tuple[str, str]
    parameters: dict[str, str]  # runtime expressions of OpenAPI


ITEM, USER, SESSION = "/v1/items/{id}", "/v1/users/{id}", "/v1/sessions/{id}"
SAME = {"id": "$request.path.id"}
FIRST = {"id": "$response.body#/items/0/item"}
SENT = {"id": "$request.body#/events/0/user"}
LINKS = (
    Link(("put", ITEM), "read", ("get", ITEM), SAME),
    Link(("put", ITEM), "change", ("patch", ITEM), SAME),
    Link(("put", ITEM), "delete", ("delete", ITEM), SAME),
    Link(("put", ITEM), "similar", ("get", f"{ITEM}/similar"), SAME),
    Link(("patch", ITEM), "read", ("get", ITEM), SAME),
    Link(("delete", ITEM), "set", ("put", ITEM), SAME),
    Link(("get", "/v1/items"), "read", ("get", ITEM), FIRST),
    Link(("get", "/v1/items"), "similar", ("get", f"{ITEM}/similar"), FIRST),
    Link(("get", "/v1/popular"), "read", ("get", ITEM), FIRST),
    Link(("post", "/v1/events"), "recommend", ("get", f"{USER}/recommendations"), SENT),
    Link(("post", "/v1/events"), "list", ("get", f"{USER}/events"), SENT),
    Link(("post", "/v1/events"), "export", ("get", f"{USER}/export"), SENT),
    Link(("post", "/v1/events"), "erase", ("delete", USER), SENT),
    Link(("patch", USER), "read", ("get", USER), SAME),
    Link(("patch", USER), "recommend", ("get", f"{USER}/recommendations"), SAME),
    Link(("patch", USER), "merge", ("post", f"{USER}/merge"), SAME),
    Link(("delete", USER), "erasure", ("get", "/v1/erasures/{hash}"), {"hash": "$response.body#/hash"}),
    Link(("delete", SESSION), "erasure", ("get", "/v1/erasures/{hash}"), {"hash": "$response.body#/hash"}),
    *(
        Link(("get", f"{one}/{kind}"), "next", ("get", f"{one}/{kind}"), {**SAME, name: "$response.body#/next"})
        for one in (USER, SESSION)
        for kind, name in (("recommendations", "page"), ("events", "before"))
    ),
    Link(("get", "/v1/models"), "activate", ("post", "/v1/models/{name}/activate"),
         {"name": "$response.body#/models/0/name"}),
    Link(("post", "/v1/models/{name}/activate"), "rollback", ("post", "/v1/models/rollback"), {}),
)  # fmt: skip


def add_links(document: dict[str, Any]) -> None:
    """Add the links to a document."""
    paths = document["paths"]
    for link in LINKS:
        (method, path), (then, there) = link.source, link.target
        found = {"operationId": paths[there][then]["operationId"], "parameters": link.parameters}
        paths[path][method]["responses"]["200"].setdefault("links", {})[link.name] = found
