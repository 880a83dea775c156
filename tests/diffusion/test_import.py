"""diffusers is imported without what is not used here, whatever stands beside it."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize("name", ["peft", "gguf"])
def test_a_package_that_needs_what_is_left_out_keeps_nobody_from_starting(tmp_path, name):
    package = tmp_path / name
    package.mkdir()
    lines = (
        "from transformers import AutoModel",
        "from unittest.mock import MagicMock",
        "__getattr__ = MagicMock()",
    )
    (package / "__init__.py").write_text("\n".join(lines))
    about = tmp_path / f"{name}-99.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0\n")
    code = (
        "import siamese.diffusion.model, sys, torch\n"
        "assert 'siamese.diffusion.model' in sys.modules\n"
        "assert all(sys.modules[name] for name in ('transformers', 'torch._dynamo') if name in sys.modules)\n"
        "assert torch.compiler.disable.__module__ == 'torch.compiler'\n"
        "print(sys.modules.get(sys.argv[1]) is not None)\n"
    )
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", code, name], env=os.environ | path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    imported = name != "peft"  # which is not asked for; others are imported with what they need
    assert done.stdout.strip() == str(imported)
