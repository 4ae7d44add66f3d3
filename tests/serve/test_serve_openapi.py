"""Requests made from the OpenAPI document: never a 5xx, and every answer as the document says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from bench import serve_schemathesis
from penchant.serve.http.links import LINKS
from tests.serve.conftest import Client
from tests.serve.serving import Process

CHECKS = (not_a_server_error, response_schema_conformance, status_code_conformance)


ANN = {"id": "ann"}
LISTED = {"query": {"k": 3}}
CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (  # every operation of /v1, in an order in which each succeeds
    ("POST", "/v1/events", {"body": {"events": [{"user": "ann", "item": "i00", "context": {"mood": "calm"}, "id": "1"},
                                                {"session": "s", "item": "i11", "kind": "cart", "value": 2.0},
                                                {"item": "i12"}, {"user": "own", "item": "i01"}]}}),
    ("PATCH", "/v1/users/{id}", {"path_parameters": {"id": "new"}, "body": {"attributes": {"n": 1, "x": "y"}}}),
    ("GET", "/v1/users/{id}", {"path_parameters": {"id": "new"}}),
    ("GET", "/v1/users/{id}/recommendations", {"path_parameters": ANN, "query": {"k": 3, "why": True}}),
    ("POST", "/v1/users/{id}/recommendations", {"path_parameters": {"id": "new"}, "body": {"why": True}}),
    ("GET", "/v1/sessions/{id}/recommendations", {"path_parameters": {"id": "s"}, "query": {"why": True}}),
    ("POST", "/v1/sessions/{id}/recommendations", {"path_parameters": {"id": "s"}, "body": {}}),
    ("POST", "/v1/recommendations", {"body": {"history": ["i00", "unknown"], "why": True}}),
    *(
        ("PUT", "/v1/placements/{name}", {"path_parameters": {"name": whom}, "body": {"placement": {"for": whom}}})
        for whom in ("person", "session", "item", "items", "nobody")
    ),
    ("GET", "/v1/placements", {}),
    ("GET", "/v1/placements/{name}/users/{id}", {"path_parameters": {**ANN, "name": "person"}, "query": {"why": True}}),
    ("POST", "/v1/placements/{name}/users/{id}", {"path_parameters": {**ANN, "name": "person"}, "body": {}}),
    ("GET", "/v1/placements/{name}/users/{id}/why-not/{item}",
     {"path_parameters": {**ANN, "name": "person", "item": "i00"}}),
    ("GET", "/v1/placements/{name}/sessions/{id}", {"path_parameters": {"id": "s", "name": "session"}}),
    ("GET", "/v1/placements/{name}/sessions/{id}/why-not/{item}",
     {"path_parameters": {"id": "s", "name": "session", "item": "i00"}}),
    ("GET", "/v1/placements/{name}/items/{id}", {"path_parameters": {"id": "i00", "name": "item"}}),
    ("POST", "/v1/placements/{name}/items", {"path_parameters": {"name": "items"}, "body": {"items": ["i00"]}}),
    ("GET", "/v1/placements/{name}", {"path_parameters": {"name": "nobody"}}),
    ("POST", "/v1/placements/{name}/preview", {"path_parameters": {"name": "person"}, "query": {"user": "ann"},
                                               "body": {"placement": {"k": 1}}}),
    ("DELETE", "/v1/placements/{name}", {"path_parameters": {"name": "nobody"}}),
    ("GET", "/v1/users/{id}/events", {"path_parameters": ANN}),
    ("GET", "/v1/sessions/{id}/events", {"path_parameters": {"id": "s"}, "query": {"k": 1}}),
    ("GET", "/v1/users/{id}/export", {"path_parameters": ANN}),
    ("GET", "/v1/users/{id}/export.csv", {"path_parameters": ANN}),
    ("POST", "/v1/sessions/{id}/link", {"path_parameters": {"id": "s"}}),
    ("PATCH", "/v1/users/{id}/choices", {"path_parameters": ANN, "body": {"off_kinds": ["cart"], "paused": False}}),
    ("GET", "/v1/users/{id}/choices", {"path_parameters": ANN}),
    ("PATCH", "/v1/users/{id}/events/{seq}", {"path_parameters": {**ANN, "seq": 1}, "body": {"kind": "view"}}),
    ("DELETE", "/v1/users/{id}/events/{seq}", {"path_parameters": {**ANN, "seq": 1}}),
    ("PUT", "/v1/items/{id}", {"path_parameters": {"id": "fresh"},
                               "body": {"title": "Fresh", "expires": 4e9, "attributes": {"genre": ["noir", 1, True]}}}),
    ("PATCH", "/v1/items/{id}", {"path_parameters": {"id": "fresh"}, "body": {"domain": "film", "title": None}}),
    ("GET", "/v1/items/{id}", {"path_parameters": {"id": "i00"}}),
    ("GET", "/v1/items/{id}/similar", {"path_parameters": {"id": "fresh"}}),
    ("GET", "/v1/items", {"query": {"q": "title"}}),
    ("POST", "/v1/items", {"body": {"put": [{"item": "more"}], "patch": [{"item": "i01"}], "delete": ["more"]}}),
    ("DELETE", "/v1/items/{id}", {"path_parameters": {"id": "fresh"}}),
    ("GET", "/v1/popular", {"query": {"days": 1}}),
    ("GET", "/v1/trending", LISTED),
    ("GET", "/v1/latest", LISTED),
    ("GET", "/v1/onboarding", LISTED),
    ("POST", "/v1/users/{id}/link", {"path_parameters": {"id": "own"}, "body": {"minutes": 5}}),
    ("GET", "/v1/me", {}),  # and the following, by the link before
    ("GET", "/v1/me/events", {"query": {"k": 3}}),
    ("PATCH", "/v1/me/events/{seq}", {"path_parameters": {"seq": 5}, "body": {"kind": "view"}}),
    ("DELETE", "/v1/me/events/{seq}", {"path_parameters": {"seq": 5}}),
    ("PATCH", "/v1/me/choices", {"body": {"training": False}}),
    ("GET", "/v1/me/choices", {}),
    ("GET", "/v1/me/list", {"query": {"k": 3}}),
    ("GET", "/v1/me/export", {}),
    ("GET", "/v1/me/export.csv", {}),
    ("DELETE", "/v1/me", {}),
    ("POST", "/v1/users/{id}/merge", {"path_parameters": ANN, "body": {"session": "s"}}),
    ("DELETE", "/v1/users/{id}", {"path_parameters": ANN}),
    ("DELETE", "/v1/sessions/{id}", {"path_parameters": {"id": "s"}}),
    ("GET", "/v1/erasures/{hash}", {}),  # of the receipt before
    ("GET", "/v1/results", {"query": {"days": 2}}),
    ("GET", "/v1/models", {}),
    ("POST", "/v1/models/{name}/activate", {"path_parameters": {"name": "knn"}}),
    ("POST", "/v1/models/rollback", {}),
)  # fmt: skip


@pytest.fixture(scope="module")
def api(knn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    process = Process(knn, tmp_path_factory.mktemp("openapi") / "store.db")
    process.ask("POST", "/v1/events", {"events": [{"user": "ann", "item": "i00"}, {"user": "ann", "item": "i11"}]})
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{process.port}/openapi.json")
    process.stop()


@pytest.mark.slow  # make test-openapi
@pytest.mark.timeout(1200)  # a request that has begun is not interrupted, and the machine may be busy
def test_a_minute_of_requests_with_keys_breaks_nothing() -> None:
    """Coverage, fuzzing and stateful phases; ``python -m bench schemathesis`` is the same for longer."""
    result = serve_schemathesis.measure(0.5)
    assert serve_schemathesis.faults(result) == []
    assert sum(part["requests"] for part in result["phases"]) > 50


def test_links_lead_to_operations_with_such_parameters(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    known = {one["operationId"]: one for operations in paths.values() for one in operations.values()}
    found = [link for one in known.values() for link in one["responses"].get("200", {}).get("links", {}).values()]
    assert len(found) == len(LINKS)
    for link in found:
        named = {parameter["name"] for parameter in known[link["operationId"]].get("parameters", ())}
        assert set(link["parameters"]) <= named, link


def test_every_answer_is_as_its_model_says(api: Any) -> None:
    receipt = link = ""
    for method, path, parts in CALLS:
        own = {"path_parameters": {"hash": receipt}} if path.startswith("/v1/erasures/") else {}
        own |= {"headers": {"Authorization": f"Bearer {link}"}} if path.startswith("/v1/me") else {}
        case = api[path][method].Case(**parts, **own)
        response = case.call()
        expected = 409 if path.endswith("rollback") else 200  # there is only one model
        assert response.status_code == expected, (method, path, response.text)
        case.validate_response(response, checks=CHECKS)
        if not path.endswith(".csv"):
            receipt, link = response.json().get("hash", receipt), response.json().get("token", link)
    called = {(method, path) for method, path, _ in CALLS}
    operations = (operation.ok() for operation in api.get_all_operations())
    assert called == {(one.method.upper(), one.path) for one in operations if one.path.startswith("/v1/")}


def test_every_answer_has_a_model_that_lists_its_fields(client: Client) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    for path, operations in document["paths"].items():
        for operation in operations.values() if path.startswith("/v1/") else ():
            for status, response in operation["responses"].items():
                if status == "200":
                    (media, content), *others = response["content"].items()
                    if path.endswith(".csv"):
                        assert (media, content, others) == ("text/csv", {"schema": {"type": "string"}}, []), path
                        continue
                    assert media == "application/json", path
                    assert not others, path
                    assert "$ref" in content["schema"], f"{path} has no response_model"
                    model = schemas[content["schema"]["$ref"].rpartition("/")[2]]
                    assert model["properties"], path
                    assert model["additionalProperties"] is False, path
                elif status == "431":
                    assert "content" not in response, path
                else:
                    assert response["content"] == problem, (path, status)
                    assert response["description"], (path, status)


def _operations(client: Client) -> list[tuple[str, str, set[str]]]:
    """Method, path with ids, and names of the query parameters of every operation."""
    found = []
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            names = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
            found.append((method.upper(), re.sub(r"{\w+}", "i00", path), names))
    return found


def test_an_unknown_query_parameter_is_refused_by_every_route(client: Client) -> None:
    operations = [one for one in _operations(client) if one[1].startswith("/v1/")]
    assert len(operations) == len({call[:2] for call in CALLS})  # some have several
    for method, path, names in operations:
        for sent in ({"exclud": "i01"}, {**dict.fromkeys(names, "1"), "exclud": "i01", "K": "3"}):
            answer = client.request(method, path, params=sent)
            assert answer.status_code == 422, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
            named = [one["field"] for one in answer.json()["errors"] if "no such query parameter" in one["detail"]]
            assert named == [name for name in sent if name not in names], (method, path)
        known = client.request(method, path, params=dict.fromkeys(names, "1"))
        assert "query parameter" not in known.text, (method, path)


def test_the_document_names_every_refusal(client: Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named == set(document["components"]["schemas"])
    assert "#/$defs" not in json.dumps(document)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1"):
                scheme = "link" if path.startswith("/v1/me") else "key"  # a person's own page asks for their link
                assert operation.get("security") == [{scheme: []}], f"{path} requires no scope"
                assert {"401", "403", "422", "429"} <= set(operation["responses"]), path
                assert operation["description"], path
