"""Words in, words out: one file per command. Only ``output.py`` prints; torch is imported late."""
