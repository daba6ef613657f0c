"""A cluster on one machine: pool nodes, servers and clients in network namespaces, users who come and go, and what goes wrong meanwhile.

`network.py` makes the namespaces, `cluster.py` what runs in them, `users.py` the programs that come, `chaos.py` what befalls them,
`judge.py` says whether each program ended as its own fate explains, `accounts.py` whether the history adds up and nothing is left.
`ci/suite/testbed.py` has the tests.
"""
