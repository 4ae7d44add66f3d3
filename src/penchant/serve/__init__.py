"""The live service: events in, recommendations out; needs the extra ``serve``."""
