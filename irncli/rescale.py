"""Pictures down and up: the straight line that every command, the API and the evaluation run."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import overload

import numpy as np
from PIL import Image
from torch import Tensor

import irncli
from irncli.errors import InputError, ManifestError, UsageError
from irncli.execution.codec import Codec, bicubic, resized, usual_way_up, whole_cells
from irncli.execution.engine import Engine
from irncli.execution.resample import Real
from irncli.guard import guarded
from irncli.images.alpha import around, extend_under_transparency, extremes, flatten_alpha, spread
from irncli.images.metadata import Metadata
from irncli.images.picture import Picture, from_pillow, to_pillow
from irncli.manifest import MAX_TAU, Manifest, check_size, lost_manifest, pixels_digest
from irncli.pretrained.load import Weights, load_weights
from irncli.refine import refined
from irncli.samples import Samples, depth_of
from irncli.scratch import Spill
from irncli.sizes import Sampling, SizeSpec, lost_sampling

DIGESTED_ROWS = 64


class Rescaler:
    """A loaded model that makes pictures small and brings them back.

    ``downscale`` and ``upscale`` take and give Pillow images or arrays (H W, H W 3 or H W 4), uint8 or
    uint16: pixels alone, what else a file carries is the commands' business. A small picture is restored by
    the manifest that was made with it, with as many bits per sample as the original had.
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

        ``on_shortage`` is called the first time that a tile is halved for want of memory.
        """
        self.weights: Weights = load_weights(model)
        self.engine = Engine(
            self.weights.network,
            device=device,
            dtype=dtype,
            released=self.weights.dtype,
            tile=tile,
            threads=threads,
            on_shortage=on_shortage,
        )
        self.codec = Codec(self.engine, self.weights.latent)
        self.refine = self.weights.refine
        """Steps of refinement unless told otherwise: those of a model that is named as the best."""

    @property
    def scale(self) -> int:
        return self.engine.scale

    @property
    def name(self) -> str:
        return self.weights.name

    @property
    def fingerprint(self) -> str:
        return self.weights.fingerprint

    @property
    def default_tau(self) -> float:
        return self.weights.tau

    @property
    def header(self) -> dict[str, str]:
        return self.weights.header

    # Pictures ---------------------------------------------------------------------------------

    def downscale_picture(
        self,
        picture: Picture,
        source_sha256: str,
        *,
        keep_name: str | None = None,
        sampling: Sampling | None = None,
        spill: Spill | None = None,
        refine: int | None = None,
        check: bool | None = None,
        progress: Callable[[float], None] = lambda done: None,
        depth: int = 8,
        encoded: Real | None = None,
    ) -> tuple[Picture, Manifest]:
        """A decoded picture -> its small one and the manifest that belongs into it.

        ``source_sha256``: digest of the file's bytes, 64 hexadecimal digits.
        ``sampling``: of another size than the network's own, for which the picture is resampled before it.
        ``spill``: what the coefficients may take of the memory, and where the rest of them goes.
        ``refine``: steps by which the small picture is optimised (:mod:`irncli.refine`), by default
        :attr:`refine`. ``check``: whether it is restored and held against the usual way before it is kept
        (:mod:`irncli.guard`), by default where it shows signs of need. ``progress`` is told the share of
        both that is done. ``depth``: bits per sample of the small picture, 8 or 16.
        ``encoded``: what :meth:`Codec.encode_several` gave of the picture; only for one without alpha.
        """
        refine = self.refine if refine is None else refine
        sampling = sampling or self.codec.sampling(picture.height, picture.width)
        colour = picture.colour
        if picture.alpha is not None:
            colour = extend_under_transparency(colour, picture.alpha)
        small_colour = self.codec.down(colour, sampling, spill, depth, encoded)
        if refine:
            small_colour = refined(self.codec, colour, small_colour, sampling, picture.grey, refine, progress)
        small_colour, usual, psnr_y = guarded(
            self.codec, colour, small_colour, sampling, picture.grey, check, progress
        )
        small_alpha = None
        if picture.alpha is not None:
            small_alpha = _alpha_down(picture.alpha, sampling, depth)
        small = Picture(small_colour, small_alpha, picture.metadata)
        manifest = Manifest(
            width=picture.width,
            height=picture.height,
            scale=self.scale,
            model=self.name,
            fingerprint=self.fingerprint,
            tau=self.default_tau,
            depth=depth,
            original_depth=picture.depth,
            mode="grey-as-rgb" if picture.grey else "rgb",
            alpha="none" if picture.alpha is None else "resampled",
            palette=picture.palette,
            source_sha256=source_sha256,
            pixels_sha256=picture_digest(small),
            tool=f"irn {irncli.__version__}",
            name=keep_name,
            options=({"refine": refine} if refine else {}) | ({} if check is None else {"check": int(check)}),
            small=None if sampling.is_whole(self.scale) else sampling.text,
            restored_by="lanczos" if usual else "network",
            psnr_y=psnr_y,
        )
        return small, manifest

    def upscale_picture(
        self,
        small: Picture,
        manifest: Manifest,
        *,
        tau: float | None = None,
        seed: int = 0,
        spill: Spill | None = None,
        depth: int | None = None,
        by_rows: bool = False,
        decoded: Tensor | None = None,
    ) -> Picture:
        """A small picture and its checked manifest -> the picture at its original size.

        ``spill`` is that of :meth:`downscale_picture`. ``depth``: bits per sample, by default those of the
        original. ``by_rows``: its colour is Bands then, restored as they are asked for. ``decoded``: what
        :meth:`Codec.decode_several` gave of it.
        """
        tau = manifest.tau if tau is None else tau
        if not 0 <= tau <= MAX_TAU:
            raise UsageError(f"`tau={tau:g}` is out of range", f"Use 0 to {MAX_TAU:g}.")
        if not 0 <= seed < 1 << 63:
            raise UsageError(f"`seed={seed}` is out of range", "Use 0 to 2^63 - 1.")
        if manifest.fingerprint != self.fingerprint:
            raise UsageError(
                f"made by {manifest.model}, not by {self.name}", "Leave `model` out to use its own weights."
            )
        check_manifest(manifest, small)
        if manifest.scale != self.scale:
            raise ManifestError(
                f"its manifest says scale {manifest.scale}, and its weights are for {self.scale}",
                "Use the file as it was made.",
            )
        sampling, grey = manifest.sampling, manifest.mode != "rgb"
        depth = manifest.original_depth if depth is None else depth
        if manifest.restored_by == "lanczos":
            bands = usual_way_up(small.colour, sampling, grey, depth)
        else:
            bands = self.codec.up(
                small.colour, sampling, grey, tau, seed, spill=spill, depth=depth, decoded=decoded
            )
        colour = bands.as_samples() if by_rows else bands.whole()
        alpha = None
        if small.alpha is not None:
            alpha = _alpha_up(small.alpha, sampling, depth)
        return Picture(colour, alpha, small.metadata)

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

    def assumed_manifest(self, small: Picture, sampling: Sampling | None = None) -> Manifest:
        """What a small picture without a manifest is taken for.

        ``sampling``: how it lies over its original (:func:`irncli.sizes.lost_sampling`); by default every
        pixel stands for a whole cell of the network's.
        """
        sampling = sampling or lost_sampling((small.width, small.height), Fraction(self.scale), None)
        return Manifest(
            width=sampling.width,
            height=sampling.height,
            scale=self.scale,
            model=self.name,
            fingerprint=self.fingerprint,
            tau=self.default_tau,
            depth=small.depth,
            original_depth=small.depth,
            mode="grey-as-rgb" if small.grey else "rgb",
            alpha="none" if small.alpha is None else "resampled",
            palette=False,
            source_sha256="0" * 64,
            pixels_sha256=picture_digest(small),
            tool=f"irn {irncli.__version__}",
            small=None if sampling.is_whole(self.scale) else sampling.text,
        )

    # Images and arrays ------------------------------------------------------------------------

    @overload
    def downscale(
        self,
        image: Image.Image,
        size: SizeSpec | None = None,
        *,
        refine: int | None = None,
        check: bool | None = None,
        depth: int = 8,
    ) -> tuple[Image.Image, Manifest]: ...
    @overload
    def downscale(
        self,
        image: Samples,
        size: SizeSpec | None = None,
        *,
        refine: int | None = None,
        check: bool | None = None,
        depth: int = 8,
    ) -> tuple[Samples, Manifest]: ...
    def downscale(
        self,
        image: Image.Image | Samples,
        size: SizeSpec | None = None,
        *,
        refine: int | None = None,
        check: bool | None = None,
        depth: int = 8,
    ) -> tuple[Image.Image | Samples, Manifest]:
        """A Pillow image or a uint8 or uint16 array -> the small one, of the same kind, and its manifest.

        ``size``: a size or a scale that is not the network's, such as ``SizeSpec(max_side=1200)``; as stored,
        whatever a viewer would show. ``refine``: steps by which it is made to restore better, by default
        :attr:`refine`. ``check``: True restores it before it is kept, False never; by default that is done
        where it shows signs of coming back worse than by Lanczos, and then it is mended or replaced
        (``manifest.restored_by``). ``depth``: bits per sample of the small one, 8 (whatever the original has)
        or 16, which hides more.
        """
        if depth not in (8, 16):
            raise UsageError(f"a depth of {depth} bits", "Use 8 or 16.")
        picture = _as_picture(image)
        sampling = size.sampling(picture.width, picture.height) if size else None
        small, manifest = self.downscale_picture(
            picture, picture_digest(picture), sampling=sampling, refine=refine, check=check, depth=depth
        )
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


def _alpha_down(alpha: Samples, sampling: Sampling, depth: int) -> Samples:
    """H W -> h w by bicubic; where all that it is made of is clear, or opaque, it is exactly that."""
    small = bicubic(alpha, sampling, depth)
    edges = extremes(whole_cells(alpha, sampling), sampling.steps, sampling.small)
    flatten_alpha(small, *around(*edges))
    return small


def _alpha_up(alpha: Samples, sampling: Sampling, depth: int) -> Samples:
    """h w -> H W by bicubic; where a sample and its neighbours are clear, or opaque, it is exactly that."""
    box = (0, 0, float(sampling.width / sampling.step_x), float(sampling.height / sampling.step_y))
    large = resized(alpha, (sampling.width, sampling.height), box, depth)
    flatten_alpha(large, *(spread(edge, sampling.steps, large.shape) for edge in around(alpha, alpha)))
    return large


def picture_digest(picture: Picture) -> str:
    """SHA-256 of a picture's own pixels: colour and, if it has one, alpha."""
    samples = picture.colour
    if picture.alpha is not None:
        samples = np.concatenate((samples, picture.alpha[..., None]), 2)
    order = samples.dtype.newbyteorder("<")
    # By rows, since those on a disk are never in memory all at once.
    starts = range(0, samples.shape[0], DIGESTED_ROWS)
    parts = (np.ascontiguousarray(samples[y : y + DIGESTED_ROWS], order).data for y in starts)
    return pixels_digest(samples.shape, depth_of(samples), parts)


