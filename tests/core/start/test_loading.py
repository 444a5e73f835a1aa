import gc
import sys

import lightning
import pytest

from leyden.core.start.loading import load_torch, no_collections


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_terminal_is_told(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    load_torch()
    assert capsys.readouterr().err == "", "it is there already"
    monkeypatch.delitem(sys.modules, lightning.__name__)
    load_torch()
    assert capsys.readouterr().err == "loading PyTorch and Lightning ...\n" * terminal


@no_collections()
def fail() -> None:
    assert not gc.isenabled()
    raise ValueError("inside")


def test_collections_go_on_afterwards() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="inside"):
        fail()
    assert gc.isenabled()
    gc.disable()
    try:
        with no_collections():
            pass
        assert not gc.isenabled(), "who had switched them off still has"
    finally:
        gc.enable()
