"""The main job: operators, stations, tokens, tariffs, sessions, CDRs, outbox; every table under a row policy."""

from pathlib import Path

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything; the job queue gets a schema of its own."""
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8"))
    op.execute("CREATE SCHEMA jobs; GRANT USAGE ON SCHEMA jobs TO voltway_app; SET LOCAL search_path = jobs, public")
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    op.execute(
        "GRANT ALL ON ALL TABLES IN SCHEMA jobs TO voltway_app;"
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA jobs TO voltway_app;"
        "GRANT ALL ON ALL FUNCTIONS IN SCHEMA jobs TO voltway_app;"
        "SET LOCAL search_path = public"
    )