def check_manifest(manifest: Manifest, small: Picture) -> None:
    """Raise ManifestError unless the picture can be the one that the manifest tells of."""
    check_size(manifest, small.width, small.height)
    if manifest.depth != small.depth:
        what = f"{small.depth} bits per sample where its manifest says {manifest.depth}: it was converted"
        raise ManifestError(what, "Use the file as it was made.")
    if (small.grey and manifest.mode == "rgb") or (manifest.alpha == "none") != (small.alpha is None):
        raise ManifestError("its channels are not those of its manifest", "Use the file as it was made.")


def check_pixels(manifest: Manifest, small: Picture, accept_modified: bool) -> None:
    """Raise ManifestError if the picture was changed after it was made."""
    if not accept_modified and manifest.pixels_sha256 != picture_digest(small):
        raise ManifestError(
            "its pixels were changed after irn made it, and the hidden detail with them",
            "Use the file as it was made, or add `accept_modified`.",
        )


def _as_picture(image: Image.Image | Samples) -> Picture:
    if isinstance(image, Image.Image):
        return from_pillow(image)
    if not isinstance(image, np.ndarray):
        raise InputError(f"a {type(image).__name__} is no picture", "Give a Pillow image or a uint8 array.")
    if image.dtype not in (np.uint8, np.uint16) or image.ndim not in (2, 3) or 0 in image.shape:
        what = f"an array of {image.dtype} {image.shape}"
        raise InputError(what, "Use uint8 or uint16, H W, H W 3 or H W 4.")
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
