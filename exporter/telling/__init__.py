"""The out-edge: words a frozen report for Prometheus, for programs and for a terminal."""
