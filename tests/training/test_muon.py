"""Muon's steps: orthogonal, and the same for matrices taken together as one by one."""

from __future__ import annotations

import torch

from training.muon import Both, Muon, orthogonalise


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 24, 40)
    values = torch.linalg.svdvals(orthogonalise(matrices, rounds=5))
    assert values.min() > 0.5
    assert values.max() < 1.4
    assert torch.allclose(orthogonalise(matrices), orthogonalise(matrices.mT).mT, atol=0.02)


def test_directions_are_those_of_the_nearest_orthogonal_matrix() -> None:
    torch.manual_seed(1)
    matrix = torch.randn(16, 16)
    u, _, v = torch.linalg.svd(matrix)
    found = orthogonalise(matrix[None])[0]
    assert torch.nn.functional.cosine_similarity(found.flatten(), (u @ v).flatten(), dim=0) > 0.95


def test_matrices_of_one_shape_do_not_mix() -> None:
    torch.manual_seed(2)
    shapes = [(8, 12), (8, 12), (6, 4, 3, 3), (8, 12), (12, 8)]
    starts = [torch.randn(shape) for shape in shapes]
    grads = [torch.randn(shape) for shape in shapes]

    def stepped(chosen: list[int]) -> list[torch.Tensor]:
        weights = [torch.nn.Parameter(starts[i].clone()) for i in chosen]
        optimiser = Muon(weights, 0.1)
        for _ in range(2):
            for weight, i in zip(weights, chosen, strict=True):
                weight.grad = grads[i].clone()
            optimiser.step()
        return [weight.detach() for weight in weights]

    together = stepped(list(range(len(shapes))))
    for i, weight in enumerate(together):
        alone = stepped([i])[0]
        assert torch.allclose(weight, alone, atol=0.02)
        assert not torch.allclose(weight, starts[i], atol=0.02)


def test_a_small_network_learns() -> None:
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 8))
    x, mix = torch.randn(256, 8), torch.randn(8, 8)
    optimiser = Both(model, 0.01, ends=("2.",))
    losses = []
    for _ in range(120):
        loss = (model(x) - torch.tanh(x @ mix)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
