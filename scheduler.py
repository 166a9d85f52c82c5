"""When: one line per job. What a tick is, and that it happens once, is ``engine.daemon``'s.

Run one or more of these: ``python scheduler.py``.
"""

import sys
from datetime import timedelta

from engine.daemon import Job, every, run

JOBS = (
    Job("scan-scheduled-posts", every(60), "scan_scheduled_posts", timedelta(seconds=60)),
    Job("sync-comments", every(300), "sync_comments", timedelta(seconds=300)),
)

if __name__ == "__main__":
    sys.exit(run(JOBS))
