"""Runs a command that ends when its parent does: ``tether.py SIGNAL USER COMMAND…``.

A supervisor that is killed with -9 cannot stop what it started; the kernel can, by
``PR_SET_PDEATHSIG``, which survives ``exec``. Where the kernel has no such call, the command runs
untethered. USER is the system user to become, or ``-``: PostgreSQL refuses root, and a change of
user clears the signal, so both happen here, in this order.

Started as a bare script with ``python -I -S``: it costs about 15 ms and imports nothing of ours.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Become the user, set the signal, then become the command."""
    signal_name, user_name, *command = sys.argv[1:]
    if user_name != "-":
        user = pwd.getpwnam(user_name)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.Signals[signal_name])
        if os.getppid() == 1:  # the parent was gone before the signal was set
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command is the caller's own


if __name__ == "__main__":
    main()
