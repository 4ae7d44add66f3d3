"""HTTP: middleware, scopes, schemas and routes."""
