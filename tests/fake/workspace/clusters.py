"""Clusters: their states, moved by the test or, once started, by time."""

import threading
from dataclasses import dataclass, field

RUNNING_STATES = ("RUNNING", "RESIZING")
STATES = ("PENDING", "RUNNING", "RESTARTING", "RESIZING", "TERMINATING", "TERMINATED", "ERROR", "UNKNOWN")


@dataclass
class Cluster:
    id: str
    state: str = "RUNNING"
    name: str = "fake cluster"
    message: str = ""
    access_mode: str = "SINGLE_USER"  # NONE: no Spark Connect on it
    may_attach: bool = True
    may_see: bool = True
    may_start: bool = True
    start_seconds: float = 1.0  # from `start` to RUNNING; None: the test says when
    start_fails: str = None     # `start` ends in TERMINATED with this message
    starts: int = 0
    ready_at: float = field(default=None, repr=False)

    def describe(self):
        """As /api/2.1/clusters/get answers, the parts that clients read."""
        return {"cluster_id": self.id, "cluster_name": self.name, "state": self.state, "state_message": self.message,
                "spark_version": "16.4.x-scala2.12", "data_security_mode": self.access_mode,
                "creator_user_name": "someone@example.com", "autotermination_minutes": 60, "num_workers": 1}


class Clusters:
    """Any thread. Times are the workspace clock's."""

    def __init__(self, clock):
        self.clock = clock
        self.lock = threading.Lock()
        self.by_id = {}

    def put(self, id, **facts):
        with self.lock:
            cluster = self.by_id.setdefault(id, Cluster(id))
            for name, value in facts.items():
                if not hasattr(cluster, name) or (name == "state" and value not in STATES):
                    raise ValueError(f"a cluster has no {name} = {value!r}")
                setattr(cluster, name, value)
            if "state" in facts:
                cluster.ready_at = None
            return cluster

    def remove(self, id):
        with self.lock:
            self.by_id.pop(id, None)

    def find(self, id):
        with self.lock:
            cluster = self.by_id.get(id)
            if cluster and cluster.ready_at is not None and cluster.ready_at <= self.clock.now():
                cluster.ready_at = None
                cluster.state = "TERMINATED" if cluster.start_fails else "RUNNING"
                cluster.message = cluster.start_fails or ""
            return cluster

    def start(self, id):
        """None, or (HTTP status, error_code, message)."""
        cluster = self.find(id)
        if cluster is None or not cluster.may_see:
            return 400, "INVALID_PARAMETER_VALUE", f"Cluster {id} does not exist"
        if not cluster.may_start:
            return 403, "PERMISSION_DENIED", f"You do not have permission to start cluster {id}; it takes CAN RESTART."
        with self.lock:
            if cluster.state != "TERMINATED":
                return 400, "INVALID_STATE", f"Cluster {id} is in unexpected state {cluster.state.capitalize()}."
            cluster.starts += 1
            cluster.state, cluster.message = "PENDING", "Starting Spark"
            if cluster.start_seconds is not None:
                cluster.ready_at = self.clock.now() + cluster.start_seconds
        return None
