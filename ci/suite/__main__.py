"""python3 -m ci.suite: all the tests, in the order of these imports."""

import sys

from . import source, clients, cuda_runtime, samples, behaviour, robustness, broken_links, security, confinement, commands, shares, etcd, pool, restart, spares, rdma, perf, why, servers, paths, configuration, packages, demo, suites, numba_suite, tinygrad_suite, pool_api, testbed  # noqa: F401  (importing registers the tests)
from .runner import main

sys.exit(main())
