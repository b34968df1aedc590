"""The one door to MLflow: runs, and the registry whose alias `champion` names the served bundle.

By default both live in the workspace: an sqlite file for runs and registry, a folder for
artifacts. A setting (`tracking_uri`) or `MLFLOW_TRACKING_URI` may name a server instead.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.settings import load_settings
from training.bundle import Bundle, BundleError, load_bundle, save_bundle
from training.code_version import code_version

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

MODEL = "dealcast"
EXPERIMENT = "dealcast"
CHAMPION = "champion"
CUT = "cut"
REPLACED = "replaced"
ARTIFACTS = "mlartifacts"
LONGEST_PARAM = 500
"""Characters that are kept of a parameter."""
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What the registry answers where there is no model, or no such alias."""


@dataclass(frozen=True)
class Registered:
    """A bundle in the registry: its version, and the run that made it."""

    version: str
    run_id: str


@dataclass(frozen=True)
class Version:
    """One registered bundle, as the history of champions shows it.

    Attributes
    ----------
    cut : microseconds up to which it has learned; None where the registration did not end
    registered : microseconds
    gain : out-of-time gain over the stage x age table; None where nothing was validated
    champion : whether it is served now
    """

    version: str
    tier: str
    cut: int | None
    registered: int
    gain: float | None
    champion: bool


