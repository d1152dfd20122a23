"""What is wrong with a CSV file that does not read, in the words of the person who saved it."""

import re
from pathlib import Path

OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive, such as an Excel workbook",
    b"\x1f\x8b": "compressed by gzip",
    b"PAR1": "a Parquet file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
"""First bytes of files that are named .csv and are none that can be read here."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
HEADER_BYTES = 1 << 20


def trouble_at_start(path: Path) -> str | None:
    """Why the file cannot be a CSV file with commas, from its first line; None where it may be one."""
    with path.open("rb") as file:
        first = file.readline(HEADER_BYTES)
    if not first:
        return "it is empty"
    for magic, what in OTHER_FORMATS.items():
        if first.startswith(magic):
            return f"it is {what}: save it as CSV in UTF-8"
    header = re.sub(r'"[^"]*"', "", first.decode("latin-1"))
    found = max(SEPARATORS, key=header.count)
    if "," in header or found not in header:
        return None
    shown = {"\t": r"\t"}.get(found, found)
    return (
        f"its columns are separated by {SEPARATORS[found]}: save it with commas, as in "
        f"pandas.read_csv(…, sep='{shown}', dtype=str, keep_default_na=False).to_csv(…, index=False)"
    )


def trouble_of_encoding(path: Path) -> str | None:
    """Which line is not UTF-8, and what it may be instead; None where all are."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = line[error.start]
                # cp1252 is latin-1 with letters and quotes where that has control characters; five bytes it has not.
                name = "latin-1" if byte in b"\x81\x8d\x8f\x90\x9d" else "cp1252"
                letter = bytes([byte]).decode(name)
                guess = f", {letter!r} in {name}" if letter.isprintable() else ""
                mend = f"save the file as UTF-8, as in iconv -f {name} -t utf-8"
                return f"line {number} is not UTF-8 (byte 0x{byte:02x}{guess}): {mend}"
    return None
