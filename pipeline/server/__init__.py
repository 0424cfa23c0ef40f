"""The embedded DICOMweb server: `serve` a folder, or have one for the length of a `with` block."""

from cornerstream.server.app import create_app
from cornerstream.server.faults import FAULTS
from cornerstream.server.ledger import LEDGER
from cornerstream.server.running import ServerAddress, running_app, running_server, serve, server_process

__all__ = [
    "FAULTS",
    "LEDGER",
    "ServerAddress",
    "create_app",
    "running_app",
    "running_server",
    "serve",
    "server_process",
]
