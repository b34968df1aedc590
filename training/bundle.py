"""The bundle: everything that answers, in plain files: LightGBM's text inside JSON, no pickle.

Written to a temporary folder beside its place and renamed, so that a bundle is whole or absent.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from features import pipeline  # noqa: F401 - registers the features that the fingerprint reads
from features.catalogue import fingerprint
from features.vocabulary import Vocabulary
from features.windows import Floats
from training.amount import AmountModel
from training.basis import Basis
from training.boosted import BoostedModel
from training.close import CloseModel
from training.learners import BlendModel, Model
from training.logistic import LogisticModel
from training.segments import BySegmentModel
from training.table import TableModel
from training.tiers import Tier
from training.timing import WhenWon

FORMAT = 3
FILES = ("bundle.json", "close.json", "amount.json")


class BundleError(ValueError):
    """A bundle that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Bundle:
    """A trained, validated model.

    Attributes
    ----------
    features : names of the columns in the order that the models read
    cut : the instant (microseconds) before which everything it learned from was known
    card : figures and words about it: reason of the tier, validation, counts, data and code
        version
    when : when within a horizon deals are won; None where no open deal told of it
    """

    tier: Tier
    features: tuple[str, ...]
    vocabulary: Vocabulary
    close: CloseModel
    table: CloseModel
    amount: AmountModel
    cut: int
    card: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    when: WhenWon | None = None

    @property
    def fingerprint(self) -> str:
        """Digest of the features the models read."""
        return fingerprint(self.features)

    def won_days(self, as_of: int, horizons: Sequence[float]) -> Floats:
        """(horizons,) days at which curves of won tell what comes within horizons of an instant.

        Wins crowd at the ends of months and quarters, more than straight lines know; of losses
        that is not learned.
        """
        asked = tuple(map(float, horizons))
        return self.when.days(as_of, asked) if self.when else np.array(asked)


def save_bundle(bundle: Bundle, folder: Path) -> Path:
    """Write the three files; `folder` must not exist."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    contents = {
        "bundle.json": {
            "format": FORMAT,
            "tier": bundle.tier,
            "features": bundle.features,
            "fingerprint": bundle.fingerprint,
            "vocabulary": bundle.vocabulary.to_json(),
            "cut": bundle.cut,
            "card": dict(bundle.card),
            "version": bundle.version,
            "when": bundle.when.to_json() if bundle.when else None,
        },
        "close.json": {"served": _close_json(bundle.close), "table": _close_json(bundle.table)},
        "amount.json": bundle.amount.to_json(),
    }
    for name, content in contents.items():
        text = json.dumps(content, ensure_ascii=False, default=_plain)
        (partial / name).write_text(text, encoding="utf-8")
    os.replace(partial, folder)  # noqa: PTH105 - a rename is atomic, Path.replace is the same call
    return folder


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"a bundle holds plain types, got {type(value).__name__}")


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle.

    Raises
    ------
    BundleError
        If a file is missing or broken, was written in another format, or by a catalogue whose
        features have since changed their meaning.
    """
    found: dict[str, Any] = {}
    for name in FILES:
        try:
            found[name] = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BundleError(
                f"bundle {folder}: {name} cannot be read ({error}); run `dealcast train` again"
            ) from error
    head = found["bundle.json"]
    form = head.get("format") if isinstance(head, dict) else None
    if form != FORMAT:
        raise BundleError(
            f"bundle {folder} has format {form}, this version reads {FORMAT}; "
            "run `dealcast train` again"
        )
    try:
        bundle = _bundle_from(found)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"bundle {folder} does not hold what it should ({error!r}); run `dealcast train` again"
        ) from error
    trained_on = head.get("fingerprint")
    if bundle.fingerprint != trained_on:
        raise BundleError(
            f"bundle {folder} was trained on features {trained_on}, the catalogue now gives "
            f"{bundle.fingerprint}; run `dealcast train` again"
        )
    return bundle


def _bundle_from(found: Mapping[str, Any]) -> Bundle:
    head = found["bundle.json"]
    return Bundle(
        tier=head["tier"],
        features=tuple(head["features"]),
        vocabulary=Vocabulary.from_json(head["vocabulary"]),
        close=_close_from(found["close.json"]["served"]),
        table=_close_from(found["close.json"]["table"]),
        amount=AmountModel.from_json(found["amount.json"]),
        cut=int(head["cut"]),
        card=head["card"],
        version=head["version"],
        when=WhenWon.from_json(head["when"]) if head["when"] else None,
    )


def _model_json(model: Model) -> dict[str, Any]:
    if isinstance(model, BlendModel):
        parts = [_model_json(part) for part in model.parts]
        return {"kind": model.kind, "parts": parts, "weights": list(model.weights)}
    if isinstance(model, BySegmentModel):
        own = {str(code): _model_json(part) for code, part in model.own.items()}
        return {"kind": model.kind, "whole": _model_json(model.whole), "own": own}
    return {"kind": model.kind, **model.to_json()}


def _close_json(close: CloseModel) -> dict[str, Any]:
    """Models with the bases of their logistic parts stored once and referred to by number."""
    bases: list[dict[str, Any]] = []
    sides = {
        side: [_share_basis(_model_json(model), bases) for model in getattr(close, side)]
        for side in ("won", "lost")
    }
    numbers = {n: getattr(close, n) for n in ("tail_days", "longest", "slope", "offset")}
    return {**sides, **numbers, "bases": bases}


def _share_basis(model: dict[str, Any], bases: list[dict[str, Any]]) -> dict[str, Any]:
    if model["kind"] == "blend":
        return {**model, "parts": [_share_basis(part, bases) for part in model["parts"]]}
    if model["kind"] == "by_segment":
        own = {code: _share_basis(part, bases) for code, part in model["own"].items()}
        return {**model, "whole": _share_basis(model["whole"], bases), "own": own}
    if model["kind"] != "logistic":
        return model
    if model["basis"] not in bases:
        bases.append(model["basis"])
    return {**model, "basis": bases.index(model["basis"])}


def _close_from(found: Mapping[str, Any]) -> CloseModel:
    bases = [_basis_from(basis) for basis in found["bases"]]
    sides = [tuple(_model_from(model, bases) for model in found[side]) for side in ("won", "lost")]
    pairs = [(float(found[n][0]), float(found[n][1])) for n in ("slope", "offset")]
    return CloseModel(sides[0], sides[1], found["tail_days"], found["longest"], *pairs)


def _basis_from(found: Mapping[str, Any]) -> Basis:
    return Basis(
        features=tuple(found["features"]),
        knots={name: tuple(values) for name, values in found["knots"].items()},
        codes={name: tuple(values) for name, values in found["codes"].items()},
        gaps=tuple(found["gaps"]),
        stages=tuple(found["stages"]),
        by_stage=tuple(found["by_stage"]),
        mean=tuple(found["mean"]),
        scale=tuple(found["scale"]),
    )


def _model_from(found: Mapping[str, Any], bases: list[Basis]) -> Model:
    kind = found["kind"]
    if kind == "blend":
        return BlendModel([_model_from(part, bases) for part in found["parts"]], found["weights"])
    if kind == "by_segment":
        own = {int(code): _model_from(part, bases) for code, part in found["own"].items()}
        return BySegmentModel(_model_from(found["whole"], bases), own)
    if kind == "boosted":
        return BoostedModel(found["text"])
    if kind == "logistic":
        coefficients = np.array(found["coefficients"], float)
        return LogisticModel(bases[found["basis"]], found["intercept"], coefficients)
    cells = np.array(found["cells"], float)
    return TableModel(tuple(found["stages"]), tuple(found["ages"]), cells)
