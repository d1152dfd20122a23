"""Answers to bake with, as data; `bake` refuses a key that cookiecutter.json does not know."""

from itertools import product

Answers = dict[str, str | bool]
DASHBOARDS = ("none", "streamlit", "nicegui")
COMBINATIONS: dict[str, Answers] = {
    "-".join([*["dvc"] * dvc, dashboard, *["triton"] * triton]): {
        "use_dvc": dvc, "dashboard": dashboard, "use_triton": triton,
    }
    for dvc, dashboard, triton in product((False, True), DASHBOARDS, (False, True))
}  # fmt: skip
"""Every choice of features."""
NOTHING = COMBINATIONS["none"]
EVERYTHING = [COMBINATIONS["dvc-streamlit-triton"], COMBINATIONS["dvc-nicegui-triton"]]
PAIRWISE = ("streamlit-triton", "dvc-nicegui-triton", "dvc-streamlit", "dvc-none-triton", "nicegui")
"""The longest first. Together with NOTHING, which the whole suite runs on: every two answers meet in one of them."""
IMAGES = ("streamlit-triton", "nicegui")
"""Of those, the ones whose images are built: each dashboard once, and Triton in the stack, since it takes minutes."""

SUPPORTED: dict[str, Answers] = {
    **COMBINATIONS,
    "python-3.12": {"python_version": "3.12"},
    "python-3.13": {"python_version": "3.13"},
    "two-underscores": {"project_slug": "two__underscores"},
    "awkward-text": {
        "project_name": 'Größe "π" d\'été 🚀 机器学习 C:\\new\\table',
        "project_slug": "awkward_text",
        "description": "It's \"\"\"triple\"\"\", '''single''', a \\ at the end, <b>&amp;</b>, # 30 % \\",
        "author_name": 'Zoë O\'Brien-Łukasz "Ζ" 李 👩‍🔬',
        "author_email": "o'brien+ml@mail.example.co.uk",
    },
}

TEXTS = [
    'double "quotes"',
    "single 'quotes'",
    '"""',
    "'''",
    "back\\slash \\n \\u0041 \\",
    '\\"',
    "Übergröße, señor, ça va",
    "机器学习项目",
    "🚀 👩‍🔬 🏴‍☠️",
    "$HOME `id` $(id) %s {0} ${x}",
    "a: b # c - [d] {e} & *f !g |h >i @j",
    "<script>&amp;</script>",
]

SLUG_SHAPE = "is not a package name: use lower-case ASCII letters, digits and underscores, a letter first"
UNDERSCORES = "has three underscores in a row, which no container image may have in its name: use one"
KEYWORD = "is a Python keyword: choose another name"
STANDARD_LIBRARY = "shadows Python's standard library: choose another name"
DEPENDENCY = "shadows a package that the project uses: choose another name"
FOLDER = "is taken by a folder of the project: choose another name"
CONTROL = "contains a control character: use one line of plain text"
JINJA = "contains Jinja: write no brace before another brace, a percent sign or a hash"
EMAIL = "is not an e-mail address: write it as name@example.com"

REFUSED: list[tuple[str, str, str]] = [
    *(
        ("project_slug", slug, SLUG_SHAPE)
        for slug in ["My_Project", "my-project", "my project", "3d", "_hidden", "größe", "open_", "a.b", "a\\b", "ｍｌ"]
    ),
    ("project_slug", "open__", SLUG_SHAPE),
    *(("project_slug", slug, UNDERSCORES) for slug in ["a___b", "a__b____c"]),
    *(("project_slug", slug, KEYWORD) for slug in ["class", "async", "match", "case"]),
    *(("project_slug", slug, STANDARD_LIBRARY) for slug in ["json", "logging", "test", "statistics", "type", "list"]),
    *(("project_slug", slug, DEPENDENCY) for slug in ["torch", "mlflow", "sklearn", "scikit_learn", "yaml", "xgboost"]),
    *(("project_slug", slug, FOLDER) for slug in ["src", "tests", "config", "data"]),
    ("project_name", "", "is empty: give one"),
    ("project_name", "   ", "is empty: give one"),
    ("author_name", "", "is empty: give one"),
    ("author_email", "", "is empty: give one"),
    *(
        (key, text, CONTROL)
        for key in ["project_name", "description", "author_name", "author_email"]
        for text in ["two\nlines", "bell\a", "del\x7f", "next\x85line", "line\u2028end"]
    ),
    ("project_slug", "a\nb", CONTROL),
    *(
        ("author_email", email, EMAIL)
        for email in [
            "you",
            "you@",
            "@example.com",
            "you@example",
            "a b@example.com",
            "jörg@example.com",
            "you@example..com",
            "a@b@c.de",
        ]
    ),
    *(("author_email", email, EMAIL) for email in ["<you@example.com>", '"you"@example.com', ".you@example.com"]),
]
