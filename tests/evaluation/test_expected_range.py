"""A score far from a recipe's expected range is marked; one within it, or of a run in another setting, is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xrobust import RunSpec, load_result, run

TASK = """
from xrobust.contracts import Expected, Recipe, Task, TaskInfo
from xrobust.kinds import SequenceClassification

class Known(Task):
    info = TaskInfo(name="pawsx_known", summary="a task whose score is known", languages=("de", "en"),
                    license="", citation="")
    kind = SequenceClassification(("0", "1"))
    metrics = ("accuracy",)
    columns = ("text", "text_pair", "label")
    recipe = Recipe(epochs=1, learning_rate=1e-4, select_every=None, batch_size=16, max_length=64, source="a paper",
                    expected=(Expected(model="owner/tiny-bert", metric="accuracy", low=LOW, high=HIGH,
                                       source="table 2 of a paper"),))
"""


@pytest.fixture
def data(tmp_path: Path, tiny_data: Path) -> Path:
    folder = tmp_path / "data" / "pawsx_known"
    folder.mkdir(parents=True)
    for file in (tiny_data / "pawsx").glob("*-*.tsv"):
        (folder / file.name).write_bytes(file.read_bytes())
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("low", "high", "changes", "marked"),
    [
        (0.97, 0.99, {}, True),
        (0.01, 0.99, {}, False),
        (0.97, 0.99, {"limit": 12}, False),
        (0.97, 0.99, {"languages": ("de",)}, False),
        (0.97, 0.99, {"training": {"learning_rate": 1e-3}}, False),
        (0.97, 0.99, {"languages": ("de", "en", "fr")}, True),
    ],
    ids=["far", "near", "few rows", "few languages", "other settings", "more languages"],
)
def test_marked(
    low: float, high: float, changes: dict[str, Any], marked: bool, tmp_path: Path, data: Path, tiny_model: Path
) -> None:
    plugin = tmp_path / "known.py"
    plugin.write_text(TASK.replace("LOW", str(low)).replace("HIGH", str(high)))
    given: dict[str, Any] = {"languages": ("de", "en"), **changes}
    result = run(
        RunSpec(
            task="pawsx_known",
            model=str(tiny_model),
            data_dir=data,
            output=tmp_path / "runs",
            plugins=(plugin,),
            **given,
        )
    )
    assert result.status == "complete"
    said = [w for w in result.warnings if "outside the expected range" in w]
    assert bool(said) == marked
    if marked:
        average = 100 * (result.value("de") + result.value("en")) / 2
        assert said == [
            f"average accuracy {average:.1f} is outside the expected range 97.0-99.0 (table 2 of a paper)"
        ], "over the languages of the published score alone"
        folder = tmp_path / "runs" / "pawsx_known" / "vanilla" / result.run_id
        assert load_result(folder).warnings == result.warnings
        assert said[0] in (folder / "run.log").read_text()
