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


def both(name, limit=30.0):
    """A case that takes a harness.Target and returns what must not differ."""
    def add(function):
        CASES.append(Case(name, function, True, limit))
        return function
    return add


def proxied(name, limit=30.0):
    """A case that takes a harness.Scene and needs the daemon."""
    def add(function):
        CASES.append(Case(name, function, False, limit))
        return function
    return add
