"""Where Streamlit has the fields and buttons of the pages; see `tests.dashboards.PageObject`."""

from pathlib import Path

from tests.dashboards import PageObject


class Pages(PageObject):
    """The pages in Streamlit."""

    def rest(self) -> None:
        """Wait until everything is drawn: what is drawn above a field or button moves it away."""
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()

    def press(self, name: str) -> None:
        """Press a button."""
        self.rest()
        super().press(name)

    def choose(self, label: str, text: str) -> None:
        """Pick a level, or type one that is not offered."""
        self.rest()
        field = self.field(label)
        field.click()
        field.fill(text)
        self.page.get_by_role("option").filter(has_text=text).first.click()

    def clear(self, label: str) -> None:
        """Empty a field."""
        field = self.field(label)
        if field.get_attribute("role") == "combobox":
            self.choose(label, "(missing)")
        else:
            field.fill("")

    def predicted(self) -> str:
        """The prediction of the first target."""
        return str(self.page.get_by_test_id("stMetricValue").first.inner_text())

    def plot(self) -> bytes:
        """The what-if plot as an image."""
        return bytes(self.page.get_by_test_id("stVegaLiteChart").first.screenshot())

    def upload(self, path: Path) -> None:
        """Hand over a table, and have it scored."""
        self.page.locator("input[type=file]").set_input_files(path)
        self.sees(f"Uploaded: {path.name}")
        self.press("Score")
