"""A virtual machine with RDMA devices in software (Soft-RoCE): `fetch` gets it, `machine` boots it and runs programs in it.

Needs nothing of the host but Python, apt and dpkg: no RDMA, no KVM, no root.
"""

from .fetch import KERNELS, VmError, bundle  # noqa: F401
from .machine import Job, Machine  # noqa: F401
