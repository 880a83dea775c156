"""The papers, turned into code. diffusers' own notices are for its developers; errors still come."""

import sys

import torch

# diffusers would import these for what is not used here, seven seconds at every start: pipelines, quantizers, schedules
# and compiled graphs; and bitsandbytes, where it is installed, complains of a missing package of its own
left_out = dict.fromkeys({"transformers", "torch._dynamo"} - sys.modules.keys())
sys.modules.update(left_out)
disable, torch.compiler.disable = torch.compiler.disable, lambda of=None: of or (lambda it: it)
try:
    from diffusers.utils import import_utils, logging

    import_utils._transformers_available = False
    import_utils._bitsandbytes_available = False
    import_utils._scipy_available = False
    import diffusers.hooks
    import diffusers.quantizers  # noqa: F401 - it tries transformers whatever the above says
finally:
    torch.compiler.disable = disable
    for name in left_out:
        del sys.modules[name]
logging.set_verbosity_error()
