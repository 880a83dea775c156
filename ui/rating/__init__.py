"""The rating pages: a process of its own with nothing of the studio in it. `python -m ui.rating --study FOLDER`."""
