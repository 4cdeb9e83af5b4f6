"""Reads messages of the pickle protocol as carbon does, with its safe unpickler, and writes what is in them: for each
message the number of its bytes and then its points, as one line of JSON. A value that is a float says so."""

import json
import struct
import sys

from carbon.util import get_unpickler

data = sys.stdin.buffer.read()
while data:
    (length,) = struct.unpack("!L", data[:4])
    message, data = data[4 : 4 + length], data[4 + length :]
    assert len(message) == length
    points = get_unpickler(insecure=False).loads(message)
    assert type(points) is list
    for point in points:
        assert type(point) is tuple and type(point[1]) is tuple, point
        assert [type(part) for part in (point[0], point[1][0])] == [str, int], point
    # As text: JSON's numbers would not keep them.
    print(json.dumps([length, [[path, repr(value), timestamp] for path, (timestamp, value) in points]]))
