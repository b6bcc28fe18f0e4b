"""A loopback server that speaks fal's wire protocol, with its faults, and counts the bill."""

from tests.fal_server.faults import Fault
from tests.fal_server.server import FalServer, Stranger

__all__ = ["FalServer", "Fault", "Stranger"]
