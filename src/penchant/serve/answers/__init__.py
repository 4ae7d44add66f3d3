"""Answers: personal lists, non-personalised lists, and the models behind them."""
