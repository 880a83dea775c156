"""The gate: every synthesized picture is scored, rules accept, flag or reject it, a person decides of the flagged."""
