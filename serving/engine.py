"""The engine keeps one view loaded and replaces it whole when the store or the champion moves."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from data.manifest import StoreError, Version
from data.settings import Settings, SettingsFileError, load_settings
from data.store import Store
from features.history import History
from serving.scores import Scores, ScoresError
from serving.view import FRESH, View, default_as_of, to_micros, to_time
from training.bundle import Bundle, BundleError
from training.tracking import Tracker

CHECK_SECONDS = 3.0
"""How often the store, the champion and the settings are looked at."""
RETRY = pd.Timedelta(minutes=1)
"""Time after which what could not be loaded is tried again."""
KEPT = 4
"""Views of other instants that are kept."""
TOLD = frozenset({"answers", "head", "others"})
"""What a view remembers with its notices in it: another notice, and it is made anew."""

Clock = Callable[[], pd.Timestamp]
log = logging.getLogger("dealcast.serving")


class NotReadyError(RuntimeError):
    """Nothing can be answered yet; the message says why and what to do."""


class StoreAwayError(NotReadyError):
    """The store that is served cannot be read now; the message says why and what to do."""


class FutureError(ValueError):
    """The as-of asked lies after the clock's now."""


EXPECTED = (NotReadyError, StoreError, SettingsFileError, BundleError)
"""Errors whose message is all that a person needs."""


@dataclass(frozen=True)
class Sources:
    """What a view is loaded from: another value of any of these is another view.

    Attributes
    ----------
    imported : microseconds; when this version of the store came to be
    """

    data_version: str
    number: int
    imported: int
    champion: str
    settings: Settings


