"""Scores -> one HTML page that needs no network. Computes no figure."""
