"""The web pages: rendered on the server, with local assets only and nothing inline."""
