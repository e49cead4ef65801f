"""One dial, files that override it, and mistakes that are named."""

from __future__ import annotations

import pytest

from curator.errors import RecipeError
from curator.identity import fingerprint, settings_of
from curator.train.proxy import PROXIES, find_proxy, proxy_from, proxy_of_depth


def write(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


def test_the_dial_sets_the_size():
    blocks = [proxy_of_depth(depth).shape(4096).block_parameters for depth in (2, 4, 8)]

    # 12 layers x width^2, and the gates of values: 12 inputs a head.
    assert blocks == [98_304 + 24, 786_432 + 96, 6_291_456 + 384]


def test_every_file_in_configs_loads_and_plain_ones_equal_the_dial():
    names = sorted(path.stem for path in PROXIES.glob("*.yaml"))

    assert {"demo", "d2", "d4"} <= set(names)
    for name in names:
        proxy = find_proxy(name)
        assert proxy.name == name
        if name.startswith("d") and name[1:].isdigit():
            assert proxy == proxy_of_depth(int(name[1:]))


def test_a_depth_without_a_file_still_works():
    assert find_proxy("d5") == proxy_of_depth(5)


def test_a_file_overrides_single_settings(tmp_path):
    path = write(tmp_path, "depth: 2\nwidth: 96\nheads: 3\nrates: {matrix: 1e-2}\narch: llama\n")

    proxy = find_proxy(path)

    assert (proxy.width, proxy.arch, proxy.rates.matrix) == (96, "llama", 0.01)
    assert proxy.rates.head == proxy_of_depth(2).rates.head


def test_a_name_is_not_identity_and_a_setting_is(tmp_path):
    named = find_proxy(write(tmp_path, "depth: 2\n"))
    changed = find_proxy(write(tmp_path, "depth: 2\nschedule: {kind: cosine}\n"))

    assert fingerprint(named) == fingerprint(proxy_of_depth(2))
    assert fingerprint(changed) != fingerprint(named)


def test_settings_make_the_proxy_again():
    proxy = proxy_of_depth(3)

    assert fingerprint(proxy_from(settings_of(proxy))) == fingerprint(proxy)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width: 64\n", "depth: N"),
        ("- 1\n", "depth: N"),
        ("depth: 2\nwitdh: 64\n", "did you mean 'width'"),
        ("depth: 2\nrates: {hed: 1}\n", "did you mean 'head'"),
        ("depth: 2\nwidth: wide\n", "wanted int"),
        ("depth: 2\nrates: fast\n", "wanted a mapping"),
        ("depth: 2\ndocument_mask: 1\n", "wanted bool"),
        ("depth: 2\nname: mine\n", "file's name"),
        ("depth: 2\nbatch_tokens: 1000\n", "not a multiple"),
        ("depth: 2\nprecision: fp8\n", "'bf16' or 'fp32'"),
        ("depth: 2\ndropout: 1.0\n", "share from 0"),
        ("depth: 2\nz_loss: -1\n", "1e-4, or 0"),
        ("depth: 99\n", "choose 1 to 64"),
        ("depth: [\n", "not YAML"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path, text, message):
    with pytest.raises(RecipeError, match=message):
        find_proxy(write(tmp_path, text))


@pytest.mark.parametrize("name", ["dmeo", "../secret", "d0", "nowhere.yaml"])
def test_an_unknown_proxy_is_refused(name):
    with pytest.raises(RecipeError):
        find_proxy(name)
