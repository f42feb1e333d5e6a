"""Floor 10: run the command line. Only this floor prints.

The command line owns its process, so it may set how idle OpenMP threads wait. By default they
spin. On a busy machine they then slow down the thread that they wait for: training was measured
several times slower. Torch reads the policy when it is loaded, so it is set before that.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
