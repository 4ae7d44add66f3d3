"""Words: item texts as vectors, reviews as opinions, comments as moods."""
