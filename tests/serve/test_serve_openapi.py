"""Requests made from the OpenAPI document: never a 5xx, and every answer as the document says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from tests.serve.conftest import Client
from tests.serve.serving import Process

EXAMPLES = {GenerationMode.POSITIVE: 30, GenerationMode.NEGATIVE: 15}  # requests for each of some forty operations
CHECKS = (not_a_server_error, response_schema_conformance, status_code_conformance)


@pytest.fixture(scope="module")
def api(knn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    process = Process(knn, tmp_path_factory.mktemp("openapi") / "store.db")
    process.ask("POST", "/v1/events", {"events": [{"user": "ann", "item": "i00"}, {"user": "ann", "item": "i11"}]})
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{process.port}/openapi.json")
    process.stop()


def test_no_request_makes_it_fail(api: Any) -> None:
    operations = [operation.ok() for operation in api.get_all_operations()]
    assert len(operations) > 30
    statuses = Counter[int]()
    for operation in operations:
        for mode in EXAMPLES:
            if mode is GenerationMode.POSITIVE or operation.body or operation.query or operation.path_parameters:
                _try(operation, mode, statuses)
    assert statuses[200] > 100
    assert statuses[422] > 300


def _try(operation: Any, mode: GenerationMode, statuses: Counter[int]) -> None:
    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES[mode], deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def requests(case: Any) -> None:
        response = case.call()
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    requests()


def test_the_document_names_every_refusal(client: Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named == set(document["components"]["schemas"])
    assert "#/$defs" not in json.dumps(document)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1"):
                assert operation["security"] == [{"key": []}], path
                assert {"401", "403", "422", "429"} <= set(operation["responses"]), path
                assert operation["description"], path
