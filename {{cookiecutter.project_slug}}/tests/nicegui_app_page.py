"""Where NiceGUI has the fields and buttons of the pages; see `tests.dashboards.PageObject`."""

from pathlib import Path

from tests.dashboards import PageObject


class Pages(PageObject):
    """The pages in NiceGUI."""

    def choose(self, label: str, text: str) -> None:
        """Pick a level, or type one that is not offered."""
        field = self.field(label)
        field.click()
        offered = self.page.get_by_role("option", name=text, exact=True)
        if offered.count():
            offered.click()
        else:
            field.fill(text)
            field.press("Enter")

    def clear(self, label: str) -> None:
        """Empty a field."""
        self.field(label).locator("xpath=ancestor::label").get_by_role("button", name="Clear").click()

    def predicted(self) -> str:
        """The prediction of the first target."""
        return str(self.page.locator(".text-4xl").first.inner_text())

    def plot(self) -> bytes:
        """The what-if plot as an image."""
        return bytes(self.page.get_by_role("img").locator("canvas").first.screenshot())

    def upload(self, path: Path) -> None:
        """Hand over a table, and have it scored."""
        self.page.locator("input[type=file]").set_input_files(path)
        self.sees(f"Uploaded: {path.name}")
        self.press("Score")
