import gc
import sys

import lightning
import pytest

from leyden.core.start.loading import keep_imported, load_torch, no_collections


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
    gc.unfreeze()


def test_what_is_imported_is_kept_out_of_collections() -> None:
    here = [[] for _ in range(10)]
    keep_imported()
    try:
        known = {id(thing) for thing in gc.get_objects()}
        assert gc.get_freeze_count() > len(here)
        assert not known & {id(thing) for thing in here}
    finally:
        gc.unfreeze()


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
