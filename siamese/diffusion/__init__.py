"""The papers, turned into code. diffusers' own notices are for its developers; errors still come."""

from diffusers.utils import import_utils, logging

logging.set_verbosity_error()
# diffusers would import transformers for pipelines that are not used here: a second at every start
import_utils._transformers_available = False
