"""Pictures down and up: the straight line that every command, the API and the evaluation run."""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

import numpy as np
from PIL import Image

import irncli
from irncli.errors import InputError, ManifestError, UsageError
from irncli.execution.device import pick
from irncli.execution.engine import Engine
from irncli.execution.precision import settle
from irncli.images.colour import (
    Metadata,
    Picture,
    extend_under_transparency,
    from_pillow,
    to_pillow,
)
from irncli.images.files import Loaded
from irncli.images.transparency import around, flatten_alpha
from irncli.latent import ALPHA_STREAM
from irncli.manifest import MAX_TAU, Manifest, check_size, lost_manifest, pixels_digest
from irncli.planes import Planes, Samples
from irncli.pretrained.load import Weights, load_weights


class Rescaler:
    """A loaded model that makes pictures small and brings them back.

    ``downscale`` and ``upscale`` take and give Pillow images or uint8 arrays (H W, H W 3 or H W 4): pixels
    alone, what else a file carries is the commands' business. A small picture is restored by the manifest
    that was made with it.
    """

    def __init__(
        self,
        model: str = "irn-x4",
        *,
        device: str = "auto",
        dtype: str = "auto",
        tile: int | str = "auto",
        threads: int | None = None,
        on_shortage: Callable[[], None] = lambda: None,
    ) -> None:
        """``model``: a name of the catalogue or a file. Raise ModelError, UsageError or DeviceError.

        ``on_shortage`` is called whenever a tile is halved for want of memory.
        """
        self.weights: Weights = load_weights(model)
        network = self.weights.network
        place = pick(device)
        precision = settle(network, self.weights.dtype, place) if dtype == "auto" else dtype
        self.engine = Engine(
            network, device=str(place), dtype=precision, tile=tile, threads=threads, on_shortage=on_shortage
        )
        self.planes = Planes(self.engine, self.weights.latent)

    @property
    def scale(self) -> int:
        return self.engine.scale

    @property
    def name(self) -> str:
        return self.weights.name

    @property
    def identity(self) -> str:
        return self.weights.identity

    @property
    def default_tau(self) -> float:
        return self.weights.tau

    @property
    def header(self) -> dict[str, str]:
        return self.weights.header

    # Pictures ---------------------------------------------------------------------------------

    def downscale_picture(self, loaded: Loaded, *, keep_name: str | None = None) -> tuple[Picture, Manifest]:
        """A decoded file -> its small picture and the manifest that belongs into it."""
        picture, trained_grey = loaded.picture, self.weights.grey
        colour = picture.colour
        if picture.alpha is not None:
            colour = extend_under_transparency(colour, picture.alpha)
        as_grey = picture.grey and trained_grey
        small_colour = self.planes.down(colour, as_grey)
        small_alpha = None
        if picture.alpha is not None:
            small_alpha = self._alpha_down(picture.alpha)
        small = Picture(small_colour, small_alpha, picture.metadata)
        manifest = Manifest(
            width=picture.width,
            height=picture.height,
            scale=self.scale,
            model=self.name,
            identity=self.identity,
            tau=self.default_tau,
            depth=8,
            mode="rgb" if not picture.grey else "grey" if as_grey else "grey-as-rgb",
            alpha="none" if picture.alpha is None else "network" if trained_grey else "resampled",
            palette=picture.palette,
            source_sha256=loaded.sha256,
            pixels_sha256=picture_digest(small),
            tool=f"irn {irncli.__version__}",
            name=keep_name,
        )
        return small, manifest

    def upscale_picture(
        self, small: Picture, manifest: Manifest, *, tau: float | None = None, seed: int = 0
    ) -> Picture:
        """A small picture and its checked manifest -> the picture at its original size."""
        tau = manifest.tau if tau is None else tau
        if not 0 <= tau <= MAX_TAU:
            raise UsageError(f"--tau {tau:g} is out of range", f"Use 0 to {MAX_TAU:g}.")
        if not 0 <= seed < 1 << 63:
            raise UsageError(f"--seed {seed} is out of range", "Use 0 to 2^63 - 1.")
        if manifest.identity != self.identity:
            raise UsageError(
                f"made by {manifest.model}, not by {self.name}", "Leave --model out to use its own weights."
            )
        check_manifest(manifest, small)
        if manifest.scale != self.scale:
            raise ManifestError(
                f"its manifest says scale {manifest.scale}, and its weights are for {self.scale}",
                "Use the file as it was made.",
            )
        size = (manifest.height, manifest.width)
        colour = self.planes.up(small.colour, size, manifest.mode != "rgb", tau, seed)
        alpha = None
        if small.alpha is not None:
            alpha = self._alpha_up(small.alpha, size, manifest.alpha, tau, seed)
        return Picture(colour, alpha, small.metadata)

    def _alpha_down(self, alpha: Samples) -> Samples:
        s = self.scale
        h, w = alpha.shape
        padded = np.pad(alpha, ((0, -h % s), (0, -w % s)), mode="edge")
        if self.weights.grey:
            small = self.planes.down(alpha[..., None], grey=True)[..., 0]
        else:
            size = (padded.shape[1] // s, padded.shape[0] // s)
            small = np.array(Image.fromarray(padded).resize(size, Image.Resampling.BICUBIC))
        blocks = padded.reshape(padded.shape[0] // s, s, -1, s)
        flatten_alpha(small, *around(blocks.min((1, 3)), blocks.max((1, 3))))
        return small

    def _alpha_up(self, alpha: Samples, size: tuple[int, int], way: str, tau: float, seed: int) -> Samples:
        s = self.scale
        h, w = alpha.shape
        if way == "network":
            large = self.planes.up(alpha[..., None], size, True, tau, seed, ALPHA_STREAM)[..., 0]
        else:
            image = Image.fromarray(alpha).resize((w * s, h * s), Image.Resampling.BICUBIC)
            large = np.array(image)[: size[0], : size[1]]
        low, high = (
            np.repeat(np.repeat(edge, s, 0), s, 1)[: size[0], : size[1]] for edge in around(alpha, alpha)
        )
        flatten_alpha(large, low, high)
        return large

    # Manifests --------------------------------------------------------------------------------

    @staticmethod
    def read_manifest(small: Picture, text: str | None, accept_modified: bool = False) -> Manifest:
        """The manifest of a small picture, believed only after it was checked. Raise ManifestError."""
        if text is None:
            raise lost_manifest()
        manifest = Manifest.from_json(text)
        check_manifest(manifest, small)
        check_pixels(manifest, small, accept_modified)
        return manifest

    def assumed_manifest(self, small: Picture, size: tuple[int, int] | None = None) -> Manifest:
        """What a small picture without a manifest is taken for; ``size`` (width, height) of the result."""
        width, height = size or (small.width * self.scale, small.height * self.scale)
        manifest = Manifest(
            width=width,
            height=height,
            scale=self.scale,
            model=self.name,
            identity=self.identity,
            tau=self.default_tau,
            depth=8,
            mode="rgb" if not small.grey else "grey",
            alpha="none" if small.alpha is None else "network" if self.weights.grey else "resampled",
            palette=False,
            source_sha256="0" * 64,
            pixels_sha256=picture_digest(small),
            tool=f"irn {irncli.__version__}",
        )
        if manifest.small_size != (small.width, small.height):
            raise UsageError(
                f"--size {width}x{height} does not fit a small picture of {small.width}x{small.height}",
                f"At scale {self.scale} it must lie within one cell of "
                f"{small.width * self.scale}x{small.height * self.scale}.",
            )
        return manifest

    # Images and arrays ------------------------------------------------------------------------

    @overload
    def downscale(self, image: Image.Image) -> tuple[Image.Image, Manifest]: ...
    @overload
    def downscale(self, image: Samples) -> tuple[Samples, Manifest]: ...
    def downscale(self, image: Image.Image | Samples) -> tuple[Image.Image | Samples, Manifest]:
        """A Pillow image or a uint8 array -> the small one, of the same kind, and its manifest."""
        picture = _as_picture(image)
        loaded = Loaded(picture=picture, text=None, sha256=picture_digest(picture), format="")
        small, manifest = self.downscale_picture(loaded)
        return _like(image, small), manifest

    @overload
    def upscale(
        self,
        small: Image.Image,
        manifest: Manifest | None = None,
        *,
        tau: float | None = None,
        seed: int = 0,
        accept_modified: bool = False,
    ) -> Image.Image: ...
    @overload
    def upscale(
        self,
        small: Samples,
        manifest: Manifest | None = None,
        *,
        tau: float | None = None,
        seed: int = 0,
        accept_modified: bool = False,
    ) -> Samples: ...
    def upscale(
        self,
        small: Image.Image | Samples,
        manifest: Manifest | None = None,
        *,
        tau: float | None = None,
        seed: int = 0,
        accept_modified: bool = False,
    ) -> Image.Image | Samples:
        """The restored picture, of the same kind as ``small``; without a manifest scale x as large.

        Raise ManifestError if the pixels are not those that the manifest was made with, unless
        ``accept_modified``.
        """
        picture = _as_picture(small)
        if manifest is None:
            manifest = self.assumed_manifest(picture)
        check_manifest(manifest, picture)
        check_pixels(manifest, picture, accept_modified)
        return _like(small, self.upscale_picture(picture, manifest, tau=tau, seed=seed))


def picture_digest(picture: Picture) -> str:
    """SHA-256 of a picture's own pixels: colour and, if it has one, alpha."""
    samples = picture.colour
    if picture.alpha is not None:
        samples = np.concatenate((samples, picture.alpha[..., None]), 2)
    return pixels_digest(samples.shape, 8, np.ascontiguousarray(samples).data)


def check_manifest(manifest: Manifest, small: Picture) -> None:
    """Raise ManifestError unless the picture can be the one that the manifest tells of."""
    check_size(manifest, small.width, small.height)
    if manifest.depth != 8:
        raise ManifestError(f"a small picture of {manifest.depth} bits", "It needs a newer irn.")
    if (manifest.mode == "grey") != small.grey or (manifest.alpha == "none") != (small.alpha is None):
        raise ManifestError("its channels are not those of its manifest", "Use the file as it was made.")


def check_pixels(manifest: Manifest, small: Picture, accept_modified: bool) -> None:
    """Raise ManifestError if the picture was changed after it was made."""
    if not accept_modified and manifest.pixels_sha256 != picture_digest(small):
        raise ManifestError(
            "its pixels were changed after irn made it, and the hidden detail with them",
            "Use the file as it was made, or add --accept-modified.",
        )


def _as_picture(image: Image.Image | Samples) -> Picture:
    if isinstance(image, Image.Image):
        return from_pillow(image)
    if not isinstance(image, np.ndarray):
        raise InputError(f"a {type(image).__name__} is no picture", "Give a Pillow image or a uint8 array.")
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise InputError(f"an array of {image.dtype} {image.shape}", "Use uint8, H W, H W 3 or H W 4.")
    samples = np.ascontiguousarray(image if image.ndim == 3 else image[..., None])
    nothing = Metadata(icc=None, exif=None, xmp=None, dpi=None)
    if samples.shape[2] in (1, 3):
        return Picture(samples, None, nothing)
    if samples.shape[2] in (2, 4):
        return Picture(np.ascontiguousarray(samples[..., :-1]), samples[..., -1].copy(), nothing)
    raise InputError(f"an array of {samples.shape[2]} channels", "Use 1, 2, 3 or 4.")


def _like(example: Image.Image | Samples, picture: Picture) -> Image.Image | Samples:
    if isinstance(example, Image.Image):
        return to_pillow(picture)
    samples = picture.colour
    if picture.alpha is not None:
        samples = np.concatenate((samples, picture.alpha[..., None]), 2)
    one_plane = example.ndim == 3 and example.shape[2] == 1
    return samples[..., 0] if samples.shape[2] == 1 and not one_plane else samples
