"""Alembic's folder: one numbered file per migration, plain SQL, forward only."""
