"""The columns of a file against those of the contract, and what a misspelt one was meant to be."""

from __future__ import annotations

import difflib

from data.contract import Table


class FileError(ValueError):
    """A file that cannot be read as a table; `problems` holds a line for each reason."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def check_columns(names: list[str], table: Table) -> None:
    """Raise FileError unless every required column is there, once; guess what was meant."""
    lower = [name.lower() for name in names]
    if twice := [name for name in names if lower.count(name.lower()) > 1]:
        raise FileError(f"columns {', '.join(twice)} differ in capitals alone; rename or drop one")
    missing = [
        column.name for column in table.columns if column.required and column.name not in names
    ]
    if not missing:
        return
    for sign, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")):
        if len(names) == 1 and sign in names[0]:
            raise FileError(f"columns are separated by {word}; separate them by commas")
    spare = [name for name in names if name not in table.names]
    raise FileError(*(_missing_column(name, spare, names) for name in missing))


def _missing_column(name: str, spare: list[str], names: list[str]) -> str:
    like = alike(name, spare, 0.6)
    hint = f"did you mean `{name}`? found `{like}`" if like else f"found {', '.join(names)}"
    return f"required column `{name}` is missing; {hint}"


def alike(name: str, candidates: list[str], cutoff: float) -> str | None:
    """Return the candidate most like a name, capitals and signs aside, or None."""
    plain = {_plain(candidate): candidate for candidate in candidates}
    found = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=cutoff)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
