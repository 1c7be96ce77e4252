#!/usr/bin/python3
"""A libnbd writer against a plain file: oracle.py URI FILE SEED OPERATIONS.

Writes, zeroes and trims of any offset and length, with and without FUA and the other flags, over two connections, each
operation then applied to the file; reads compared on the way; in the end the whole volume is compared. What a trim
leaves is the old bytes or zeros, block by block, and stays what it was.
"""
import errno
import os
import random
import sys

import nbd

BLOCK = 4096
LONGEST = 300000


def main(uri, path, seed, operations):
    seed = int(seed)
    print('seed %d' % seed)
    dice = random.Random(seed)
    connections = []
    for _ in range(2):
        connection = nbd.NBD()
        connection.connect_uri(uri)
        connections.append(connection)
    size = connections[0].get_size()
    oracle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    os.truncate(oracle, size)
    # What is there already is the start.
    for at in range(0, size, 1 << 20):
        os.pwrite(oracle, connections[0].pread(min(1 << 20, size - at), at), at)
    counts = {}

    def compare(connection, offset, length):
        if connection.pread(length, offset) != os.pread(oracle, length, offset):
            sys.exit('seed %d: %d bytes at %d differ' % (seed, length, offset))

    for _ in range(int(operations)):
        connection = dice.choice(connections)
        length = dice.choice([dice.randint(1, 20000), BLOCK * dice.randint(1, 16), dice.randint(1, LONGEST)])
        # Near each other, so that they overlap; sometimes at the very end.
        offset = dice.choice([dice.randint(0, 4 << 20), BLOCK * dice.randint(0, 1024), size - length])
        fua = dice.choice([0, nbd.CMD_FLAG_FUA])
        what = dice.choice(['write', 'write', 'zero', 'trim', 'read', 'flush'])
        if what == 'write':
            data = dice.randbytes(length)
            connection.pwrite(data, offset, fua)
            os.pwrite(oracle, data, offset)
        elif what == 'zero':
            flag = dice.choice([0, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FAST_ZERO])
            try:
                connection.zero(length, offset, fua | flag)
                os.pwrite(oracle, bytes(length), offset)
            except nbd.Error as e:
                # Not fast where it would have to write: then it has done nothing.
                if flag != nbd.CMD_FLAG_FAST_ZERO or e.errnum != errno.ENOTSUP:
                    raise
                what = 'zero refused'
                compare(connection, offset, length)
        elif what == 'trim':
            connection.trim(length, offset, fua)
            trimmed = connection.pread(length, offset)
            before = os.pread(oracle, length, offset)
            at = 0
            while at < length:
                upto = min(length, (offset + at) // BLOCK * BLOCK + BLOCK - offset)
                if trimmed[at:upto] not in (before[at:upto], bytes(upto - at)):
                    sys.exit('seed %d: trim of %d bytes at %d left something else' % (seed, length, offset))
                at = upto
            os.pwrite(oracle, trimmed, offset)
        elif what == 'read':
            compare(connection, offset, length)
        else:
            connection.flush()
        counts[what] = counts.get(what, 0) + 1
    for at in range(0, size, 1 << 20):
        compare(connections[1], at, min(1 << 20, size - at))
    for connection in connections:
        connection.shutdown()
    print('equal after ' + ', '.join('%d %s' % (counts[what], what) for what in sorted(counts)))


main(*sys.argv[1:])