class Tracker:
    """Runs and registered bundles of a workspace."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace

    @cached_property
    def uri(self) -> str:
        """Address of runs and registry.

        Raises
        ------
        SettingsFileError
            Where the settings cannot be used.
        """
        default = f"sqlite:///{(self.workspace / 'mlflow.db').resolve().as_posix()}"
        told = load_settings(self.workspace).tracking_uri
        return told or os.environ.get("MLFLOW_TRACKING_URI", default)

    def client(self) -> MlflowClient:
        """Client of the runs and the registry; the experiment is made on first use."""
        from mlflow import MlflowClient

        self.workspace.mkdir(parents=True, exist_ok=True)
        return MlflowClient(self.uri, self.uri)

    def register(
        self,
        bundle: Bundle,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        plots: Mapping[str, Path],
        data_version: str,
    ) -> tuple[Bundle, Registered]:
        """Log a run with the bundle and register it as a new version (not yet champion)."""
        client = self.client()
        tags = {"data_version": data_version, "code_version": code_version(), "tier": bundle.tier}
        told = {**params, **tags, "features": len(bundle.features)}
        with self._run(client, f"train {bundle.tier}", tags) as run_id:
            _log(client, run_id, told, metrics)
            for path in plots.values():
                client.log_artifact(run_id, str(path), "plots")
            stamped = self._log_bundle(client, run_id, bundle, tags)
        return stamped, Registered(stamped.version, run_id)

    def record(
        self,
        run_name: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        files: Mapping[str, Path],
        parent: str = "",
    ) -> str:
        """Log a run that is over, with its files, maybe as part of another; gives its id."""
        client = self.client()
        tags = {"mlflow.parentRunId": parent} if parent else {}
        with self._run(client, run_name, tags) as run_id:
            _log(client, run_id, {**params, "code_version": code_version()}, metrics)
            for path in files.values():
                client.log_artifact(run_id, str(path), "report")
        return run_id

    @contextmanager
    def _run(self, client: MlflowClient, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Give the id of a new run, which ends with the block: failed where that does."""
        run = client.create_run(self._experiment(client), run_name=name, tags=dict(tags))
        run_id = str(run.info.run_id)
        try:
            yield run_id
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id)

    def _log_bundle(
        self, client: MlflowClient, run_id: str, bundle: Bundle, tags: Mapping[str, str]
    ) -> Bundle:
        """Store the bundle under the version that the registry gives it."""
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(MODEL)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        place = f"{client.get_run(run_id).info.artifact_uri}/bundle"
        version = client.create_model_version(MODEL, place, run_id, tags=dict(tags)).version
        stamped = replace(bundle, version=str(version), card={**bundle.card, **tags})
        with tempfile.TemporaryDirectory() as folder:
            saved = save_bundle(stamped, Path(folder) / "bundle")
            client.log_artifacts(run_id, str(saved), "bundle")
        # Last: a version without a cut has no bundle yet, or never will.
        client.set_model_version_tag(MODEL, version, CUT, str(bundle.cut))
        return stamped

    def _experiment(self, client: MlflowClient) -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        place = (self.workspace / ARTIFACTS).resolve().as_uri()
        local = self.uri.startswith("sqlite")
        return str(
            client.create_experiment(EXPERIMENT, artifact_location=place if local else None)
        )

    def promote(self, version: str) -> None:
        """Make a registered version the champion; it remembers which it replaced."""
        before = self.champion_version()
        client = self.client()
        if before and before != version:
            client.set_model_version_tag(MODEL, version, REPLACED, before)
        client.set_registered_model_alias(MODEL, CHAMPION, version)

    def replaced_by_champion(self) -> str:
        """Version that was champion before this one; empty where there was none."""
        champion = self.champion_version()
        if not champion:
            return ""
        return str(self.client().get_model_version(MODEL, champion).tags.get(REPLACED, ""))

    def champion_version(self) -> str:
        """Version the alias names; empty where there is none.

        Raises
        ------
        BundleError
            If the registry cannot be read.
        """
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        if self.uri.startswith("sqlite") and not (self.workspace / "mlflow.db").exists():
            return ""
        try:
            return str(self.client().get_model_version_by_alias(MODEL, CHAMPION).version)
        except (MlflowException, SQLAlchemyError) as error:
            if getattr(error, "error_code", "") in ABSENT:
                return ""
            raise BundleError(
                f"the registry {self.uri} cannot be read ({error}); put it back from a backup, or "
                "remove it and run `dealcast train`"
            ) from error

    def versions(self, most: int = 20) -> list[Version]:
        """List the registered bundles, the newest first.

        Raises
        ------
        BundleError
            If the registry cannot be read.
        """
        champion = self.champion_version()
        if not champion:
            return []
        client = self.client()
        found = client.search_model_versions(f"name='{MODEL}'")
        newest = sorted(found, key=lambda each: -int(each.version))[:most]
        return [_listed(client, each, champion) for each in newest]

    def champion(self) -> Bundle | None:
        """Load the bundle that is served; None before the first training.

        Raises
        ------
        BundleError
            If the registry names a bundle that cannot be read.
        """
        version = self.champion_version()
        return self.load(version) if version else None

    def bundle_for(self, as_of: int) -> Bundle | None:
        """Load what may answer as of an instant: a bundle that knows no later fact.

        The champion where its cut allows it; else the newest registered version with a cut at or
        before `as_of`; else the champion all the same, whose cut then tells that the answer is no
        fair test.
        """
        champion = self.champion()
        if champion is None or champion.cut <= as_of:
            return champion
        versions = self.client().search_model_versions(f"name='{MODEL}'")
        fair = [v for v in versions if int(v.tags.get(CUT, as_of + 1)) <= as_of]
        if not fair:
            return champion
        newest = max(fair, key=lambda v: (int(v.tags[CUT]), int(v.version)))
        return self.load(str(newest.version))

    def load(self, version: str) -> Bundle:
        """Load a registered bundle by its version."""
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        try:
            found = self.client().get_model_version(MODEL, version)
            # MLflow keeps absolute paths: a workspace that was moved still has its files inside.
            inside = self.workspace / ARTIFACTS / str(found.run_id) / "artifacts" / "bundle"
            if inside.is_dir():
                return load_bundle(inside)
            folder = download_artifacts(artifact_uri=found.source, tracking_uri=self.uri)
        except (MlflowException, OSError) as error:
            raise BundleError(
                f"version {version} of the registry cannot be fetched ({error}); run "
                "`dealcast train`"
            ) from error
        return load_bundle(Path(folder))


def _log(
    client: MlflowClient, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
    """Log what was told and the figures that are numbers."""
    for name, value in params.items():
        client.log_param(run_id, name, str(value)[:LONGEST_PARAM])
    for name, figure in metrics.items():
        if not math.isnan(figure):
            client.log_metric(run_id, name, figure)


def _listed(client: MlflowClient, found: ModelVersion, champion: str) -> Version:
    from mlflow.exceptions import MlflowException

    try:
        metrics = client.get_run(str(found.run_id)).data.metrics
    except MlflowException:  # a run that was deleted takes its figures with it
        metrics = {}
    cut = found.tags.get(CUT)
    return Version(
        str(found.version),
        found.tags.get("tier", ""),
        None if cut is None else int(cut),
        1_000 * int(found.creation_timestamp),
        metrics.get("gain_over_table"),
        str(found.version) == champion,
    )
