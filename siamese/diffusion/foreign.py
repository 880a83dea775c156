"""Weight files of strangers: .safetensors, and .ckpt/.pth/.bin/.pt that hold nothing but tensors. No code is ever run.

A file's kind is told by its first bytes, not by its name.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from siamese.errors import CheckpointError
from siamese.shipped import LONGEST_HEADER

LARGEST_FILE = 32_000_000_000  # bytes; a full fp32 checkpoint has 5.7e9
LARGEST_PICKLE = 64_000_000  # bytes of the table of contents inside a torch file
MOST_MEMBERS = 100_000  # tensors or members of one file
FLOATS = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
PREFIXES = ("_forward_module.", "module.")  # left by Lightning and data parallel training


class TensorFile(Mapping[str, Tensor]):
    """The tensors of one file by name; a safetensors file is read tensor by tensor, a torch file is mapped.

    Wrappers (`state_dict`) and prefixes (`_forward_module.`, `module.`) are taken off; what is no tensor is left out.

    Args:
        path: the file.
    Raises:
        CheckpointError: missing, too large, damaged, with code inside, or two tensors of one name.
    """

    def __init__(self, path: Path):
        self.path = path
        self.kind = _kind(path)
        self._names: dict[str, str] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, torch.dtype | None] = {}
        try:
            if self.kind == "safetensors":
                self._open_safetensors()
            else:
                self._open_torch()
        except CheckpointError:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's bytes can break a reader in any way
            raise _unreadable(path, error) from None

    def _open_safetensors(self) -> None:
        with self.path.open("rb") as file:
            if int.from_bytes(file.read(8), "little") > LONGEST_HEADER:
                raise ValueError("its header is longer than any that is known")
        self._file = safe_open(self.path, framework="pt", backend="pread")
        for name in self._file.keys():  # noqa: SIM118 - no mapping
            part = self._file.get_slice(name)
            self._add(name, tuple(part.get_shape()), FLOATS.get(part.get_dtype()))

    def _open_torch(self) -> None:
        found = _load(self.path, mapped=self.kind == "zip")
        while isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
            found = found["state_dict"]
        if not isinstance(found, dict):
            raise CheckpointError(
                f"{self.path} holds no table of named tensors but a {type(found).__name__}; "
                "choose a file of weights."
            )
        self._tensors = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
        for name, value in self._tensors.items():
            dense = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
            known = dense and value.dtype in FLOATS.values()
            self._add(name, tuple(value.shape), value.dtype if known else None)

    def _add(self, name: str, shape: tuple[int, ...], dtype: torch.dtype | None) -> None:
        bare = name
        while bare.startswith(PREFIXES):
            bare = bare.removeprefix(PREFIXES[0]).removeprefix(PREFIXES[1])
        if bare in self._names:
            raise CheckpointError(
                f"{self.path} holds {bare} twice, as {self._names[bare]} and as {name}; which one is meant cannot "
                "be known, so save it again with one of them."
            )
        if len(self._names) >= MOST_MEMBERS:
            raise CheckpointError(f"{self.path} holds more than {MOST_MEMBERS} tensors; choose another file.")
        self._names[bare], self._shapes[bare], self.dtypes[bare] = name, shape, dtype

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, without reading it."""
        return self._shapes[name]

    def __getitem__(self, name: str) -> Tensor:
        own = self._names[name]
        if self.dtypes[name] is None:
            raise CheckpointError(
                f"{self.path}: {name} is no plain tensor of 16, 32 or 64 bit floating point numbers."
            )
        if self.kind != "safetensors":
            return self._tensors[own].detach()
        try:
            return self._file.get_tensor(own)
        except Exception as error:  # noqa: BLE001 - cut short since it was opened
            raise _unreadable(self.path, error) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _kind(path: Path) -> str:
    """safetensors, zip (torch since 1.6) or legacy (a bare pickle)."""
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}; name a .safetensors, .ckpt, .pth or .bin file.")
    if path.stat().st_size > LARGEST_FILE:
        raise CheckpointError(
            f"{path} has more than {LARGEST_FILE / 1e9:.0f} GB, which no checkpoint of this kind has."
        )
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:9] == b"{":
        return "safetensors"
    found = "zip" if head[:4] == b"PK\x03\x04" else "legacy" if head[:1] == b"\x80" else ""
    if found and path.suffix == ".safetensors":
        raise CheckpointError(
            f"{path} is called safetensors and is a pickle, which can hide code; nothing of it was opened. Ask its "
            "maker what it is."
        )
    if found:
        return found
    raise CheckpointError(
        f"{path} is neither safetensors nor a torch file (or it is cut short); copy it again from its source."
    )


def _load(path: Path, mapped: bool) -> object:
    """A torch file through the reader that knows tensors alone."""
    if mapped:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise ValueError(f"{len(members)} members")
            for member in members:
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{member.filename} is compressed, which torch never does")
                if member.filename.endswith(".pkl") and member.file_size > LARGEST_PICKLE:
                    raise ValueError(f"{member.filename} has {member.file_size / 1e6:.0f} MB")
    return torch.load(path, weights_only=True, mmap=mapped, map_location="cpu")


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    if type(error).__name__ == "UnpicklingError":
        return CheckpointError(
            f"{path} holds more than tensors ({_culprit(str(error))}), which could run code, so nothing of it was "
            "opened; ask its maker for a .safetensors file."
        )
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return CheckpointError(f"{path} is damaged or cut short ({reason}); copy it again from its source.")


def _culprit(message: str) -> str:
    """What the reader refused, from its long message."""
    for line in message.splitlines():
        for sign in ("GLOBAL ", "Unsupported "):
            if sign in line:
                return line[line.index(sign) :].split(" was not ")[0].strip()[:120]
    return "objects of Python"
