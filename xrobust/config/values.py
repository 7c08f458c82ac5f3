"""Plain values of settings: read from YAML and from the command line, paths resolved."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from xrobust.errors import UserError, shown
from xrobust.storage.regular_file import require_regular

if TYPE_CHECKING:
    from xrobust.registry.bundles import AssetType

PATHS = ("data_dir", "output", "plugins")
"""Settings that are paths: in a file they are relative to that file. So is `model` where it is a folder."""
PLUGIN_SECTIONS = ("method_params", "perturb_params")
"""Settings of plugins, of which the plugin alone knows whether they are paths."""


class FileText(str):
    """A text in a settings file: one that is a path is relative to the file's folder."""

    __slots__ = ("folder",)
    folder: Path

    @classmethod
    def of(cls, value: Any, folder: Path) -> Any:
        """The value with all texts in it as texts of a file in `folder`."""
        if isinstance(value, str):
            text = cls(value)
            text.folder = folder
            return text
        if isinstance(value, dict):
            return {key: cls.of(item, folder) for key, item in value.items()}
        return [cls.of(item, folder) for item in value] if isinstance(value, list) else value

    @property
    def path(self) -> str:
        """The path that it stands for, as seen from here."""
        return beside(self.folder, str(self))


@dataclass(frozen=True)
class Typed:
    """A value as YAML reads it, with the text that was typed: `nan`, `no`, `0x10` and `12:30` may be meant as text."""

    value: Any
    text: Any
    """The text, or a list of texts."""

    def __repr__(self) -> str:
        return repr(self.value)

    def fitting(self, annotation: Any, metadata: Sequence[Any] = ()) -> Any:
        """The value, or the text where a setting of the annotated type takes that alone."""
        from pydantic import TypeAdapter, ValidationError
        from pydantic.errors import PydanticUserError

        for candidate in (self.value, self.text):
            with contextlib.suppress(ValidationError, PydanticUserError):
                TypeAdapter(Annotated[annotation, *metadata] if metadata else annotation).validate_python(candidate)
                return candidate
        return self.value


def beside(folder: Path, text: str) -> str:
    """A path in a file that lies in `folder`, as seen from here."""
    return str(folder / Path(text).expanduser())


def read_text(path: Path) -> str:
    """The text of a settings file. Raises UserError."""
    from xrobust.storage.yaml_text import MOST_CHARACTERS

    require_regular(path, size=4 * MOST_CHARACTERS)  # bytes, of which UTF-8 takes up to four for a character
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: {error.reason} at byte {error.start}") from error


def read_mapping(path: Path, instance: str) -> dict[str, Any]:
    """A YAML file of names with values. Raises UserError, which shows `instance` as one line of such a file."""
    import yaml

    from xrobust.storage.yaml_text import DuplicateKey, load_yaml

    text = read_text(path)
    try:
        values = load_yaml(text)
    except DuplicateKey as error:
        raise UserError(
            f"{path}, line {error.line}: {error.key!r} stands in line {error.first} too: keep one"
        ) from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML that can be read: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UserError(f"{path} holds no settings: it needs lines such as '{instance}'")
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """The settings in a file. Raises UserError."""
    values = read_mapping(path, "task: wikiann")
    for section in ("training", "method_params", "perturb_params", "attack_params", "robustness"):
        if section in values and values[section] is None:  # a section whose lines are all commented out
            del values[section]
    return with_method_parameters(values, str(path))


