"""The family sd15: its base from folders, files and the cache, the start of training, and checkpoints that paint."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from siamese import hub as machine_hub
from siamese import recipe
from siamese.diffusion import base, checkpoint, ldm_keys, sd15, text
from siamese.diffusion.losses import NoisySample, siamese_losses
from siamese.errors import CheckpointError, RecipeError
from siamese.masks.mask import Mask
from siamese.tasks import sample
from tests.conftest import ROOT
from tests.diffusion.sd15_files import SHIPPED, sd15_parts, small, text_encoder, write_file, write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("base") / "sd15", small())


@pytest.fixture(scope="module")
def started(folder: Path):  # noqa: ANN201
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return sd15.start(small(f"base={str(folder)!r}"))


def test_the_recipe_is_the_papers() -> None:
    """874.26 M parameters train in 756 tensors; the autoencoder and the U-Net's encoder do not."""
    settings = recipe.read(SHIPPED, ['styles=["polyp"]'])
    shapes = ldm_keys.shapes(settings)
    names = sd15.trained_names(settings)
    assert len(names) == 756
    assert round(sum(torch.Size(shapes[n]).numel() for n in names) / 1e6, 2) == 874.26
    parts = {".".join(n.split(".")[:2]) for n in shapes if n not in set(names)}
    frozen = {"unet.conv_in", "unet.time_embedding", "unet.down_blocks", "unet.mid_block", "autoencoder.kl"}
    buffers = {"context.table", "context.encoder", "views", "fields"}
    assert parts == frozen | buffers | {
        f"autoencoder.{b}" for b in ("z_mean", "z_sd", "rgb_weight", "rgb_bias")
    }
    stage = settings.train_siamese
    assert (stage.lr, stage.lr_end, stage.warmup, stage.weight_decay, stage.batch, stage.steps) == (
        (1e-5, 1.0, 0, 1e-2, 48, 3000)
    )
    assert settings.sampling.guidance == 9 and settings.sampling.unconditional_mask


def test_folder_and_files_give_the_same_model(folder: Path, started, tmp_path: Path) -> None:  # noqa: ANN001
    wanted = started.state_dict()
    for name in ("base.safetensors", "base.ckpt"):
        place = tmp_path / name.replace(".", "_")
        place.mkdir()
        found = base.Base(write_file(place / name, small()), small())
        assert all(torch.equal(found[own], wanted[own]) for own in found)
        assert len(found) == 686 + 248
        assert torch.equal(text.digest(found.text(96)), wanted["context.encoder"])
        assert found.tokenizer == place / "tokenizer"


def test_the_control_branch_starts_as_the_release_starts_it(started) -> None:  # noqa: ANN001
    """§3.2: the encoder's copy in memory of its own; zero convolutions zero; DHI drawn, its last convolution zero."""
    state = started.state_dict()
    for name, value in state.items():
        if name.startswith("control.controlnet_"):
            assert value.abs().max() == 0
        elif name.startswith("control."):
            twin = state["unet." + name.removeprefix("control.")]
            assert torch.equal(value, twin) and value.data_ptr() != twin.data_ptr()
    assert state["dhi.conv_out.weight"].abs().max() == 0 and state["dhi.layer5.conv1.weight"].std() > 0
    assert not [n for n, v in (*started.named_parameters(), *started.named_buffers()) if v.is_meta]


def test_latents_are_scaled_and_sampled(started) -> None:  # noqa: ANN001
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    mean, logvar = started.autoencoder.posterior(x)
    assert torch.allclose(started.autoencoder.encode(x), mean * 0.18215, rtol=1e-5)
    eps = torch.randn_like(mean)
    wanted = (mean + torch.exp(logvar / 2) * eps) * 0.18215
    assert torch.allclose(started.autoencoder.encode(x, eps), wanted, rtol=1e-4, atol=1e-6)


def test_context_is_the_prompt_and_nothing_else(started) -> None:  # noqa: ANN001
    encoder = text_encoder()
    wanted = text.embed(["A photo of a polyp.", ""], encoder, Path(started.recipe.base) / "tokenizer")
    found = started.sampling_context(torch.tensor([0, 1, 0]))
    assert found.shape == (3, 77, 96)
    assert torch.equal(found, wanted[[0, 1, 0]])
    loud = started.context(torch.tensor([0]), torch.ones(1, 10), torch.ones(1, 2))
    assert torch.equal(loud, wanted[:1])


