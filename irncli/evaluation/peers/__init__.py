"""Other ways to shrink a picture and to make it large again, one adapter a file. Nothing heavy at import."""
