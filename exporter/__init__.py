"""hardlink-exporter: tells how many more layers fit on each Docker image before hard links run out.

The floors, from the top; a module imports only from floors below its own:

    3 program   cli  daemon  monitor  web  page  demo  config  logs
    2 the pass  scan
    1 edges     walk  mounts  limits  images  roots  drivers/  |  metrics  report  table
    0 thinking  ledger  headroom  chains  kinds  text  model
"""
