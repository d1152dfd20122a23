"""One user's work with the pages: what was entered and answered. Both UIs draw this, and no more than this."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.schemas.dashboard import DashboardSettings
from {{ cookiecutter.project_slug }}.utils.files import replacing

from . import comparison, form, sweep, tables, words
from .client import Api, ApiError, RefusedError
from .results import Compared, Prediction, RowComparison, TableComparison
from .served import Served, title

Identity = Mapping[str, str | None]
"""Name, version and alias of a model."""
OnRows = Callable[[int, int], object]
"""Told how many rows are done, and of how many."""


class Services:
    """The services of a dashboard, shared by its users.

    Args:
        settings: their addresses and keys.
    """

    def __init__(self, settings: DashboardSettings) -> None:
        seconds = settings.timeout_seconds
        self.settings = settings
        self.api = Api(settings.api, settings.api_key, seconds)
        self.staging: Api | None = None
        if settings.staging_api is not None:
            self.staging = Api(settings.staging_api, settings.staging_api_key, seconds, "staging_api")
        self.uploads = TemporaryDirectory(prefix="uploaded-", ignore_cleanup_errors=True)
        """Holds what users have uploaded, each in a folder of their own."""

    def close(self) -> None:
        """Remove what users have uploaded: nobody is there any more."""
        self.uploads.cleanup()


class Session:
    """What one user sees. Nothing of it is shared.

    Args:
        services: the dashboard's.
    """

    def __init__(self, services: Services) -> None:
        self.services, self.settings = services, services.settings
        self.served: Served | None = None
        """What the service served when it was looked at last; kept while it does not answer."""
        self.trouble: str | None = None
        """Why the service does not answer at the moment."""
        self.news: str | None = None
        """That another version answers now."""
        self.prediction: Prediction | None = None
        self.problem: tuple[str | None, str] | None = None
        """What is wrong with the form: the column, where one is named, and the words."""
        self.swept: str | None = None
        """The column of the what-if plot."""
        self.scored: tables.Scored | None = None
        self.upload: tuple[Path, str] | None = None
        """The table that was uploaded last: a file that this session owns, and what its owner calls it."""
        self._looked = float("-inf")
        self._report: tuple[Served, float, dict[str, Any] | str] | None = None
        self._second: tuple[float, Served | str] | None = None
        self._row: tuple[Prediction, list[Identity], RowComparison] | None = None
        self._folder = TemporaryDirectory(dir=services.uploads.name, ignore_cleanup_errors=True)

    def close(self) -> None:
        """Remove what was uploaded: the user has left."""
        self._folder.cleanup()

    def look(self, *, at_once: bool = False) -> bool:
        """Ask what is served unless that was asked a moment ago; whether the pages must be drawn anew.

        Args:
            at_once: ask, however recently it was asked.
        """
        if not at_once and time.monotonic() - self._looked < self.settings.refresh_seconds:
            return False
        before, trouble = self.served, self.trouble
        try:
            self.served, self.trouble = self.services.api.served(), None
        except ApiError as error:
            self.trouble = str(error)
        self._looked = time.monotonic()
        if before and self.served and before.identity != self.served.identity:
            self.news = f"{self.served.title} answers now; it was {before.title}"
        return trouble != self.trouble or before != self.served

    @property
    def form(self) -> list[form.Field]:
        """The fields of the model that is served."""
        return form.fields(self.served.contract) if self.served else []

    def predict(self, entered: Mapping[str, Any]) -> None:
        """Ask for the prediction of what was entered, and for the plot; `problem` says what is wrong with it."""
        if self.served is None:
            return
        fields, served = self.form, self.served
        record = form.record(fields, entered)
        self.problem = self.news = None
        try:
            answer = self.services.api.predict({name: [cell] for name, cell in record.items()}, served.contract)
            self.prediction = Prediction(record, served, answer)
            self.sweep(self._swept_of(served))
        except RefusedError as error:
            self.prediction, self.problem = None, form.problem(fields, str(error))
        except ApiError as error:
            self.prediction, self.problem = None, (None, str(error))
        if self.prediction is None or self.prediction.answer.model != served.identity:
            self.look(at_once=True)
            if self.trouble:
                self.problem = None  # it is no matter of the form, and told as trouble

    def sweep(self, name: str | None) -> None:
        """Plot a column for the last prediction; its `plot_trouble` says why there is no plot."""
        self.swept = name
        asked = self.prediction
        if asked is None:
            return
        contract = asked.served.contract
        column = next((column for column in sweep.sweepable(contract) if column.name == name), None)
        asked.curves, asked.plot_trouble = [], None
        if column is None:
            return
        try:
            points = self.settings.sweep_points
            asked.curves = sweep.curves(self.services.api, contract, column, asked.record, points)
        except ApiError as error:
            asked.plot_trouble = str(error)

    @property
    def report(self) -> dict[str, Any] | str:
        """What the gates found about the version that is served, or why that is not known; asked for now and then."""
        if self.served is None:
            return self.trouble or "the service has not answered yet"
        if self._report is not None and self._report[0].identity == self.served.identity:
            _, asked, found = self._report
            if isinstance(found, dict) or time.monotonic() - asked < self.settings.refresh_seconds:
                return found
        self._report = self.served, time.monotonic(), self.services.api.promotion()
        return self._report[2]

    def keep(self, called: str, content: bytes) -> None:
        """Take an uploaded table in the place of the one before.

        Args:
            called: its name, with the suffix of its format.
            content: the file's bytes.
        """
        path = Path(self._folder.name) / f"table{Path(called).suffix.lower()}"
        with replacing(path) as aside:  # the one before may be read at this moment
            aside.write_bytes(content)
        self.upload, self.scored = (path, called), None

    def score(self, on_rows: OnRows = lambda *_: None) -> None:
        """Score the uploaded table.

        Raises:
            UserError: there is none, it does not fit, or the service does not answer; the last result is gone then.
        """
        self.scored = None
        upload, served = self._uploaded(), self._answering()
        scored = tables.score(self.services.api, served, *upload, self.settings.slice_rows, on_rows)
        if self.upload is upload:  # or else it is of a table that was replaced meanwhile
            self.scored = scored

    def second(self) -> Served:
        """What the second service serves; asked for now and then.

        Raises:
            UserError: none is configured, it does not answer, or it predicts something else.
        """
        if self._second is None or time.monotonic() - self._second[0] >= self.settings.refresh_seconds:
            try:
                found: Served | str = self._staging().served()
            except UserError as error:
                found = str(error)
            self._second = time.monotonic(), found
        second = self._second[1]
        if isinstance(second, str):
            raise UserError(second)
        first = self._answering(at_once=False)
        if not comparison.comparable(first, second):
            raise UserError(str(comparison.of_contracts(first, second)))
        return second

    def titles(self, first: Identity, second: Identity) -> tuple[str, str]:
        """What two models that answered are called: by their services' addresses where else they would be the same."""
        titles = title(first), title(second)
        return titles if titles[0] != titles[1] else (self.services.api.url, self._staging().url)

    def compare_row(self) -> RowComparison:
        """The row of the last prediction through both services; asked again once one of them serves another version.

        Raises:
            UserError: there is no row yet, or a service does not answer it.
        """
        if self.prediction is None:
            raise UserError("there is no row yet: fill in the form and predict")
        prediction, second, first = self.prediction, self.second(), self._answering(at_once=False)
        served: list[Identity] = [first.identity, second.identity]
        if self._row is not None and self._row[0] is prediction and self._row[1] == served:
            return self._row[2]
        record, contract = prediction.record, first.contract
        answers = [
            api.predict(comparison.known_to(known, record), known)
            for api, known in ((self.services.api, contract), (self._staging(), second.contract))
        ]
        titles = self.titles(answers[0].model, answers[1].model)
        row = RowComparison(titles, comparison.of_rows(answers[0], answers[1], contract))
        self._row = prediction, served, row
        return row

    def compared(self) -> Compared:
        """What a page shows of the second service at once.

        Raises:
            UserError: as `second` does.
        """
        second, prediction = self.second(), self.prediction
        if prediction is None:
            return Compared(second, None, words.NO_ROW)
        try:
            return Compared(second, prediction, self.compare_row())
        except UserError as error:
            return Compared(second, prediction, str(error))

    def compare_table(self, on_rows: OnRows = lambda *_: None) -> TableComparison:
        """The uploaded table through both services.

        Raises:
            UserError: there is no table yet, or a service does not answer it.
        """
        (path, called), second = self._uploaded(), self.second()
        pairs = ((self.services.api, self._answering()), (self._staging(), second))
        first_scored, second_scored = (
            tables.score(api, served, path, called, self.settings.slice_rows, on_rows) for api, served in pairs
        )
        titles = self.titles(first_scored.model, second_scored.model)
        return TableComparison(
            titles, comparison.of_tables(first_scored, second_scored, self._answering().contract)
        )  # fmt: skip

    def _answering(self, *, at_once: bool = True) -> Served:
        self.look(at_once=at_once)
        if self.served is None or self.trouble:
            raise ApiError(self.trouble or "the service does not answer")
        return self.served

    def _uploaded(self) -> tuple[Path, str]:
        if self.upload is None:
            raise UserError("there is no table yet: upload one")
        return self.upload

    def _staging(self) -> Api:
        if self.services.staging is None:
            raise UserError("no second service is set: start the dashboard with dashboard.staging_api=http://host:port")
        return self.services.staging

    def _swept_of(self, served: Served) -> str | None:
        """The column that was plotted last, or the first number of a model that has none of that name."""
        columns = sweep.sweepable(served.contract)
        if self.swept in [column.name for column in columns]:
            return self.swept
        numbers = [column for column in columns if column.kind == "number"]
        return (numbers or columns)[0].name if columns else None
