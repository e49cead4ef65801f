"""Where a wording lies: one that curator brings, by its name, or a file of the user's."""

from __future__ import annotations

from pathlib import Path

from curator.errors import RecipeError
from curator.recipe import suggestion


def names_in(folder: Path) -> list[str]:
    """Return the names of the wordings in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def wording_file(kind: str, name_or_file: str, folder: Path) -> Path:
    """Return the YAML file of a wording that is named, or given by its path.

    Args:
        kind: what messages call it: "prompt", "template".
        name_or_file: of one in `folder`, or the path of another.
        folder: of those that curator brings.

    Raises:
        RecipeError: there is none.
    """
    names = names_in(folder)
    if name_or_file in names:
        return folder / f"{name_or_file}.yaml"
    path = Path(name_or_file).expanduser()
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    raise RecipeError(
        f"no {kind} {name_or_file!r}{suggestion(name_or_file, names)}; or write the path of a "
        f".yaml file like those in curator/generate/{folder.name}"
    )
