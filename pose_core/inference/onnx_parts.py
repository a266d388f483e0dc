"""Parts of a network that ONNX Runtime runs.

Only parts that turn pictures into features go there: they take nearly all the time. What is
recurrent, or depends on the length of a clip, stays in PyTorch, so that clips of any length and
states carried from piece to piece work as ever.
"""

import io
import warnings
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from pose_core.errors import ConfigError

_NEEDED = ("onnx", "onnxruntime")


class OnnxPart(nn.Module):
    """A module run by ONNX Runtime on the CPU; any number of pictures at once.

    Parameters
    ----------
    part : Module
        From one tensor to a tensor or a tuple of tensors; in evaluation mode, on the CPU.
    example : (N, C, H, W) Tensor
        Sizes other than N are fixed.

    Raises
    ------
    ConfigError
        If ONNX Runtime is not installed.
    """

    def __init__(self, part: nn.Module, example: Tensor) -> None:
        super().__init__()
        content = onnx_bytes(part, example)
        import onnxruntime

        options: Any = onnxruntime.SessionOptions()  # pyright: ignore[reportAttributeAccessIssue]
        options.intra_op_num_threads = torch.get_num_threads()
        # Threads that wait busily would slow down the layers that PyTorch runs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )

    def forward(self, pictures: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(N, C, H, W) to what the module gives."""
        answers = self.session.run(None, {"pictures": pictures.detach().contiguous().numpy()})
        tensors = tuple(torch.from_numpy(answer) for answer in answers)
        return tensors[0] if len(tensors) == 1 else tensors


def onnx_bytes(part: nn.Module, example: Tensor) -> bytes:
    """The content of an ONNX file of a module, see `OnnxPart`.

    Raises
    ------
    ConfigError
        If ONNX is not installed.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{' and '.join(missing)} cannot be imported.", "Run `pip install posestage[fast]`."
        )
    content = io.BytesIO()
    # Two pictures: a size of one could be taken for a fixed one.
    pictures = example[:1].repeat(2, 1, 1, 1)
    with warnings.catch_warnings():
        # The newer exporter takes eight times as long (see docs/decisions/0007), which a user
        # would wait for at each start.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            part,
            (pictures,),
            content,  # pyright: ignore[reportArgumentType] - the older exporter takes files
            dynamo=False,
            input_names=["pictures"],
            dynamic_axes={"pictures": {0: "num_pictures"}},
        )
    return content.getvalue()
