"""Names that people type: found whatever their case, or the close ones told."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping

CLOSE = 5
"""Close matches shown, at most."""


class UnknownNameError(LookupError):
    """A name that nobody has.

    Attributes
    ----------
    kind : what was asked for: owner, team
    got : the name as it was asked
    close : known names like it, the most like first; some of all where none is like it
    """

    def __init__(self, kind: str, got: str, close: list[str]) -> None:
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"no {kind} is known"
        super().__init__(f"no {kind} {got!r}; {hint}")
        self.kind, self.got, self.close = kind, got, close


def plain(name: str) -> str:
    """Fold case and the ways in which Unicode may write one name."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def find_ids(kind: str, got: str, names: Mapping[str, Iterable[str]]) -> set[str]:
    """Look a name up: `names` holds for each identifier all that it is called.

    Raises
    ------
    UnknownNameError
        Where nothing is called so.
    """
    if got in names:
        return {got}
    called = {key: {plain(name) for name in known} for key, known in names.items()}
    if found := {key for key, known in called.items() if plain(got) in known}:
        return found
    shown = {plain(name): name for known in names.values() for name in known}
    close = difflib.get_close_matches(plain(got), shown, n=CLOSE, cutoff=0.5)
    raise UnknownNameError(kind, got, [shown[name] for name in close or list(shown)[:CLOSE]])
