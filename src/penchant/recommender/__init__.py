"""What people hold, save, load and serve: a recommender, its answers and its folder."""
