"""The papers, turned into code. diffusers' own notices are for its developers; errors still come."""

import sys

from diffusers.utils import import_utils, logging

logging.set_verbosity_error()
# diffusers would import these for pipelines, quantizers and schedules that are not used here: five seconds at every
# start, and bitsandbytes, where it is installed, complains of a missing package of its own
import_utils._transformers_available = False
import_utils._bitsandbytes_available = False
import_utils._scipy_available = False
if "transformers" not in sys.modules:  # its quantizers try it whatever the above says
    sys.modules["transformers"] = None
    try:
        import diffusers.quantizers  # noqa: F401
    finally:
        del sys.modules["transformers"]
