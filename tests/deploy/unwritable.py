"""Runs a module as control's unit does: memory once written is never executed (prctl(2), PR_SET_MDWE)."""

import ctypes
import os
import sys

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1

if __name__ == "__main__":
    # A kernel older than 6.3 does not know it, and runs the module without.
    ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
    os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])
