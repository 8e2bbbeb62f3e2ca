"""A program that tells what bounds it has, and what it knows of the environment."""

from __future__ import annotations

import json
import os
import resource

from app.posts import apart

if __name__ == "__main__":
    apart.limit()
    bounds = {name: resource.getrlimit(getattr(resource, name))[0] for name in ("RLIMIT_CPU", "RLIMIT_DATA")}
    print(json.dumps({**bounds, "environment": dict(os.environ)}))
