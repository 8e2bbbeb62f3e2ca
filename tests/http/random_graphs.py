"""Random graphs in the database, and in plain Python what the API should say of them."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import datetime, timedelta
from typing import NamedTuple

from app.graph.shards import handle_ids
from app.store.postgres import Connection

HALF_LIFE = timedelta(days=7)

HANDLES = [
    *(f"user{number}" for number in range(20)),
    *("a/b", "a/b/c", "%2f", "..", ".", "İstanbul".lower(), "中 文", "x?y=1&z#w", "100%", "a_b", "a%b", "\U0010ffff"),
]


class Edge(NamedTuple):
    mentions: int
    weight: float
    weighed_at: datetime
    first_seen: datetime
    last_seen: datetime
    archived_at: datetime | None

    def effective(self, at: datetime) -> float:
        return self.weight * 2.0 ** -((at - self.weighed_at) / HALF_LIFE)


class Graph:
    """Edges by the handles at their ends. Few weights, instants whole half-lives apart: many weigh the same."""

    def __init__(self, seed: int, now: datetime) -> None:
        choose = random.Random(seed)
        ids = handle_ids(HANDLES, probe=0, bits=64).tolist()
        self.ids: dict[str, int] = dict(zip(HANDLES, ids, strict=True))
        self.edges: dict[tuple[str, str], Edge] = {}
        popular = choose.sample(HANDLES, 6)
        for _ in range(150):
            pair = choose.choice(HANDLES), choose.choice(choose.choice([HANDLES, popular]))
            weighed_at = now - choose.randrange(4) * HALF_LIFE
            first_seen = weighed_at - timedelta(hours=choose.randrange(100))
            archived_at = choose.choice([None, None, None, now - timedelta(hours=1)])
            # More than any weight, at any instant that is asked for: weights are bounded by counts.
            mentions = choose.randint(1, 9) * 1_000
            self.edges[pair] = Edge(
                mentions, choose.choice([0.5, 1, 2, 4]), weighed_at, first_seen, weighed_at, archived_at
            )

    def store(self, conn: Connection) -> None:
        with conn.cursor() as cursor:
            cursor.executemany(
                "insert into users (id, handle, spelling) values (%s, %s, %s)",
                [(user_id, handle, handle.title()) for handle, user_id in self.ids.items()],
            )
            for (source, target), edge in self.edges.items():
                ends = self.ids[source], self.ids[target]
                if edge.archived_at:
                    cursor.execute("insert into edges_archive values (%s, %s, %s, %s, %s, %s, %s, %s)", [*ends, *edge])
                else:
                    cursor.execute("insert into edges values (%s, %s, %s, %s, %s, %s, %s)", [*ends, *edge[:-1]])

    def there(self, *, archived: bool, self_mentions: bool = False) -> dict[tuple[str, str], Edge]:
        """The edges that such a view holds."""
        return {
            (source, target): edge
            for (source, target), edge in self.edges.items()
            if (archived or not edge.archived_at) and (self_mentions or source != target)
        }

    def by_weight(self, weights: dict[str, float]) -> list[str]:
        """Handles, the heaviest first, those that weigh the same by id."""
        return sorted(weights, key=lambda handle: (-weights[handle], self.ids[handle]))

    def ties(self, at: datetime, *, archived: bool) -> dict[str, dict[str, float]]:
        """Of each user, the neighbours with the weight of both directions together."""
        ties: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        for (source, target), edge in self.there(archived=archived).items():
            ties[source][target] += edge.effective(at)
            ties[target][source] += edge.effective(at)
        return {handle: dict(neighbours) for handle, neighbours in ties.items()}

    def distances(self, source: str, *, archived: bool) -> dict[str, int]:
        """Steps along mentions to every user that can be reached."""
        steps = {source: 0}
        rim = [source]
        edges = self.there(archived=archived)
        while rim:
            nearer = set(rim)
            rim = sorted({target for at, target in edges if at in nearer and target not in steps})
            steps.update(dict.fromkeys(rim, steps[next(iter(nearer))] + 1))
        return steps
