"""Group the customers of a snapshot, and keep the groups as segments."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from footfall.errors import BadArgument, NotReady
from footfall.warehouse import clusters as store
from footfall.warehouse.as_of import newest_snapshot
from footfall.warehouse.connection import transaction
from footfall.warehouse.scores import lock_score_sets

if TYPE_CHECKING:
    from ml.cluster import Cluster, Method

SEED = 0
NOISE = "noise"


@dataclass(frozen=True)
class ClusterSet:
    """One stored run.

    Attributes:
        cluster_set: its number, the version of its segments.
        method: kmeans or dbscan.
        as_of: nothing later was used.
        customers: how many were grouped.
        unclustered: how many are in no cluster (DBSCAN).
        silhouette: how well the clusters are apart, from -1 to 1.
        clusters: the greatest mean monetary value first.
        sha256: of who is in which cluster.
    """

    cluster_set: int
    method: str
    as_of: datetime
    customers: int
    unclustered: int
    silhouette: float | None
    clusters: tuple["Cluster", ...]
    sha256: str

    def line(self) -> str:
        """Return it in one line."""
        apart = "" if self.silhouette is None else f", silhouette {self.silhouette:.2f}"
        sizes = ", ".join(f"{self.method}_{one.number} {one.size:,}" for one in self.clusters)
        noise = f", {self.unclustered:,} in none" if self.unclustered else ""
        return (
            f"cluster set {self.cluster_set} as of {self.as_of.isoformat()}: "
            f"{self.customers:,} customers in {len(self.clusters)} clusters{apart}; "
            f"{sizes}{noise}"
        )


def cluster(
    as_of: datetime | None = None,
    *,
    method: "Method" = "kmeans",
    clusters: int | None = None,
    now: datetime,
) -> ClusterSet:
    """Group the customers who have ordered before an instant, and keep who is in which group.

    Args:
        as_of: a snapshot that is built; None: the newest.
        method: k-means or DBSCAN.
        clusters: how many, for k-means; None: what fits best.
        now: the wall clock.

    Raises:
        BadArgument: a number of clusters that cannot be meant.
        NotReady: the snapshot is not built, or has too few customers.
    """
    from ml.cluster import MOST_CLUSTERS
    from ml.cluster import cluster as group
    from ml.errors import TooFewRows

    if clusters is not None and method != "kmeans":
        raise BadArgument(f"--clusters belongs to kmeans; {method} finds how many there are")
    if clusters is not None and not 2 <= clusters <= MOST_CLUSTERS:
        raise BadArgument(f"--clusters is {clusters}; give 2 to {MOST_CLUSTERS}")
    with transaction() as connection:
        lock_score_sets(connection)
        at = as_of or newest_snapshot(connection)
        customers = store.read_rfm(connection, at)
        if customers.empty:
            raise NotReady(
                f"no customer with an order is built as of {at.isoformat()}; run: "
                f"footfall build --as-of {at.isoformat()}"
            )
        try:
            found = group(customers, method=method, clusters=clusters, seed=SEED)
        except TooFewRows as error:
            raise NotReady(f"no clusters as of {at.isoformat()}: {error}") from None
        members = [
            (str(customer), f"{method}_{number or NOISE}")
            for customer, number in zip(
                customers["customer_id"], found.numbers.tolist(), strict=True
            )
        ]
        sha256 = hashlib.sha256(
            "\n".join(f"{customer} {segment}" for customer, segment in members).encode()
        ).hexdigest()
        number = store.store_clusters(
            connection,
            members,
            method=method,
            as_of=at,
            params={**found.params, "silhouette": found.silhouette},
            clusters=[asdict(one) for one in found.clusters],
            sha256=sha256,
            now=now,
        )
    return ClusterSet(
        cluster_set=number,
        method=method,
        as_of=at,
        customers=len(members),
        unclustered=int((found.numbers == 0).sum()),
        silhouette=found.silhouette,
        clusters=found.clusters,
        sha256=sha256,
    )
