"""Floor 8: the command line. The only floor that prints.

It owns its process, so it may decide how idle threads of OpenMP wait. By default they spin, and
on a busy machine they take the processor from the very thread that they wait for: training was
measured several times slower. The policy is read when torch is loaded, so it is set before that.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
