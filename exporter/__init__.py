"""hardlink-exporter: tells how many more layers fit on each Docker image before hard links run out.

The floors, from the top; a module imports only from floors below its own:

    3 program   cli  commands/  daemon  web  page  growth  monitor  keeper | worker
    2 the pass  watched  scan  driven  live  settle  records  site  count
    1 edges     in:  walk  watch  mounts  limits  images  files  drivers/  roots  config
                out: catalogue  samples  metrics  report  table  logs
    0 thinking  findings  headroom  kin  attempts  chains  kinds  tree  text  model  (orders  view)

The bar stands for a pipe: each root has a worker process of its own, which imports nothing
above the pass.

`planted` makes roots as the engine does, for the demo and for tests.
"""
