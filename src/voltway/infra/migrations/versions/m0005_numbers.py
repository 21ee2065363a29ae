"""Numbers: exclusions and contracts for uptime, rollups of usage by hour, day and month."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8"))