def test_the_losses_train_what_the_paper_trains(folder: Path) -> None:
    model = sd15.start(small(f"base={str(folder)!r}"))
    names = set(sd15.trained_names(model.recipe))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)
    with torch.no_grad():  # zero convolutions would let nothing through at the first step
        for parameter in (
            *model.control.controlnet_down_blocks.parameters(),
            *model.dhi.conv_out.parameters(),
        ):
            parameter.add_(0.1)
    g = torch.Generator().manual_seed(2)
    z, eps = torch.randn((2, 4, 8, 8), generator=g), torch.randn((2, 4, 8, 8), generator=g)
    context = model.sampling_context(torch.tensor([0, 1]))
    case = NoisySample(z, eps, torch.tensor([50, 700]), torch.zeros(2, 2, 8, 8), context)
    hints = torch.rand((2, 2, 3, 64, 64), generator=g)
    losses = siamese_losses(model, case, hints[0], hints[1], torch.ones(2), 0.5)
    assert set(losses) == {"L_m", "L_i", "L_c", "L_m'"}
    sum(losses.values()).backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert moved <= names
    assert {n.split(".")[0] for n in moved} == {"control", "dhi", "unet"}
    assert {n for n in names if n.startswith("unet.")} <= moved


def test_a_checkpoint_paints_without_its_base(started, tmp_path: Path) -> None:  # noqa: ANN001
    """Saved, loaded and sampled as any other; the base may be gone, the scale of the latents keeps its bits."""
    place = tmp_path / "point"
    model = checkpoint.assemble(
        started.recipe.model_copy(update={"base": str(tmp_path / "gone")}), dict(started.state_dict()), "here"
    )
    checkpoint.save(model, place, {}, stage="siamese", step=1)
    loaded = checkpoint.load(place, dtype=torch.bfloat16)
    assert loaded.model.dtype == torch.bfloat16
    assert torch.equal(loaded.model.autoencoder.z_sd, started.autoencoder.z_sd)
    loaded = checkpoint.load(place)
    before = started.state_dict()
    assert all(torch.equal(v, before[n]) for n, v in loaded.model.state_dict().items())
    labels = np.zeros((64, 64), np.uint8)
    labels[20:40, 20:40] = 1
    request = sample.SampleRequest(seeds=(1, 2), steps=2, sampler="ddim")
    pictures = [e for e in sample.sample(loaded, Mask(labels), request) if isinstance(e, sample.SampleResult)]
    assert [p.image.shape for p in pictures] == [(64, 64, 3)] * 2
    assert not np.array_equal(pictures[0].image, pictures[1].image)
    assert pictures[0].facts["guidance"] == 9


def test_start_says_what_is_missing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--set base=PATH"):
        sd15.start(small().model_copy(update={"base": None}))
    with pytest.raises(RecipeError, match="styles"):
        sd15.start(small("styles=[]", f"base={str(folder)!r}"))
    with pytest.raises(CheckpointError, match="python -m siamese fetch stable-diffusion-v1-5"):
        sd15.start(small(f"base={str(tmp_path / 'nowhere')!r}"))
    wide = small(f"base={str(folder)!r}", "denoiser.widths=[48, 80, 160, 160]")
    with pytest.raises(CheckpointError, match=r"\d+ tensors of another shape \(unet.+ instead of .+ more\)"):
        sd15.start(wide)


def test_a_base_with_a_part_missing(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "base", small())
    vae = root / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(vae)
    del tensors["quant_conv.weight"]
    save_file(tensors, vae)
    with pytest.raises(CheckpointError, match=r"1 tensor missing \(autoencoder.kl.quant_conv.weight\)"):
        base.Base(root, small())
    vae.unlink()
    with pytest.raises(CheckpointError, match="no vae/diffusion_pytorch_model.safetensors.+siamese fetch"):
        base.Base(root, small())


def test_a_file_without_text_encoder_or_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    save_file(sd15_parts(small()), path)
    bare = base.Base(path, small())
    with pytest.raises(CheckpointError, match="no text encoder that fits"):
        bare.text(96)
    with pytest.raises(CheckpointError, match="vocab.json and merges.txt; copy them"):
        _ = bare.tokenizer
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="holds no Stable Diffusion 1.5"):
        base.Base(path, small())


