"""What carbon's own router makes of names: for each line of the input, the numbers of the destinations it goes to.

Arguments: ROUTER_HASH_TYPE, REPLICATION_FACTOR, DIVERSE_REPLICAS (yes or no), and DESTINATIONS as carbon.conf has them.
"""

import sys
from types import SimpleNamespace

from carbon.routers import ConsistentHashingRouter
from carbon.util import TaggedSeries, parseDestination

hash_type, factor, diverse, *destinations = sys.argv[1:]
router = ConsistentHashingRouter(
    SimpleNamespace(REPLICATION_FACTOR=factor, DIVERSE_REPLICAS=diverse == "yes", ROUTER_HASH_TYPE=hash_type)
)
destinations = [parseDestination(text) for text in destinations]
for destination in destinations:
    router.addDestination(destination)
for name in sys.stdin.read().splitlines():
    # As carbon's relay does with TAG_RELAY_NORMALIZED.
    chosen = router.getDestinations(TaggedSeries.parse(name).path)
    print(*(destinations.index(destination) for destination in chosen))
