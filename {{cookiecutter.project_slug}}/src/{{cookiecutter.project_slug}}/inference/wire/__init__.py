# SPDX-License-Identifier: GPL-3.0-only
"""Wire encoding: the only code between a request and a servable's graph, and the registry format's loader.

Standard library and numpy alone (onnxruntime and pandas where the servable runs), and no import of what lies outside:
the package is shipped inside every registered model, under a name that holds the hash of its files.

| column                          | tensor                             | missing |
| ------------------------------- | ---------------------------------- | ------- |
| number, integer, boolean, time  | float64 `[N, width]`               | NaN     |
| category                        | object array of str `[N, width]`   | ""      |
"""

from .encoding import encode, encode_column, encode_key
from .servable import Servable, _load_pyfunc, as_columns
from .values import STRICT, Gathered, InputError, Misfits, is_missing

__all__ = [
    "STRICT",
    "Gathered",
    "InputError",
    "Misfits",
    "Servable",
    "_load_pyfunc",
    "as_columns",
    "encode",
    "encode_column",
    "encode_key",
    "is_missing",
]
