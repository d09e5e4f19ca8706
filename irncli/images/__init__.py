"""Picture files <-> :class:`~irncli.images.picture.Picture`. Nothing here knows torch."""
