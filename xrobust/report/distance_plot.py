"""The plot of gains (or scores) over language distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from xrobust.analysis.correlation import Coefficient, Correlation
from xrobust.analysis.explain import ByDistance
from xrobust.analysis.gains import Of
from xrobust.errors import UserError
from xrobust.storage.atomic import write_atomically

FORMATS = ("png", "svg", "pdf")
POINT, LINE, TEXT = "#1f5fa8", "#c0392b", "#333333"


@dataclass(frozen=True)
class Panel:
    """One series of gains or scores."""

    title: str
    x_label: str
    y_label: str
    points: Mapping[str, tuple[float, float]]
    """Language -> (distance, gain or score in points of 100)."""
    correlation: Correlation | None
    zero: bool
    """True if zero is a value to compare with, as it is for gains."""


def check_plot(file: Path) -> None:
    """Raises UserError if a plot cannot be written to `file`; to be called before anything is computed."""
    if file.suffix.lstrip(".") not in FORMATS:
        raise UserError(f"--plot {file}: a name that ends in .{', .'.join(FORMATS)} is expected")
    if not file.parent.is_dir():
        raise UserError(f"--plot {file}: there is no folder {file.parent}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UserError('--plot needs matplotlib: pip install "xrobust[analysis]"') from error


def panels(found: ByDistance, of: Of, distance: str) -> list[Panel]:
    """A panel for each series, over one of the distances."""
    answers = [answer for answer in found.answers if answer.predictor == distance]
    return [
        Panel(
            title=answer.outcome + (": gain over vanilla" if of == "gain" else ""),
            x_label=f"{distance} distance to {one.source} (URIEL)",
            y_label=f"gain in {one.metric}, points" if of == "gain" else f"{one.metric}, %",
            points={
                code: (table[distance][code], 100 * y) for code, y in one.values.items() if code in table[distance]
            },
            correlation=answer.correlation,
            zero=of == "gain",
        )
        for answer, one, table in zip(answers, found.series, found.distances, strict=True)
    ]


def draw(panels: Sequence[Panel], file: Path) -> None:
    """Writes the plot, in the format of the file's ending. Raises RunError where the file cannot be written."""
    plot = figure(panels)
    write_atomically(file, lambda handle: plot.savefig(handle, format=file.suffix.lstrip(".")), through=True)


def figure(panels: Sequence[Panel]) -> Any:
    """A scatter plot a panel, with the regression line and the 95% confidence band of its mean.

    Each point carries its language's code. Returns matplotlib's Figure.
    """
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    drawn = Figure(figsize=(7.6 * columns, 5.4 * rows), dpi=110, layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False).flatten()
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, panel in zip(axes, panels, strict=False):
        _panel(axis, panel)
    drawn.draw_without_rendering()  # sizes are known only after drawing
    for axis, panel in zip(axes, panels, strict=False):
        _labels(axis, panel.points)
    return drawn


