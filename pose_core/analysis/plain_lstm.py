"""An LSTM written out in single operations, for derivatives of many outputs at once.

PyTorch cannot batch the derivatives of `torch.nn.LSTM`: it would run backward once for each number
of the answer. Written out, all of them run backward together.
"""

import torch
from torch import Tensor, nn


def lstm_states(lstm: nn.LSTM, inputs: Tensor) -> list[Tensor]:
    """What an LSTM without dropout answers.

    Parameters
    ----------
    lstm : nn.LSTM
        With ``batch_first``, in eval mode.
    inputs : (B, R, C) Tensor

    Returns
    -------
    list of R (B, H) or (B, 2 H) Tensors
        Hidden states of the last layer; those of both directions side by side. A list, so that
        derivatives of one of them do not run through those that it does not depend on.
    """
    states = list(inputs.unbind(1))
    for layer in range(lstm.num_layers):
        seen, states = states, _one_direction(lstm, states, f"_l{layer}")
        if lstm.bidirectional:
            backward = _one_direction(lstm, seen[::-1], f"_l{layer}_reverse")[::-1]
            states = [torch.cat(pair, dim=-1) for pair in zip(states, backward, strict=True)]
    return states


def _one_direction(lstm: nn.LSTM, inputs: list[Tensor], name: str) -> list[Tensor]:
    """Hidden states (B, H) from the first input (B, C) to the last."""
    from_input, from_state, bias_of_input, bias_of_state = (
        getattr(lstm, f"{kind}{name}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    state = cell = inputs[0].new_zeros(len(inputs[0]), lstm.hidden_size)
    states = []
    for seen in inputs:
        gates = seen @ from_input.T + state @ from_state.T + bias_of_input + bias_of_state
        take, keep, new, give = gates.chunk(4, dim=-1)
        cell = keep.sigmoid() * cell + take.sigmoid() * new.tanh()
        state = give.sigmoid() * cell.tanh()
        states.append(state)
    return states
