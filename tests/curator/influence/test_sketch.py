from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from curator.errors import RecipeError
from curator.identity import fingerprint
from curator.influence.adam_step import adam_step
from curator.influence.captured import document_gradients
from curator.influence.projection import projection_from
from curator.influence.sketch import Reader, Sketch
from curator.schema import vector_matrix
from curator.stage import Site
from curator.testing import documents, example_texts
from curator.train.checkpoint import load_model
from curator.train.tokenizer import encode, load_tokenizer
from tests.support.trained import trained_run

TEXTS = [*example_texts("raw", 20), "Short.", "a much longer text than one context " * 20]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_run(TEXTS, tmp_path_factory.mktemp("run"))


def sketched(stage: Sketch, texts: list[str]) -> pa.Table:
    return stage.process(stage.load(Site()), documents(texts))


def gradients(run: Path, texts: list[str], longest: int = 96) -> np.ndarray:
    """Each document's gradient of all block matrices, alone and unpadded."""
    model, tokenizer = load_model(run), load_tokenizer(run / "tokenizer.json")
    rows = []
    for text in texts:
        _, ids = encode(tokenizer, pa.array([text], pa.large_string()))
        ids = torch.from_numpy(ids.astype(np.int64))[None]
        count = min(ids.shape[1] - 1, longest)
        length = count if count <= 32 else -(-count // 32) * 32
        ids = torch.nn.functional.pad(ids, (0, length))
        spoken = document_gradients(
            model, ids[:, :length], ids[:, 1 : length + 1], torch.tensor([count])
        )
        rows.append(torch.cat([each.flatten() for _, each in spoken.gradients]).numpy())
    return np.array(rows, np.float64)


def test_inner_products_of_sketches_are_those_of_gradients(run: Path):
    exact = gradients(run, TEXTS)
    norms = np.linalg.norm(exact, axis=1)
    scale = np.outer(norms, norms)
    errors = []
    for seed in range(8):
        sketch = Sketch(str(run), dimensions=256, seed=seed, max_tokens=96)
        rows = vector_matrix(sketched(sketch, TEXTS)["gradient"]).astype(np.float64)
        errors.append(((rows @ rows.T - exact @ exact.T) / scale)[np.triu_indices(len(TEXTS), 1)])

    # sd of one: at most sqrt((1 + cos^2) / k), 0.06 to 0.09; the mean over seeds has a third of it.
    assert np.sqrt(np.mean(np.square(errors))) < 0.09
    assert abs(np.mean(errors)) < 0.03


def test_the_norm_is_the_gradients_own(run: Path):
    found = sketched(Sketch(str(run), max_tokens=96), TEXTS)["gradient_norm"].to_numpy()

    expected = np.linalg.norm(gradients(run, TEXTS), axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)  # float32, other shapes


def test_a_document_has_the_same_sketch_alone_and_in_any_company(run: Path):
    stage = Sketch(str(run), dimensions=64, max_tokens=96)

    together = sketched(stage, TEXTS)
    backward = sketched(stage, TEXTS[::-1])
    alone = [sketched(stage, [text]) for text in TEXTS]

    assert backward.take(np.arange(len(TEXTS))[::-1]).equals(together)
    assert pa.concat_tables(alone).combine_chunks().equals(together.combine_chunks())


def test_only_the_beginning_is_read(run: Path):
    stage = Sketch(str(run), dimensions=64, max_tokens=8)

    whole, cut = sketched(stage, [TEXTS[0], TEXTS[0][:60]])["gradient"].to_pylist()

    assert whole == cut


def test_a_text_without_tokens_has_no_gradient(run: Path):
    found = sketched(Sketch(str(run), dimensions=64), ["", TEXTS[0]])

    assert found["gradient"].is_valid().to_pylist() == [False, True]
    assert found["gradient_norm"].is_valid().to_pylist() == [False, True]
    assert sketched(Sketch(str(run)), []).num_rows == 0


def test_columns_say_which_projection_they_are_of(run: Path):
    stage = Sketch(str(run), dimensions=64, seed=5, layers=("head", "blocks"), column="other")
    found = sketched(stage, TEXTS[:2])

    assert found.column_names == ["other", "other_norm"]
    noted = found.schema.field("other").metadata[b"sketch"].decode()
    assert projection_from(noted) == stage.projection
    assert stage.projection == replace(stage, layers=("blocks", "head")).projection


def test_the_margin_has_the_probability_beside_it(run: Path):
    found = sketched(Sketch(str(run), dimensions=64, output="margin"), TEXTS)

    assert found.column_names == ["gradient", "gradient_norm", "gradient_probability"]
    assert all(0 < p < 1 for p in found["gradient_probability"].to_pylist())


@pytest.mark.parametrize("compat", ["", "paper_repo"])
def test_the_step_of_adam_is_what_torch_would_take(compat: str):
    random = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4, 5, generator=random))
    optimizer = torch.optim.AdamW([weight], lr=1.0, betas=(0.8, 0.95), eps=1e-10, weight_decay=0)
    for _ in range(3):
        weight.grad = torch.randn(4, 5, generator=random)
        optimizer.step()
    kept = optimizer.state[weight]
    first, second = kept["exp_avg"].clone(), kept["exp_avg_sq"].clone()
    state = SimpleNamespace(first={"w": first}, second={"w": second}, step=3)
    gradient, before = torch.randn(4, 5, generator=random), weight.detach().clone()

    found = adam_step(gradient[None].clone(), state, "w", compat=compat)[0]

    weight.grad = gradient
    optimizer.step()
    expected = before - weight.detach()
    if compat:  # as the release: no bias correction, 1e-8 under the root
        g = gradient
        expected = (0.8 * first + 0.2 * g) / torch.sqrt(0.95 * second + 0.05 * g * g + 1e-8)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_the_release_differs_by_its_missing_bias_correction():
    gradient = torch.tensor([[0.5, -2.0]])
    zero = {"w": torch.zeros(2)}
    state = SimpleNamespace(first=zero, second=zero, step=0)

    right = adam_step(gradient.clone(), state, "w")
    paper = adam_step(gradient.clone(), state, "w", compat="paper_repo")

    assert right[0].tolist() == pytest.approx([1, -1])
    assert paper[0].tolist() == pytest.approx([0.2 / 0.05**0.5, -0.2 / 0.05**0.5], rel=1e-5)