def _panel(axis: Any, panel: Panel) -> None:
    x, y = [p[0] for p in panel.points.values()], [p[1] for p in panel.points.values()]
    if panel.zero:
        axis.axhline(0, color="#999999", linewidth=0.8, zorder=1)
    if panel.correlation is not None:
        _regression(axis, x, y, panel.correlation.pearson.effective_n or len(x))
    axis.scatter(x, y, s=20, color=POINT, zorder=3, linewidths=0)
    axis.set_xlabel(panel.x_label)
    axis.set_ylabel(panel.y_label)
    axis.set_title(f"{panel.title}\n{_numbers(panel)}", fontsize=10.5, loc="left")
    axis.margins(0.07, 0.09)
    axis.grid(color="#e6e6e6", linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _numbers(panel: Panel) -> str:
    correlation = panel.correlation
    if correlation is None:
        return f"{len(panel.points)} languages, no correlation"
    r, rho = correlation.pearson, correlation.spearman
    return f"n = {correlation.n}, Pearson r = {_number(r)}, Spearman ρ = {_number(rho)}, p unadjusted"


def _number(coefficient: Coefficient) -> str:
    p = "< 0.001" if coefficient.p < 0.001 else f"= {coefficient.p:.3f}"
    return f"{coefficient.value:.2f} (p {p})".replace("-", "\u2212")


def _regression(axis: Any, x: Sequence[float], y: Sequence[float], effective: float) -> None:
    """Least squares, and the band in which the true mean lies with 95% confidence, under normal errors.

    It is as wide as that of `effective` unrelated points; none is drawn where these are fewer than three.
    """
    import numpy as np
    from scipy.stats import t

    slope, intercept = np.polyfit(x, y, 1)
    n, centre = len(x), np.mean(x)
    error = np.sqrt(np.sum((np.asarray(y) - intercept - slope * np.asarray(x)) ** 2) / (n - 2))
    at = np.linspace(min(x), max(x), 100)
    line = intercept + slope * at
    axis.plot(at, line, color=LINE, linewidth=1.4, zorder=2)
    if effective < 3:
        return
    error *= np.sqrt((n - 1) / (effective - 1))
    spread = np.sqrt(1 / n + (at - centre) ** 2 / np.sum((np.asarray(x) - centre) ** 2))
    half = t.ppf(0.975, effective - 2) * error * spread
    axis.fill_between(at, line - half, line + half, color=LINE, alpha=0.12, linewidth=0, zorder=1)


def _labels(axis: Any, points: Mapping[str, tuple[float, float]]) -> None:
    """Writes each point's name beside it: where it covers no point and no other name, if there is such a place.

    Sizes are in pixels of the figure. A name that has to move away from its point gets a thin line to it.
    """
    from matplotlib.patheffects import withStroke

    dots = {name: axis.transData.transform(point) for name, point in points.items()}
    pixel = axis.figure.dpi / 72
    height = 8.5 * pixel
    taken = [(x - 3 * pixel, y - 3 * pixel, x + 3 * pixel, y + 3 * pixel) for x, y in dots.values()]
    frame = axis.get_window_extent()
    # The most crowded first: the others have places to choose from.
    crowd = {a: sum(abs(x - u) < 40 and abs(y - v) < 25 for u, v in dots.values()) for a, (x, y) in dots.items()}
    for name in sorted(dots, key=lambda name: -crowd[name]):
        x, y = dots[name]
        width = (len(name) * 5.4 + 1) * pixel
        best: tuple[float, float, float, int] | None = None
        for reach, (right, up) in product((5, 11, 18, 26, 36), DIRECTIONS):
            u = x + right * (reach * pixel + width / 2)
            v = y + up * (reach * pixel + height / 2)
            box = (u - width / 2, v - height / 2, u + width / 2, v + height / 2)
            inside = frame.x0 < box[0] and box[2] < frame.x1 and frame.y0 < box[1] and box[3] < frame.y1
            cost = sum(_common(box, other) for other in taken) + (0 if inside else 1e6)
            if best is None or cost < best[0]:
                best = (cost, u, v, reach)
            if cost == 0:
                break
        assert best is not None
        _, u, v, distance = best
        taken.append((u - width / 2, v - height / 2, u + width / 2, v + height / 2))
        axis.annotate(
            name,
            xy=points[name],
            xytext=axis.transData.inverted().transform((u, v)),
            ha="center",
            va="center",
            fontsize=8.5,
            color=TEXT,
            zorder=4,
            path_effects=[withStroke(linewidth=2, foreground="white")],  # readable on a line
            arrowprops={"arrowstyle": "-", "color": "#aaaaaa", "linewidth": 0.5, "shrinkA": 1, "shrinkB": 2}
            if distance > 5
            else None,
        )


DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8), (-0.8, -0.8))


def _common(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Area that two boxes (left, bottom, right, top) share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
