"""When: one line per job. What a tick is, and that it happens once, is ``engine.daemon``'s.

Run one or more of these: ``python scheduler.py``.
"""

import sys
from datetime import timedelta

from engine.daemon import Job, every, run

JOBS = (
    Job("scan-scheduled-posts", every(60), "scan_scheduled_posts", timedelta(seconds=60)),
    Job("sync-comments", every(300), "sync_comments", timedelta(seconds=300)),
    Job("collect-analytics", every(3600), "collect_analytics", timedelta(seconds=3600)),
    Job("refresh-expiring-tokens", every(3600), "refresh_expiring_tokens", timedelta(seconds=3600)),
)

if __name__ == "__main__":
    sys.exit(run(JOBS))
