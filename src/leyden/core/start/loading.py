"""When torch and Lightning are imported: as late as a verb can, in one place, and with a word to who waits for it.

Importing both takes seconds. What can be found without them, such as a mistyped option or a folder that is not there,
is looked for first.
"""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def load_torch() -> None:
    """Imports Lightning, and with it torch, torchvision and torchmetrics; a terminal is told so. Once in a process."""
    if "lightning" in sys.modules:
        return
    if sys.stderr.isatty():
        print("loading PyTorch and Lightning ...", file=sys.stderr, flush=True)
    with no_collections():
        import lightning  # noqa: F401
    keep_imported()


@contextmanager
def no_collections() -> Iterator[None]:
    """Python's search for unreachable cycles rests: modules make many objects and no garbage.

    It takes about a quarter of the CPU in which Python imports Lightning: ``python -c "import gc; gc.disable(); import
    lightning"`` against the same without the first two.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def keep_imported() -> None:
    """What there is lives as long as the process: Python's search for unreachable cycles no longer looks at it.

    It would go three times through what Lightning brings before a run has made its first step, each 0.6 s of CPU.
    """
    gc.freeze()
    atexit.register(gc.unfreeze)  # else the bindings of Triton report all that they have as leaks
