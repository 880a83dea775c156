"""Stable Diffusion 1.5 on this machine: a path, or a name in the Hugging Face cache; and the only download of all.

Nothing here uses the network but `fetch`, which `python -m siamese fetch` calls. Loads no torch.
"""

from __future__ import annotations

import re
from pathlib import Path

from siamese.errors import CheckpointError, MachineError, writing

DEFAULT = "stable-diffusion-v1-5/stable-diffusion-v1-5"
NOTICE = "Stable Diffusion 1.5 is licensed CreativeML OpenRAIL-M; by using it you accept its terms."
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
VOCABULARY = ("tokenizer/vocab.json", "tokenizer/merges.txt")
PARTS = {  # folder → stems of its weights
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}
ENDINGS = (".safetensors", ".fp16.safetensors", ".bin")


def find_base(base: str | Path) -> Path:
    """The folder or file of a base on this machine; a hub name is looked up in the local cache alone.

    Raises:
        CheckpointError: not there; the message says how to get it.
    """
    path = Path(base).expanduser()
    if path.exists():
        return path
    if not HUB_NAME.fullmatch(str(base)):
        raise CheckpointError(
            f"There is no base {base}; name a folder or file of Stable Diffusion 1.5, or run "
            f"python -m siamese fetch {DEFAULT} and use that name."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(base), local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
        if partial := getattr(error, "snapshot_path", None):  # a part of the repository, as `fetch` takes it
            return Path(partial)
        raise CheckpointError(
            f"{base} is neither a path here nor in the local cache; get it once with: python -m siamese fetch {base}"
        ) from None


def fetch(name: str = DEFAULT, half: bool = False) -> Path:
    """Download a base from the Hugging Face hub into its cache: weights, vocabulary and configuration, no pickles.

    Args:
        half: the fp16 files (about 2.1 GB instead of 4.3).
    Returns: its folder.
    Raises:
        CheckpointError: no such name. MachineError: no connection, or the disk is full.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    if not HUB_NAME.fullmatch(name):
        raise CheckpointError(f"{name} is no hub name; expected owner/model, e.g. {DEFAULT}.")
    ending = ".fp16.safetensors" if half else ".safetensors"
    patterns = [f"{part}/{stem}{ending}" for part, stem in PARTS.items()]
    wanted = [*patterns, *VOCABULARY, "*/config.json", "README.md", "LICENSE*"]
    try:
        with writing(Path.home()):
            folder = Path(snapshot_download(name, allow_patterns=wanted))
    except (RepositoryNotFoundError, HFValidationError):
        raise CheckpointError(
            f"The hub has no {name}, or not for everybody; look the name up on huggingface.co."
        ) from None
    except MachineError:
        raise
    except (OSError, HfHubHTTPError, RuntimeError) as error:
        raise MachineError(
            f"{name} could not be fetched ({_first_line(error)}); check the connection and run "
            f"python -m siamese fetch {name} again, or copy the folder from a machine that has it and name its path."
        ) from None
    absent = [p for p in [*patterns, *VOCABULARY] if not (folder / p).is_file()]
    if absent:
        raise CheckpointError(f"{name} on the hub has no {', '.join(absent)}; choose another base.")
    return folder


def hub_name(folder: Path) -> str:
    """The hub name of a folder in the Hugging Face cache, else the default's."""
    part = next((p for p in folder.parts if p.startswith("models--")), "")
    return part.removeprefix("models--").replace("--", "/", 1) or DEFAULT


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]
