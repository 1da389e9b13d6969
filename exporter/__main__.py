"""`python -m exporter` is `hardlink-exporter`."""

from exporter.cli import main

main()
