"""The benchmark's own parts; bench/run.py puts them together."""
