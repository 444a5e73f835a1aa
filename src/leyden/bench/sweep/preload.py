"""Imported only by the server that forks a sweep's jobs (``leyden.bench.sweep.local``), as the first of its modules.

It stays a single thread, which is what may be forked, and signals do not reach it: who ends jobs is the sweep.
"""

import os
import signal

os.environ["OMP_NUM_THREADS"] = "1"  # libraries that make their threads when they are imported make none
for _number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_number, signal.SIG_IGN)

from leyden.core.start.loading import keep_imported, no_collections  # noqa: E402

with no_collections():
    import leyden.bench.run.run
    import leyden.bench.run.summary  # noqa: F401
keep_imported()
