"""The tests that scripts/test runs: runner.py runs them, the other files hold them by subject."""
