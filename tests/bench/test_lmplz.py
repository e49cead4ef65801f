from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.lmplz import lmplz


def test_without_a_compiler_it_is_said_what_lmplz_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(shutil, "which", lambda _: None)

    assert lmplz(tmp_path) is None
    assert "it needs cmake, a C++ compiler and Boost" in capsys.readouterr().err
