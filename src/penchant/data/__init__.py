"""Ids and tables: vocabulary, recipe, log and catalogue; behind them how files are read and checked."""
