"""hardlink-exporter: tells how many more layers fit on each Docker image before hard links run out.

The floors, from the top; a module imports only from floors below its own:

    5 program   cli  commands/
    4 daemon    daemon/  oneshot/   web/   demo/
    3 the pass  looking/            2 out-edge  telling/   rules/   (config  alerting  yamlfile  logs)
    1 in-edge   disk/  with disk/drivers/
    0 thinking  thinking/  on the nouns of  model  and the words of  text  durations  errors  processes

Each root has a worker process of its own (`daemon/worker.py`), which imports nothing of the
web: the daemon hears its frozen reports through a pipe, and pages and metrics are made of
these alone, never of the disk. A one-shot command looks at roots in the same way (`oneshot/`), with a
time limit.

`demo/planted.py` makes roots as the engine does, for the demo and for tests.
"""