def with_method_parameters(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings with `method: {name: rs_aug, copies: 3}` as a name and `method_params`.

    Raises UserError, which begins with `where`.
    """
    values = dict(values)
    if isinstance(values.get("method"), dict):
        method = dict(values.pop("method"))
        if "name" not in method:
            raise UserError(f"{where}: 'method' has parameters but no 'name'")
        values["method"] = method.pop("name")
        params = _section(values, "method_params", "method_params")
        if both := sorted(method.keys() & params.keys()):
            raise UserError(f"{where}: {both[0]!r} stands in 'method' and in 'method_params': keep one")
        values["method_params"] = {**method, **params}
    return values


def resolve_paths(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The values with paths as seen from here, which are relative to the file that they stand in.

    The name of a bundled model or of bundled data is no path, nor is a model that is not beside the file: a hub id.
    Settings of plugins become `FileText`.
    """
    model = values.get("model")
    if (
        isinstance(model, str)
        and not _is_bundled("models", model)
        and (model.startswith(".") or Path(beside(path.parent, model)).is_dir())
    ):
        values["model"] = beside(path.parent, model)  # else it is a hub id
    for key in PATHS:
        if key == "data_dir" and _is_bundled("data", values.get(key)):
            continue
        if isinstance(values.get(key), str):
            values[key] = beside(path.parent, values[key])
        elif isinstance(values.get(key), list):
            values[key] = [beside(path.parent, str(item)) for item in values[key]]
    for key in PLUGIN_SECTIONS:
        if key in values:
            values[key] = FileText.of(values[key], path.parent)
    return values


def _is_bundled(kind: AssetType, name: Any) -> bool:
    from xrobust.registry import bundles

    return isinstance(name, str) and name in bundles.assets(kind)


def parse_assignment(text: str) -> tuple[str, Any]:
    """`training.epochs=3` -> ("training.epochs", 3). The value is read as YAML, numbers such as 5e-4 included.

    Where YAML reads other than text, the value of a setting without a dot, or of a parameter of a method or a
    perturbation, is `Typed`: its type says what is meant.
    """
    import yaml

    from xrobust.storage.yaml_text import DuplicateKey, OverLimit, load_yaml

    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {shown(text)}: write it as name=value, for instance training.learning_rate=5e-4")
    try:
        value = load_yaml(raw)
    except DuplicateKey as error:
        raise UserError(f"--set {shown(text)}: {error}: keep one") from error
    except OverLimit as error:
        raise UserError(f"--set {shown(text)}: {error}") from error
    except yaml.YAMLError:
        value = raw
    if isinstance(value, str):
        with contextlib.suppress(ValueError):  # YAML 1.1 reads 5e-4, which everyone writes, as a string
            value = float(value)
    key = key.strip()
    head, dot, _ = key.partition(".")
    if (not dot or head in ("method", "perturb")) and key != "perturb.seed" and not isinstance(value, dict):
        with contextlib.suppress(yaml.YAMLError):
            typed = yaml.load(raw, yaml.BaseLoader)
            value = value if typed == value else Typed(value, typed)
    return key, value


def assign(values: dict[str, Any], key: str, value: Any) -> None:
    """Puts one `--set` value where it belongs: `training.*`, `robustness.*`, `method.*`, `perturb.*`, `attack.*` or the
    run itself."""
    head, _, rest = key.partition(".")
    if head in ("training", "robustness") and rest:
        _section(values, head, head)[rest] = value
    elif head in ("method", "perturb", "attack") and rest:
        part, _, param = rest.partition(".")
        params = _section(values, f"{head}_params", f"{head}_params")
        if param:
            _section(params, part, f"{head}.{part}")[param] = value
        else:
            params[part] = value
    else:
        values[key] = value


def _section(values: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    """The settings under `key`, none where there are none yet. Raises UserError where something else is there."""
    if values.get(key) is None:
        values[key] = {}
    if not isinstance(values[key], dict):
        raise UserError(f"setting {where!r} is {shown(values[key])}, where names with values belong: {{name: value}}")
    found: dict[str, Any] = values[key]
    return found


def comma_separated(text: str | None) -> tuple[str, ...] | None:
    """`"de, fr"` -> ("de", "fr"). Raises UserError where nothing is in it, as where a shell variable is not set."""
    if text is None:
        return None
    items = tuple(item.strip() for item in text.split(",") if item.strip())
    if not items:
        raise UserError(
            f"{shown(text)} where a list belongs: write one with commas, as in de,fr or 1,2,3, or leave it out"
        )
    return items


def names(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """`["typos,casing", "diacritics"]`, of an option that may be repeated -> all of them. Raises UserError."""
    if not given:
        return None
    return tuple(dict.fromkeys(name for text in given for name in comma_separated(text) or ()))


def seeds(text: str | None) -> tuple[int, ...]:
    """`"1,2,3"` -> (1, 2, 3). Raises UserError."""
    try:
        numbers = tuple(int(item) for item in comma_separated(text) or ())
    except ValueError:
        raise UserError(f"--seeds {shown(text)}: write whole numbers with commas, for instance 1,2,3") from None
    if any(number < 0 for number in numbers):
        raise UserError(f"--seeds {shown(text)}: a seed is not negative")
    if repeated := [number for number in numbers if numbers.count(number) > 1]:
        raise UserError(f"--seeds {shown(text)}: {repeated[0]} is there twice, which is one run: name each seed once")
    return numbers
