"""Monitoring: connections as history, availability, the electrical tree, one timeline per EVSE, rules, incidents."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8"))
