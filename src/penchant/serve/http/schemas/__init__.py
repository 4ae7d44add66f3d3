"""The JSON of requests and responses; the OpenAPI document is made from these models."""
