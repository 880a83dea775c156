"""The papers, turned into code. diffusers' own notices are for its developers; errors still come."""

from diffusers.utils import logging

logging.set_verbosity_error()
