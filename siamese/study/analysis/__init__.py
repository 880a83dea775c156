"""The analysis of a rating study: numpy and scipy on `tables.Votes`, no database, no pictures.

Every statistic carries what was counted and says in one plain sentence what it means and what it does not show.
"""