def test_a_sketch_of_adams_step_needs_the_state(run: Path, tmp_path: Path):
    bare = tmp_path / "bare"
    shutil.copytree(run, bare)
    (bare / "trunk.safetensors").unlink()

    with pytest.raises(RecipeError, match="state: true"):
        sketched(Sketch(str(bare), precondition="adam"), TEXTS)


def test_adams_step_is_projected_after_it_is_whole(run: Path):
    stage = Sketch(str(run), dimensions=4096, precondition="adam", max_tokens=32)
    found = sketched(stage, TEXTS[:6])
    reader = stage.load(Site())

    plain = Reader(reader.model, reader.tokenizer, None, {})
    whole = []
    for text in TEXTS[:6]:
        _, ids = encode(plain.tokenizer, pa.array([text], pa.large_string()))
        ids = torch.from_numpy(ids[:33].astype(np.int64))[None]
        spoken = document_gradients(
            plain.model, ids[:, :-1], ids[:, 1:], torch.tensor([ids.shape[1] - 1])
        )
        steps = [adam_step(g, reader.state, name).flatten() for name, g in spoken.gradients]
        whole.append(torch.cat(steps).numpy())
    whole = np.array(whole, np.float64)
    norms = np.linalg.norm(whole, axis=1)

    np.testing.assert_allclose(found["gradient_norm"].to_numpy(), norms, rtol=1e-3)
    rows = vector_matrix(found["gradient"]).astype(np.float64)
    cosines = (rows @ rows.T) / np.outer(norms, norms)
    np.testing.assert_allclose(cosines, whole @ whole.T / np.outer(norms, norms), atol=0.08)


def test_numbers_that_half_precision_cannot_hold_are_refused(run: Path):
    stage = Sketch(str(run), dimensions=64)
    reader = stage.load(Site())
    with torch.no_grad():
        reader.model.blocks[1].mlp.up.weight.mul_(1e4)  # squared: what `down` reads is huge,
        reader.model.blocks[1].mlp.down.weight.zero_()  # and the stream stays as it was

    with pytest.raises(RecipeError, match=r"float16 ends at 65504"):
        stage.process(reader, documents(TEXTS))


def test_documents_without_gradient_are_refused(run: Path):
    stage = Sketch(str(run), dimensions=64)
    reader = stage.load(Site())
    with torch.no_grad():
        reader.model.head.weight.zero_()

    with pytest.raises(RecipeError, match="22 of 22 documents have a gradient of zero"):
        stage.process(reader, documents(TEXTS))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": ""}, "model is missing"),
        ({"dimensions": 0}, "wanted 1 or more"),
        ({"max_tokens": 0}, "wanted 1 or more"),
        ({"layers": ()}, "wanted one or more"),
        ({"layers": ("heads",)}, "wanted one or more of"),
        ({"precondition": "sgd"}, "precondition is 'sgd'"),
        ({"output": "logits"}, "output is 'logits'"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        Sketch(**{"model": "x", **settings})


def test_where_a_model_lies_is_not_identity_but_what_it_is(run: Path, tmp_path: Path):
    shutil.copytree(run, tmp_path / "moved")
    one, moved = Sketch(str(run)), Sketch(str(tmp_path / "moved"))
    other = Sketch(str(trained_run(TEXTS, tmp_path / "other", steps=2)))

    assert fingerprint(moved.identity()) == fingerprint(one.identity())
    assert fingerprint(other.identity()) != fingerprint(one.identity())


@pytest.mark.gpu
def test_a_gpu_sketches_as_a_cpu_does(run: Path):
    stage = Sketch(str(run), dimensions=64, max_tokens=96)

    there = stage.process(stage.load(Site(device="cuda")), documents(TEXTS))

    rows = [vector_matrix(each["gradient"]) for each in (there, sketched(stage, TEXTS))]
    # Half precision, and sums in another order.
    np.testing.assert_allclose(*rows, rtol=5e-3, atol=2e-3 * np.abs(rows[1]).max())
