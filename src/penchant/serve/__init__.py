"""The live service: events in, recommendations out. Needs the extra ``serve``."""