class Engine:
    """Holds the current view of a workspace.

    Parameters
    ----------
    workspace : folder of the store, the models and dealcast.toml
    clock : gives now, UTC
    """

    def __init__(self, workspace: Path, clock: Clock) -> None:
        self.workspace, self.clock = workspace, clock
        self._store, self._tracker = Store(workspace / "store"), Tracker(workspace)
        self.scores = Scores(workspace)
        self._current: View | None = None
        self._loaded: Sources | None = None
        self._refused: tuple[Sources | None, pd.Timestamp] | None = None
        self.away = ""
        """Why the store cannot be read now; empty while it can."""
        self._reason = "the service is loading the store and the model; try again in some seconds"
        self._refreshing = threading.Lock()

    def view(self, as_of: pd.Timestamp | None = None) -> View:
        """Give the current view, or that of another instant.

        Raises
        ------
        StoreAwayError
            While the store that the view was loaded from cannot be read.
        NotReadyError
            While there is no store, no champion, or neither could be loaded.
        FutureError
            Where `as_of` lies after now.
        """
        if self.away:
            raise StoreAwayError(self.away)
        return self.held(as_of)

    def held(self, as_of: pd.Timestamp | None = None) -> View:
        """Give the view in memory, whether or not its store is there: for deals that are sent.

        Raises
        ------
        NotReadyError
            While nothing was loaded yet.
        FutureError
            Where `as_of` lies after now.
        """
        current = self._current
        if current is None:
            raise NotReadyError(self._reason)
        if as_of is None or to_micros(as_of) == current.as_of:
            return current
        if as_of > self.clock():
            raise FutureError(f"{as_of.isoformat()} lies in the future")
        return self._other(current, to_micros(as_of))

    @property
    def stuck(self) -> bool:
        """Whether what is new could not be loaded."""
        return self._refused is not None

    def _other(self, current: View, as_of: int) -> View:
        """View of another instant, by a bundle that had learned nothing of later facts if any."""
        others: OrderedDict[int, View] = current.memo.setdefault("others", OrderedDict())
        found = others.get(as_of)
        if found is None:
            bundle = current.bundle
            if bundle.cut > as_of:
                bundle = self._tracker.bundle_for(as_of) or bundle
            found = View.of(current.history, bundle, current.data_version, as_of, current.notices)
            others[as_of] = found
            while len(others) > KEPT:
                others.popitem(last=False)
        return found

    def refresh(self) -> bool:
        """Look whether anything moved, and load it; whether there is a new view.

        What cannot be loaded is refused and logged: the view before stays and says so. While the
        store itself cannot be read, nothing is answered from it.
        """
        with self._refreshing:
            sources = None
            try:
                sources = self._sources(self._latest())
                if not self._due(sources):
                    return False
                view = self._load(sources)
                if self._current is not None:
                    # The old view answers until the new one is as quick.
                    self._prepare(view)
            except StoreAwayError:
                return False
            except Exception as error:  # noqa: BLE001 - whatever is broken, the old view must stay
                self._refuse(sources, error)
                return False
            self._current, self._loaded, self._refused = view, sources, None
            log.info(
                "serving model %s (%s) on data %s as of %s: %d open deals",
                view.bundle.version,
                view.bundle.tier,
                view.data_version,
                view.instant,
                len(view.scored.frame),
            )
            return True

    def _latest(self) -> Version:
        """Read the newest version of the store; without one, a view of it is out of force."""
        try:
            latest = self._store.versions()[-1]
        except (StoreError, OSError) as error:
            if self._current is None:
                raise
            away = (
                f"the store that is served is away: put {self._store.root} back, from a backup "
                f"where it is lost, or import into it anew; what was found: {error}"
            )
            if away != self.away:
                log.error("%s", away)  # noqa: TRY400 - the message says it all
            self.away = away
            raise StoreAwayError(away) from error
        if self.away:
            log.info("the store can be read again")
        self.away = ""
        return latest

    def _sources(self, latest: Version) -> Sources:
        champion = self._tracker.champion_version()
        if not champion:
            raise NotReadyError(f"no model in {self.workspace} yet: run `dealcast train` first")
        imported = to_micros(pd.Timestamp(latest.time))
        settings = load_settings(self.workspace)
        return Sources(latest.id, latest.number, imported, champion, settings)

    def _due(self, sources: Sources) -> bool:
        """Whether these sources should be loaded now."""
        if self._refused is not None and self._refused[0] == sources:
            return self.clock() - self._refused[1] > RETRY
        if self._current is None or self._refused is not None or sources != self._loaded:
            return True
        now = self.clock()
        last = self._current.history.last_fact
        fresh = last is None or now - last <= FRESH
        return fresh and now.floor("h") > self._current.instant

    def _load(self, sources: Sources) -> View:
        """Read what is new, keep what is not, and score."""
        history, bundle = self._history(sources), self._bundle(sources)
        now = self.clock()
        as_of = default_as_of(history, now, max(sources.imported, bundle.cut))
        last = history.last_fact
        if last is None or now - last <= FRESH:
            return View.of(history, bundle, sources.data_version, as_of)
        notice = (
            f"the data are stale: the store's last fact is of {last:%Y-%m-%d}, and answers are as "
            f"of {to_time(as_of):%Y-%m-%d} where no as_of is asked; run `dealcast import SOURCE` "
            "to bring the store up to date"
        )
        return View.of(history, bundle, sources.data_version, as_of, (notice,))

    def _history(self, sources: Sources) -> History:
        old, current = self._loaded, self._current
        if (
            current is not None
            and old is not None
            and (old.data_version, old.settings) == (sources.data_version, sources.settings)
        ):
            return current.history
        return History.of(self._store.read(sources.number), sources.settings)

    def _bundle(self, sources: Sources) -> Bundle:
        current = self._current
        if current is not None and current.bundle.version == sources.champion:
            return current.bundle
        return self._tracker.load(sources.champion)

    def _refuse(self, sources: Sources | None, error: Exception) -> None:
        expected = isinstance(error, EXPECTED)
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        new = reason != self._reason
        if new:
            log.error("refused: %s", reason, exc_info=None if expected else error)
        self._refused, self._reason = (sources, self.clock()), reason
        if self._current is not None and new:
            told = f"model {self._current.bundle.version} on data {self._current.data_version}"
            notice = f"what is new cannot be loaded ({reason}); {told} still answers"
            memo = {key: kept for key, kept in self._current.memo.items() if key not in TOLD}
            self._current = replace(self._current, notices=(notice,), memo=memo)

    def watch(self, stop: threading.Event) -> None:
        """Refresh until stopped; what is asked first is answered ahead, so that nobody waits."""
        if self._current is not None:
            self._prepare(self._current)
        while not stop.is_set():
            self.refresh()
            self.keep_scores()
            stop.wait(CHECK_SECONDS)

    def keep_scores(self) -> bool:
        """Keep the scores of the current view, once; whether they are kept.

        What cannot be kept now is logged once and tried anew at the next look; nobody who asks
        is troubled by it.
        """
        view = self._current
        if view is None or view.memo.get("kept"):
            return view is not None
        try:
            self.scores.keep(view.scored.frame, view.data_version, self.clock())
        except ScoresError as error:
            if not view.memo.get("told"):
                log.error("not kept: %s", error)  # noqa: TRY400 - the message says it all
            view.memo["told"] = True
            return False
        view.memo["kept"] = True
        return True

    def _prepare(self, view: View) -> None:
        try:
            view.prepare()
        except Exception:
            log.exception("the first answers could not be prepared")
