"""What a real camera does to a picture: exposure, blur, noise, compression."""

import math
from functools import cache

import cv2
import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import conv2d, pad

from pose_core.synthesis.appearance import linear_to_srgb

# Every lens and sensor blurs by about this many pixels; it also hides the jagged edges of
# rendered pictures.
LEAST_BLUR_PX = 0.45
_NOISE_SHIFTS = 64
JPEG_SHARE, JPEG_QUALITY = 0.5, (35, 95)
BLUR_SHARE, MOTION_BLUR_SHARE = 0.35, 0.12
_BLUR_PX, _MOTION_BLUR_PX = (0.5, 1.4), 7
_NOISE_LEVEL = 0.035


def photograph(light: Tensor, sharpness_px: float, generator: Generator) -> Tensor:
    """Turn light into a picture as a camera stores it.

    Parameters
    ----------
    light : (T, 3, H, W) Tensor
        Linear; the frames of one sequence, which share all but the noise.
    sharpness_px : float
        Size of one pixel of the full picture in pixels of this crop: more than 1 blurs.
    generator : Generator

    Returns
    -------
    (T, 3, H, W) uint8 Tensor
        sRGB.
    """

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    exposure = uniform(0.7, 1.25)
    tint = 1 + 0.06 * (2 * torch.rand(3, 1, 1, generator=generator) - 1).to(light)
    sigma = math.hypot(LEAST_BLUR_PX, 0.4 * max(sharpness_px - 1, 0))
    if uniform(0, 1) < BLUR_SHARE:
        sigma = math.hypot(sigma, uniform(*_BLUR_PX))
    motion = uniform(0, math.pi) if uniform(0, 1) < MOTION_BLUR_SHARE else None
    contrast, noise_level = uniform(0.8, 1.12), uniform(0, 1) ** 2 * _NOISE_LEVEL
    quality = int(uniform(*JPEG_QUALITY)) if uniform(0, 1) < JPEG_SHARE else None
    seen = blur(light * (exposure * tint), sigma)
    if motion is not None:
        seen = _smear(seen, motion)
    picture = (linear_to_srgb(seen) - 0.5) * contrast + 0.5
    frames = [
        frame + noise_level * _noise(frame.shape[1:], generator).to(frame) for frame in picture
    ]
    stored = (torch.stack(frames) * 255).clamp(0, 255).round().to(torch.uint8)
    return stored if quality is None else _compress(stored, quality)


def blur(picture: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (T, C, H, W), in OpenCV: there it costs a fraction of torch's time."""
    side = 2 * max(1, math.ceil(2.5 * sigma)) + 1
    planes = picture.flatten(0, 1).cpu().numpy()
    seen = [cv2.GaussianBlur(p, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
            for p in planes]  # fmt: skip
    return torch.from_numpy(np.stack(seen)).to(picture.device).view_as(picture)


def _smear(picture: Tensor, angle: float) -> Tensor:
    """Blur along a line, as when the camera moves."""
    reach = _MOTION_BLUR_PX // 2
    steps = torch.linspace(-reach, reach, 4 * _MOTION_BLUR_PX)
    kernel = torch.zeros(_MOTION_BLUR_PX, _MOTION_BLUR_PX)
    rows, columns = (reach + steps * f(angle) for f in (math.sin, math.cos))
    kernel[rows.round().long(), columns.round().long()] = 1
    kernel = (kernel / kernel.sum()).to(picture)
    planes = pad(picture.flatten(0, 1)[:, None], (reach,) * 4, mode="replicate")
    return conv2d(planes, kernel[None, None]).view_as(picture)


@cache
def _noise_tile(height: int, width: int) -> Tensor:
    """Normal noise (3, H + 64, W + 64); parts of it are used, because drawing it anew is slow."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, height + _NOISE_SHIFTS, width + _NOISE_SHIFTS, generator=generator)


def _noise(size: torch.Size, generator: Generator) -> Tensor:
    """(3, H, W) noise of unit variance: one of 4,096 parts, channels in any of six orders."""
    top, left = torch.randint(_NOISE_SHIFTS, (2,), generator=generator).tolist()
    part = _noise_tile(*size)[:, top : top + size[0], left : left + size[1]]
    return part[torch.randperm(3, generator=generator)]


def _compress(pictures: Tensor, quality: int) -> Tensor:
    """JPEG and back, (T, 3, H, W) uint8."""
    out = []
    for rgb in pictures.permute(0, 2, 3, 1).cpu().numpy():
        _, data = cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        out.append(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[:, :, ::-1])
    return torch.from_numpy(np.stack(out)).permute(0, 3, 1, 2).contiguous().to(pictures.device)
