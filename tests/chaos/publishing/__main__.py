"""The crash matrix of publishing: ``python -m tests.chaos.publishing``, or ``make chaos``."""

import argparse
import asyncio
import json
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.publishing.accounting import Tally, percentile
from tests.chaos.publishing.kinds import KINDS
from tests.chaos.publishing.run import Outcome, Run, Shape, Waits, say

SHORT_KILLS = 60
LONG = """
Publishes for real, into a sandbox, with workers that are killed with -9 while they do it, and then
asks the sandbox's truth whether every intent became one post. Nothing is taken from our own word.

Workers are killed at thirteen named points (before and after the claim's commit, when the platform
has prepared the post and our row does not know, after that, at staging, before and after the commit
that announces the call, after the request left, after the answer, before and after the commit of
the result, after a doubt was looked into, before a message is acknowledged), spread evenly over
all kinds of posts. Between the kills: workers frozen beyond their lease, stopped in mid-call, with
clocks that are off or jump; Valkey and PostgreSQL killed and started again, connections cut; two
schedulers, killed too; contents withdrawn at their due second. The platform answers late, carries
requests out late, closes before or after it has carried them out, answers 500, 502 or 403 to what
it has done, and now and then does a thing twice.

Progress and evidence go to stderr. The last line on stdout is JSON:
  kills, intents      worker processes killed with -9; contents × accounts
  live                intents that the public can see
  duplicates          intents of which more than one of our requests became visible (must be 0)
  platform_doubled    intents that the platform itself made twice of one request
  lost                neither live, failed with a reason, withdrawn, nor with a person; or our row
                      and the truth disagree (must be 0)
  in_doubt_resolved   intents that were in doubt, and were decided by reading
  needs_person        intents left to a person
  time_scale          factor of doubts, time-outs and retries against production (leases: never
                      under 2.5 s)
  recovery_s          at production settings, from a kill until the post in hand is live and its row
                      says so; until_live leaves out the second. A post killed after its request
                      left is mostly live at once, and known to be after the lease (10 s); one whose
                      request never left waits for the doubt (60 s).
The exit code is 1 when duplicates or lost is not 0, or when something never came to an end.

examples:
  make chaos                   200 kills, and 20 at production settings (about 4 minutes)
  make chaos N=1000 SEED=7     the long form
  python -m tests.chaos.publishing --kills 40 --recovery-kills 0
"""


def main() -> int:
    """Run, print, judge."""
    given = _parser().parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    is_short = given.kills <= SHORT_KILLS
    scale = given.time_scale or (0.02 if is_short else 0.04)
    given.in_flight = given.in_flight or (60 if is_short else 200)
    say(f"seed {seed}, time scale {scale}")
    folder = Path(tempfile.mkdtemp(prefix="sns-chaos-", dir="/tmp"))
    folder.chmod(0o755)
    began = time.monotonic()
    try:
        chaos, calm = asyncio.run(_run_both(given, seed, scale, folder))
    except KeyboardInterrupt:
        say(f"stopped; what it wrote is in {folder}")
        return 130
    except TimeoutError as error:
        say(f"{error}; what the processes wrote is in {folder}")
        return 1
    total, is_settled = Tally(), True
    for outcome in (chaos, calm):
        if outcome is not None:
            total.add(outcome.tally)
            is_settled = is_settled and outcome.is_settled
    recovered = [] if calm is None else calm.recovery_s
    figures = {
        "kills": chaos.kills + (calm.kills if calm else 0),
        "intents": total.intents,
        "live": total.live,
        "duplicates": total.duplicates,
        "platform_doubled": total.platform_doubled,
        "lost": total.lost,
        "in_doubt_resolved": total.in_doubt_resolved,
        "needs_person": total.needs_person,
        "failed": total.failed,
        "cancelled": total.cancelled,
        "time_scale": scale,
        "recovery_s": {
            "p50": percentile([known for _, known in recovered], 50),
            "p99": percentile([known for _, known in recovered], 99),
            "kills": len(recovered),
            "until_live": {
                "p50": percentile([live for live, _ in recovered], 50),
                "p99": percentile([live for live, _ in recovered], 99),
            },
        },
        "seed": seed,
        "seconds": round(time.monotonic() - began),
    }
    is_good = total.duplicates == 0 and total.lost == 0 and is_settled
    if is_good and not given.keep and not total.complaints:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        say(f"what the processes wrote is in {folder}")
    sys.stdout.write(json.dumps(figures, separators=(",", ":")) + "\n")
    return 0 if is_good else 1


async def _run_both(
    given: argparse.Namespace, seed: int, scale: float, folder: Path
) -> tuple[Outcome, Outcome | None]:
    def place(name: str) -> Path:
        here = folder / name
        here.mkdir(mode=0o755)
        return here

    kinds = [kind for kind in KINDS if kind.fits(given.only)]
    chaos = Run(
        Shape(
            name="scaled",
            kills=given.kills,
            waits=Waits().scaled(scale),
            workers=given.workers,
            in_flight=given.in_flight,
            lead_s=(0.1, 2.0),
            with_mishaps=True,
            republish=given.republish,
            is_forked=True,
            outbox_overdue_s=3.0,
            beat_s=0.4,
            give_up_s=(60.0 + given.kills * 3.0, 60.0 + 1500 * scale),
        ),
        kinds,
        seed,
        place("scaled"),
    )
    if not given.recovery_kills:
        return await chaos.run(), None
    calm = Run(
        Shape(
            name="production",
            kills=given.recovery_kills,
            waits=Waits(),
            workers=3,
            in_flight=3 * given.recovery_kills,
            lead_s=(2.0, 6.0),
            with_mishaps=False,
            is_forked=False,  # the command itself, as in production
            new_account_each=True,
            give_up_s=(120.0 + given.recovery_kills * 15.0, 300.0),
        ),
        kinds,
        seed,
        place("production"),
    )
    try:
        async with asyncio.TaskGroup() as both:
            chaos_run, calm_run = (both.create_task(run.run()) for run in (chaos, calm))
    except BaseExceptionGroup as errors:  # the first one has ended the other run
        raise errors.exceptions[0] from None
    return chaos_run.result(), calm_run.result()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.publishing",
        description=(__doc__ or "").split("\n", maxsplit=1)[0],
        epilog=LONG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=200, help="at least so many (default: 200)")
    parser.add_argument(
        "--recovery-kills",
        type=int,
        default=20,
        help="more of them at production settings, which gives recovery_s (default: 20)",
    )
    parser.add_argument("--seed", type=int, help="chooses everything; printed when left out")
    parser.add_argument("--workers", type=int, default=5, help="at once (default: 5)")
    parser.add_argument(
        "--in-flight", type=int, help="open intents (default: 60 up to 60 kills, then 200)"
    )
    parser.add_argument("--time-scale", type=float, help="default: 0.02 up to 60 kills, then 0.04")
    parser.add_argument(
        "--only", metavar="WORD", help="a platform or kind, such as threads or youtube/short"
    )
    parser.add_argument(
        "--republish",
        choices=("error", "same", "double"),
        default="error",
        help="what the platform makes of a second publish of one container (default: error)",
    )
    parser.add_argument("--keep", action="store_true", help="keep logs and databases")
    return parser


if __name__ == "__main__":
    sys.exit(main())
