"""3x3 convolution with a quarter of the multiplications, for inference on a CPU.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.3,
F(4x4, 3x3): the picture is cut into tiles of 6 x 6 that overlap by 2, every tile is transformed to
36 numbers, and a tile of 4 x 4 results comes from 36 products where the plain way needs 144. For
all tiles and channels these products are 36 matrix products.

PyTorch's own convolutions on a CPU do not do this. On a GPU cuDNN does, where it helps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_OUT, _IN = 4, 6  # side of a tile of results, and of the tile of the picture it depends on

# The three matrices of section 4.3: of the picture (B^T), the kernel (G) and the result (A^T).
_PICTURE = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)
_KERNEL = (
    torch.tensor(
        [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]],
        dtype=torch.float64,
    )
    / torch.tensor([24, 24, 24, 24, 24, 24], dtype=torch.float64)[:, None]
)
_RESULT = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    dtype=torch.float64,
)
# A number added to this one of the 36 is added to all 16 results: column 1 of A^T is all ones.
_BIAS_INDEX = 1 * _IN + 1
# Transformed tiles of this many bytes are worked on at once, so that they stay in the cache.
_BYTES_AT_ONCE = 32_000_000


class WinogradConv2d(nn.Module):
    """Does what a `Conv2d` of kernel 3, stride 1 and padding 1 does, within rounding.

    Weights take four times the memory. Tensors in the layout ``channels_last`` are used as they
    are, others are copied.

    Parameters
    ----------
    conv : Conv2d
        See `suits_winograd`.
    """

    weight: Tensor
    picture_transform: Tensor
    result_transform: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        kernel = conv.weight.detach().double()
        weight = torch.einsum("ai,bj,kcij->abck", _KERNEL, _KERNEL, kernel).flatten(0, 1)
        # Both directions at once: one product with a 36 x 36 matrix.
        for name, value in (
            ("weight", weight),  # (36, C, K)
            ("picture_transform", torch.kron(_PICTURE, _PICTURE)),
            ("result_transform", torch.kron(_RESULT, _RESULT)),
        ):
            self.register_buffer(name, value.to(conv.weight.dtype).contiguous())
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K, H, W)."""
        height, width = x.shape[2:]
        rows, columns = -(-height // _OUT), -(-width // _OUT)  # of tiles
        beyond = (1, columns * _OUT - width + 1, 1, rows * _OUT - height + 1)
        padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, *beyond))  # (N, H', W', C)
        out = x.new_zeros(len(x), rows * _OUT, columns * _OUT, self.weight.shape[2])
        row_bytes = columns * _IN**2 * sum(self.weight.shape[1:]) * x.element_size()
        rows_at_once = min(max(_BYTES_AT_ONCE // row_bytes, 1), rows)
        frames_at_once = max(_BYTES_AT_ONCE // (row_bytes * rows_at_once), 1)
        for frame in range(0, len(x), frames_at_once):
            frames = slice(frame, frame + frames_at_once)
            for row in range(0, rows, rows_at_once):
                top, bottom = row * _OUT, min(row + rows_at_once, rows) * _OUT
                self._convolve(padded[frames, top : bottom + _IN - _OUT], out[frames, top:bottom])
        return out[:, :height, :width].permute(0, 3, 1, 2)

    def _convolve(self, padded: Tensor, out: Tensor) -> None:
        """Write the results of (N, 4 R + 2, 4 Q + 2, C) into `out`, (N, 4 R, 4 Q, K)."""
        tiles = padded.unfold(1, _IN, _OUT).unfold(2, _IN, _OUT)  # (N, R, Q, C, 6, 6)
        frames, rows, columns, channels = tiles.shape[:4]
        tiles = tiles.permute(4, 5, 0, 1, 2, 3).reshape(_IN**2, -1)
        transformed = (self.picture_transform @ tiles).view(_IN**2, -1, channels)
        products = torch.bmm(transformed, self.weight)  # (36, N R Q, K)
        if self.bias is not None:
            products[_BIAS_INDEX] += self.bias
        results = self.result_transform @ products.flatten(1)
        results = results.view(_OUT, _OUT, frames, rows, columns, -1)
        out.view(frames, rows, _OUT, columns, _OUT, -1).copy_(results.permute(2, 3, 0, 4, 1, 5))


def suits_winograd(module: nn.Module) -> bool:
    """Whether a module is a convolution that `WinogradConv2d` can do, and is likely to speed up.

    With few channels, transforming the tiles costs more than it saves: measured, layers from
    128 to 128 channels gain nothing, from 256 to 128 a quarter, from 512 to 512 a half.
    """
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (3, 3)
        and module.stride == module.padding == module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and module.groups == 1
        and module.in_channels * module.out_channels >= 256 * 128
    )
