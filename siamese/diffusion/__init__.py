"""The papers, turned into code. diffusers' own notices are for its developers; errors still come."""

import sys

import torch

# diffusers would import these for what is not used here, seven seconds at every start: pipelines, quantizers, schedules
# and compiled graphs; and bitsandbytes, where it is installed, complains of a missing package of its own
left_out = dict.fromkeys({"transformers", "torch._dynamo"} - sys.modules.keys())
sys.modules.update(left_out)
disable, torch.compiler.disable = torch.compiler.disable, lambda of=None: of or (lambda it: it)
try:
    from diffusers.utils import import_utils

    import_utils._transformers_available = False
    import_utils._bitsandbytes_available = False
    import_utils._peft_available = False
    import_utils._scipy_available = False
    import diffusers.hooks
    import diffusers.quantizers  # noqa: F401 - it tries transformers whatever the above says
except (ImportError, AttributeError, RuntimeError):
    # a package that diffusers looks for beside itself needs what is left out: a slow start is better than none
    for name in [name for name in sys.modules if name.partition(".")[0] == "diffusers"]:
        del sys.modules[name]
finally:
    torch.compiler.disable = disable
    for name in left_out:
        del sys.modules[name]

from diffusers.utils import logging  # noqa: E402

logging.set_verbosity_error()
