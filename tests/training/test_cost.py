"""Multiply-adds: the published networks' figures, and plain arithmetic."""

import pytest

from irncli.nn.network import NetworkConfig, paper_config
from irncli.training.cost import multiply_adds, parameters


@pytest.mark.parametrize(("scale", "millions"), [(2, 0.417), (3, 0.349), (4, 0.585), (8, 0.691)])
def test_the_papers_networks_cost_what_the_paper_says(scale, millions):
    assert round(multiply_adds(paper_config(scale)) / 1e6, 3) == millions


PUBLISHED = [(2, 1_667_952), (3, 3_139_029), (4, 4_355_136), (8, 11_119_248)]


@pytest.mark.parametrize(("scale", "count"), PUBLISHED)
def test_their_parameters_too(scale, count):
    assert parameters(paper_config(scale)) == count


def test_a_small_network_by_hand():
    config = NetworkConfig(scale=4, blocks=(0, 1), width=(5, 7), subnet="residual", coupling="affine-shared")
    f = 45 * 7 + 7 * 7 + 7 * 3
    gh = 3 * 7 + 7 * 7 + 7 * 90
    biases = (7 + 7 + 3) + (7 + 7 + 90)
    assert multiply_adds(config) == (9 * (f + gh) + biases) / 16
    assert multiply_adds(NetworkConfig(scale=2, blocks=(0,), width=(1,))) == 0
