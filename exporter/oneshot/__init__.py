"""Looking once, so that a one-shot command never hangs.

The disk is asked by child processes only, one for each root (`child.py`), because a process that
waits for a dead mount cannot be ended, not even by SIGKILL. The command itself waits for them with a
time limit (`runs.py`) and goes on without one that hangs. What hangs keeps its lock (`locks.py`), so
that no later command starts a second process for that root. `looks.py` is what commands use.
"""
