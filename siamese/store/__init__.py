"""Where rating studies are stored: SQLAlchemy tables, migrations, the append-only log of records."""
