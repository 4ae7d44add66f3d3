"""The REST API of Gorse 0.5 under /api, over the service's own functions."""

from penchant.serve.http.routes.gorse import feedback, items, lists, users

ROUTERS = (feedback.router, users.router, items.router, lists.router)
