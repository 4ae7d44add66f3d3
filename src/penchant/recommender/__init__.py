"""What people hold, save, load and serve: the recommender, its answers and its folder."""
