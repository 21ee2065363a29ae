"""Writes docs/operators/settings.md from the model of `settings`, so that it cannot go stale (a test compares)."""

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from voltway.settings import PREFIX, Settings, is_secret, unit_of

_HEAD = """# Settings

Written by `voltway config docs`; do not edit. Each setting comes from the first of these that names it:

1. the environment, by the name below;
2. for the secrets, a file: `VOLTWAY_DATABASE_URL_FILE=/run/secrets/database` (a trailing newline is dropped);
3. a TOML file with the same names in lower case and without the prefix (`ocpp_port = 9001`): the file that
   `VOLTWAY_CONFIG` names, else `voltway.toml` in the data folder.

An empty variable counts as not set. A name that begins with `VOLTWAY_` and is not in this table is an error, so that a
typing mistake never means a default. `voltway config check` reads everything and starts nothing; `voltway config show`
prints what is in force, with the secrets hidden.

| Setting | Default | Range | What it does |
| --- | --- | --- | --- |
"""


def settings_page() -> str:
    """Return the whole page as Markdown."""
    rows = [_row(name, field) for name, field in Settings.model_fields.items()]
    return _HEAD + "\n".join(rows) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    secret = " (secret)" if is_secret(field) else ""
    return f"| `{PREFIX}{name.upper()}` | {_default(name, field)} | {_range(field)} | {field.description}{secret} |"


def _default(name: str, field: FieldInfo) -> str:
    if name == "data_dir":
        return "`~/.local/state/voltway`; as root `/var/lib/voltway`"
    value = field.default
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return f"`{text}`" if text else "empty"


def _range(field: FieldInfo) -> str:
    low = next((str(bound.ge) for bound in field.metadata if isinstance(bound, Ge)), "")
    high = next((str(bound.le) for bound in field.metadata if isinstance(bound, Le)), "")
    if low or high:
        return f"{low} to {high} {unit_of(field)}".strip()
    choices = _choices(field.annotation)
    return ", ".join(f"`{choice}`" for choice in choices)


def _choices(annotation: object) -> tuple[str, ...]:
    inner = getattr(annotation, "__args__", ())
    if inner and all(isinstance(choice, str) for choice in inner):
        return tuple(inner)
    return _choices(inner[0]) if inner and inner[0] is not annotation else ()
