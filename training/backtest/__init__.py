"""Backtests on real data: what the product's estimates would have been worth, against baselines."""
