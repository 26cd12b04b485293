"""The list of cases, in the order in which they are written."""

from dataclasses import dataclass
from typing import Callable

CASES = []


@dataclass
class Case:
    name: str
    function: Callable
    compares: bool  # run directly and through the daemon, results equal
    limit: float  # seconds
    needs_daemon: bool = True
    is_long: bool = False  # only with --long


def both(name, limit=30.0):
    """A case that takes a harness.Target and returns what must not differ."""
    def add(function):
        CASES.append(Case(name, function, True, limit))
        return function
    return add


def proxied(name, limit=30.0, needs_daemon=True, is_long=False):
    """A case that takes a harness.Scene; `needs_daemon` is False when it shows that the fake ends are right."""
    def add(function):
        CASES.append(Case(name, function, False, limit, needs_daemon, is_long))
        return function
    return add
