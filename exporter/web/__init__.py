"""The HTTP side: read-only pages, rendered from the newest reports.

    sockets  ->  server       ->  guard            ->  app, page
    where        connections      auth, turns          what is told
    to listen    TLS and time     who may, how much

`request` reads what of a request hypercorn leaves alone. `rotation` reads the web configuration file and what it names; `config` and `tls` understand them.
"""
