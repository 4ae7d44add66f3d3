"""HTTP: what every request passes, the schemas of requests and answers, and the routes."""
