"""The pages: where one sees the service think. Server-rendered, every asset local, nothing inline."""
