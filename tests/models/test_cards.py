"""Model cards: counts derived by hand, every network described, unknown names answered."""

import json
import subprocess
import sys

import pytest
import torch

from pose_core.cli import main
from pose_core.errors import ConfigError
from pose_core.models.cards import CLIP_FRAMES, count_operations, model_card
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import installed_models, load_manifest


def test_counts_of_a_small_network_by_hand():
    with torch.device("meta"):
        network = NETWORKS["tpnet"].build({"num_joints": 2, "context": 3, "hidden": 5})
    operations, inputs, output = count_operations(network, num_frames=4)
    # Three poses of two joints are 18 numbers; 18 -> 5 -> 6, a multiply-add counts as two.
    assert operations == 4 * 2 * (18 * 5 + 5 * 6)
    assert inputs == ((1, 4, 2, 3),)
    assert output == (1, 1, 4, 2, 3)


def test_convolutions_and_recurrent_layers_are_counted():
    """RPSM at the size of the paper, by hand from Table 1 and section 3, without small layers."""
    with torch.device("meta"):
        network = NETWORKS["rpsm"].build({})
    side = 368
    pairs = [(3, 64), (64, 64)]
    flop = 2 * 9 * side**2 * sum(a * b for a, b in pairs)
    for divisor, pairs in (
        (2, [(64, 128), (128, 128)]),
        (4, [(128, 256)] + [(256, 256)] * 3),
        (8, [(256, 512), (512, 512), (512, 256)] + [(256, 256)] * 3 + [(256, 128)]),
    ):
        flop += 2 * 9 * (side // divisor) ** 2 * sum(a * b for a, b in pairs)
    # Three stages: two convolutions on 46 x 46, two of 5 x 5 on 23 x 23 and 6 x 6.
    flop += 3 * 2 * 9 * 46**2 * (256 * 128 + 128 * 128)
    flop += 3 * 2 * 25 * 128 * 128 * (23**2 + 6**2)
    # Adaption, four gates of the LSTM, pose.
    flop += 3 * 2 * (1152 * 1024 + 4 * 1024 * (1024 + 51 + 1024) + 1024 * 51)
    for frames in (1, 3):
        operations, _, _ = count_operations(network, num_frames=frames)
        assert operations == pytest.approx(frames * flop, rel=1e-3)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_kind_of_network_has_a_card(name, capsys):
    card = model_card(name)
    assert card.output_shape[2] == CLIP_FRAMES
    assert main(["models", name]) == 0
    text = capsys.readouterr().out
    assert NETWORKS[name].title in text
    is_trained = name in {e.network for e in installed_models().values()}
    assert ("  not trained" in text) == (not is_trained)


@pytest.mark.parametrize("name", sorted(load_manifest()))
def test_the_card_of_weights_says_what_the_manifest_says(name, capsys):
    entry = load_manifest()[name]
    assert model_card(name).num_parameters == entry.num_parameters
    assert main(["models", name, "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["entry"]["sha256"] == entry.sha256
    assert card["weights"] == "intact"
    assert main(["models", name]) == 0
    text = capsys.readouterr().out
    measured = entry.metrics.get("noise_none") or entry.metrics["validation"]
    assert f"MPJPE {measured['MPJPE']:.1f}" in text
    assert entry.licence in text
    assert entry.caution in text


def test_the_fastest_form_is_shown(capsys):
    assert main(["models", "tpnet", "--time"]) == 0
    assert "fastest     eager on " in capsys.readouterr().out


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(ConfigError, match="'temprl'") as caught:
        model_card("temprl")
    assert "temporal" in caught.value.hint


def test_the_list_needs_no_torch():
    code = "import sys; from pose_core.cli import main; main(['models'])"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "not trained" in done.stdout
    assert done.stdout.split()[-1] == "False"
