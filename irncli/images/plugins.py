"""Formats that Pillow reads by a plugin of another package, asked for when such a file is met."""

from __future__ import annotations

from importlib import import_module

INSTALL = "Install it: pip install 'irncli[formats]'."
PLUGINS = {"HEIF": ("pillow_heif", "pillow-heif"), "JXL": ("pillow_jxl", "pillow-jxl-plugin")}
"""Pillow's name of the format -> the module and the package that bring it."""
NAMES = {"HEIF": "HEIF", "JXL": "JPEG XL"}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_JXL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")


def plugin_format(head: bytes) -> str | None:
    """Which of them a file's first 12 bytes begin; None for a file that Pillow reads by itself."""
    if head.startswith(_JXL_STARTS):
        return "JXL"
    return "HEIF" if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS else None


def missing(format: str) -> str | None:
    """What is not installed of what the format needs, after Pillow was told of the plugin; None if it is."""
    if format not in PLUGINS:
        return None
    module, package = PLUGINS[format]
    try:
        plugin = import_module(module)
        if format == "HEIF":
            plugin.register_heif_opener()
    except Exception:  # not there, or without the library that it needs
        return package
    return None
