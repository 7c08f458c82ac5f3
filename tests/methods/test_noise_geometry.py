"""Balls in embedding space: projections against brute force, draws against their distributions."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import xrobust_methods
from xrobust.contracts.noise import BallParams, Norm, gaussian, project, steepest, uniform_in_ball

NORMS: tuple[Norm, ...] = ("l2", "linf")
norms = st.sampled_from(NORMS)
vectors = st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=2)
radii = st.floats(1e-3, 50)


def length(offset: torch.Tensor, norm: Norm) -> torch.Tensor:
    return torch.linalg.vector_norm(offset, ord=2 if norm == "l2" else math.inf, dim=-1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def border(radius: float, norm: Norm) -> torch.Tensor:
    """Points all along the border of a ball in the plane: (2000, 2)."""
    angle = torch.arange(2000, dtype=torch.float64) * (2 * math.pi / 2000)
    circle = torch.stack([angle.cos(), angle.sin()], dim=-1)
    return radius * (circle if norm == "l2" else circle / circle.abs().amax(-1, keepdim=True))


@settings(deadline=None)
@given(vectors, radii, norms)
def test_projection_is_the_nearest_point(vector: list[float], radius: float, norm: Norm) -> None:
    point = torch.tensor(vector, dtype=torch.float64)
    found = project(point, radius, norm)
    assert length(found, norm) <= radius * (1 + 1e-9)
    if length(point, norm) <= radius:
        torch.testing.assert_close(found, point)
    else:
        best = (border(radius, norm) - point).norm(dim=-1).min()
        rounding = 8 * torch.finfo(torch.float64).eps * radius  # what is left of both where the point is at the border
        assert (found - point).norm() <= best * (1 + 1e-9) + rounding


@settings(deadline=None)
@given(vectors, radii, norms)
def test_projection_is_idempotent_and_keeps_zero(vector: list[float], radius: float, norm: Norm) -> None:
    once = project(torch.tensor(vector, dtype=torch.float64), radius, norm)
    torch.testing.assert_close(project(once, radius, norm), once)
    assert torch.equal(project(torch.zeros(3, 2), radius, norm), torch.zeros(3, 2))


@settings(deadline=None)
@given(vectors, norms)
def test_no_direction_of_length_one_is_steeper(vector: list[float], norm: Norm) -> None:
    gradient = torch.tensor(vector, dtype=torch.float64)
    direction = steepest(gradient, norm)
    assert length(direction, norm) <= 1 + 1e-9
    assert gradient @ direction >= (border(1.0, norm) @ gradient).max() * (1 - 1e-9)


@pytest.mark.parametrize("norm", NORMS)
def test_a_zero_gradient_stays_zero(norm: Norm) -> None:
    gradient = torch.tensor([[[0.0, 0.0], [3.0, -4.0]]])
    expected = [0.6, -0.8] if norm == "l2" else [1.0, -1.0]
    torch.testing.assert_close(steepest(gradient, norm), torch.tensor([[[0.0, 0.0], expected]]))


@pytest.mark.parametrize("dim", [1, 3, 64])
@pytest.mark.parametrize("norm", NORMS)
def test_uniform_draws_fill_the_ball_evenly(norm: Norm, dim: int) -> None:
    radius = 2.5
    draws = uniform_in_ball((40, 100, dim), radius, norm, generator=generator(), device="cpu")
    assert draws.shape == (40, 100, dim)
    assert length(draws, norm).max() <= radius * (1 + 1e-6)
    # The share of the ball's volume inside a draw's length is uniform.
    inside = (length(draws, norm).double() / radius).pow(dim).flatten().numpy()
    assert stats.kstest(inside, "uniform").pvalue > 1e-3
    # No coordinate and no sign is preferred.
    flat = draws.reshape(-1, dim)
    assert flat.mean(0).abs().max() < 5 * flat.std(0).max() / math.sqrt(len(flat))
    if norm == "linf":
        assert stats.kstest(flat[:, 0].numpy(), "uniform", args=(-radius, 2 * radius)).pvalue > 1e-3
    elif dim == 3:
        # Archimedes: a coordinate of a point on the sphere is uniform.
        height = (flat[:, 1] / flat.norm(dim=-1)).numpy()
        assert stats.kstest(height, "uniform", args=(-1, 2)).pvalue > 1e-3


@pytest.mark.parametrize("norm", NORMS)
def test_gaussian_draws_have_the_scale_of_the_ball(norm: Norm) -> None:
    radius, dim = 2.5, 64
    draws = gaussian((40, 100, dim), radius, norm, generator=generator(), device="cpu")
    deviation = radius / math.sqrt(dim) if norm == "l2" else radius
    assert stats.kstest(draws[:, :5].flatten().numpy(), stats.norm(0, deviation).cdf).pvalue > 1e-3
    if norm == "l2":
        assert draws.norm(dim=-1).square().mean().sqrt() == pytest.approx(radius, rel=0.01)
        assert draws.norm(dim=-1).mean() == pytest.approx(radius, rel=0.02)


@pytest.mark.parametrize("draw", [uniform_in_ball, gaussian])
@pytest.mark.parametrize("norm", NORMS)
def test_draws_come_from_the_generator_alone(draw: Any, norm: Norm) -> None:
    def make(seed: int) -> torch.Tensor:
        drawn: torch.Tensor = draw((2, 3, 4), 1.0, norm, generator=generator(seed), device="cpu")
        return drawn

    before = torch.get_rng_state()
    first = make(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    assert torch.equal(make(0), first)
    assert not torch.equal(make(1), first)


@given(st.floats(1e-6, 1e3), st.floats(1e-3, 1e3))
@settings(max_examples=25, deadline=None)
def test_a_relative_radius_is_in_units_of_the_embedding_norm(epsilon: float, norm: float) -> None:
    assert BallParams(epsilon=epsilon).radius(norm) == epsilon * norm
    assert BallParams(epsilon=epsilon, relative=False).radius(norm) == epsilon


def test_listing_methods_imports_nothing_heavy() -> None:
    folder = Path(xrobust_methods.__file__).parent
    names = [".".join(path.relative_to(folder).with_suffix("").parts) for path in folder.rglob("[!_]*.py")]
    assert len(names) > 7 and "shared.layers" in names
    modules = ", ".join(f"xrobust_methods.{name}" for name in names)
    script = f"import sys, xrobust.contracts.noise, {modules}; print([m for m in sys.modules if '.' not in m])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "numpy", "peft", "datasets"} & set(eval(done.stdout))