class _Hub(BaseHTTPRequestHandler):
    """What `snapshot_download` asks of a hub: the list of files, then each of them."""

    files: dict[str, bytes] = {}
    asked: list[str] = []

    def do_GET(self) -> None:  # noqa: N802
        commit = "1" * 40
        self.asked.append(self.path)
        if self.path.startswith("/api/models/owner/model"):
            siblings = [{"rfilename": n, "size": len(v)} for n, v in self.files.items()]
            tree = [{"type": "file", "path": n, "size": len(v), "oid": "0"} for n, v in self.files.items()]
            answer = (
                tree if "/tree/" in self.path else {"id": "owner/model", "sha": commit, "siblings": siblings}
            )
            self._answer(200, json.dumps(answer).encode())
        elif self.path.startswith("/owner/model/resolve/") and self.path.split("/", 5)[5] in self.files:
            data = self.files[self.path.split("/", 5)[5]]
            self._answer(200, data, {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(data).hexdigest()}"'})
        else:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, data: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(data)),
            "Content-Type": "application/json",
            **(more or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *words: object) -> None:
        """Silent."""


@pytest.fixture
def hub(folder: Path) -> Iterator[tuple[str, type[_Hub]]]:
    """A hub on this machine that has the small base, an unwanted pickle beside it."""
    _Hub.files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    _Hub.files["unet/diffusion_pytorch_model.bin"] = b"\x80 pickle"
    _Hub.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", _Hub
    server.shutdown()
    thread.join()
    server.server_close()


def run(*words: str, cache: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own with a hub cache of its own."""
    env = {**os.environ, "HF_HOME": str(cache), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1"}
    env = {k: v for k, v in env.items() if k not in ("HF_HUB_OFFLINE", "HF_HUB_CACHE")}
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


NOTHING_LISTENS = "http://127.0.0.1:9"
WATCHED = """
import sys
tried = []
NETWORK = ("socket.connect", "socket.getaddrinfo")
sys.addaudithook(lambda event, args: tried.append((event, args)) if event in NETWORK else None)
from siamese import hub
from siamese.errors import CheckpointError
try:
    hub.find_base("owner/model")
    from siamese.diffusion import sd15
    from tests.diffusion.sd15_files import small
    print(tuple(sd15.start(small('base="owner/model"')).context.table.shape))
except CheckpointError as error:
    print(error)
print(tried)
"""


def test_fetch_is_the_only_thing_that_downloads(hub: tuple[str, type[_Hub]], tmp_path: Path) -> None:
    """A name that was not fetched is an error without a single connection; once fetched it is found without one."""
    endpoint, server = hub
    cache = tmp_path / "cache"
    before = run("-c", WATCHED, cache=cache, endpoint=endpoint)
    assert before.stdout.splitlines() == [
        "owner/model is neither a path here nor in the local cache; get it once with: "
        "python -m siamese fetch owner/model",
        "[]",
    ], before.stderr
    assert server.asked == []
    fetched = run("-m", "siamese", "fetch", "owner/model", cache=cache, endpoint=endpoint)
    assert fetched.returncode == 0, fetched.stderr
    assert "OpenRAIL" in fetched.stdout
    place = Path(fetched.stdout.splitlines()[-1])
    assert (place / "unet" / "diffusion_pytorch_model.safetensors").is_file()
    assert not list(place.rglob("*.bin"))
    asked = len(server.asked)
    after = run("-c", WATCHED, cache=cache, endpoint=endpoint)
    assert after.stdout.splitlines() == ["(2, 77, 96)", "[]"], after.stderr
    assert len(server.asked) == asked


def test_fetch_without_a_connection_is_one_sentence(tmp_path: Path) -> None:
    done = run("-m", "siamese", "fetch", "owner/model", cache=tmp_path, endpoint=NOTHING_LISTENS)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("owner/model could not be fetched") and "check the connection" in last


def test_fetch_of_a_name_that_is_none(hub: tuple[str, type[_Hub]], tmp_path: Path) -> None:
    done = run("-m", "siamese", "fetch", "owner/other", cache=tmp_path, endpoint=hub[0])
    assert done.returncode == 2 and "The hub has no owner/other" in done.stderr
    with pytest.raises(CheckpointError, match="owner/model"):
        machine_hub.fetch("../outside")
