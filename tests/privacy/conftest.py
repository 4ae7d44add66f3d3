"""A service over a planted world, as in the tests of the service."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.serve.conftest import Client, Make, client, cluster, hang_up, knn, make, models, server

__all__ = ["Client", "Make", "client", "cluster", "ended", "hang_up", "knn", "make", "models", "server"]


@contextmanager
def ended(client: Client) -> Iterator[Client]:
    """A service that ends here, so that the next one is a restart."""
    try:
        yield client
    finally:
        client.__exit__()
