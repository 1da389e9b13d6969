"""hardlink-exporter: tells how many more layers fit on each Docker image before hard links run out.

The floors, from the top; a module imports only from floors below its own:

    3 program   cli  commands/  daemon  monitor  web  page  growth
    2 the pass  scan  live  settle  count
    1 edges     in:  walk  mounts  limits  images  drivers/  roots  config
                out: catalogue  metrics  report  table  logs
    0 thinking  findings  headroom  kin  chains  kinds  tree  text  model

`planted` makes roots as the engine does, for the demo and for tests.
"""
