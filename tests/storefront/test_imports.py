"""A shop that imports the client loads redis, what redis itself loads, and nothing more."""

import subprocess
import sys

LOADED = """
import sys
import redis.asyncio.cluster
import redis.asyncio.sentinel
import redis.cluster
import redis.sentinel
before = set(sys.modules)
import footfall.storefront
print(*(name for name in sorted(sys.modules.keys() - before)))
"""
CLIENT = ("address", "client", "reading", "record")


def test_the_client_loads_redis_and_nothing_else_of_others():
    names = subprocess.check_output([sys.executable, "-c", LOADED], text=True).split()
    foreign = [name for name in names if name.partition(".")[0] not in sys.stdlib_module_names]
    assert foreign == [
        *("footfall", "footfall.storefront"),
        *(f"footfall.storefront.{name}" for name in CLIENT),
    ]
