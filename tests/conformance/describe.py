"""What the official SDK says of the fields of crates/core/catalogue/models.txt, as one text.

`python describe.py` writes crates/core/catalogue/descriptions.txt; `test_descriptions.py` holds the
file against it.
"""

import inspect
import re
from pathlib import Path

import PureCloudPlatformClientV2 as sdk

CATALOGUE = Path(__file__).resolve().parents[2] / "crates/core/catalogue"
FILE = CATALOGUE / "descriptions.txt"
HEAD = """\
# Made from the docstrings of the official Python SDK (MIT licence, (c) Genesys) by
# tests/conformance/describe.py; not to be changed by hand.
"""


def fields():
    """Yields each model and field of the file once."""
    seen = set()
    model = None
    for line in (CATALOGUE / "models.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        if line.startswith(("= ", ": ")):
            model = line.split(" ")[-1]
        elif (one := (model, line.split(" ")[0])) not in seen:
            seen.add(one)
            yield one


def said(model, name):
    """Returns what the SDK says of a field, in one line; nothing where it says no more than its name."""
    kind = getattr(sdk, model, None)
    if kind is None:
        return ""
    own = next((own for own, wire in kind().attribute_map.items() if wire == name), None)
    prop = getattr(kind, own, None) if own else None
    lines = inspect.getdoc(prop.fget).splitlines() if prop is not None else []
    text = []
    for line in lines[1:]:
        if line.startswith(":return"):
            break
        text.append(line.strip())
    text = re.sub(r"<[^>]+>", " ", " ".join(text))
    return re.sub(r"\s+", " ", text).strip()


def text():
    found = sorted((f"{model}.{name}", said(model, name)) for model, name in fields())
    return HEAD + "".join(f"{place} {words}\n" for place, words in found if words)


if __name__ == "__main__":
    FILE.write_text(text())
