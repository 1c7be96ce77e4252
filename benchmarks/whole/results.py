"""The results of runs: one JSON object a line, written as they come, and the numbers taken from them.

Kinds of line: `run` (machine and parameters, first), `java` (version of ours), `row` (round, peer, generator, job, phase and what was measured),
`allocation` (job, bytes per request), `cluster` (peer, round, seconds of attaching, memory by role), `failure` (peer, reason).
"""

import json
from statistics import median


class Results:
    def __init__(self, lines):
        self.runs = [line for line in lines if line["kind"] == "run"]
        self.rows = [line for line in lines if line["kind"] == "row"]
        self.allocations = [line for line in lines if line["kind"] == "allocation"]
        self.java = next((line["version"] for line in lines if line["kind"] == "java"), "ours was not run")
        self.clusters = [line for line in lines if line["kind"] == "cluster"]
        self.failures = [line for line in lines if line["kind"] == "failure"]

    @staticmethod
    def read(paths):
        lines = []
        for path in paths:
            with open(path) as file:
                lines += [json.loads(line) for line in file if line.strip()]
        return Results(lines)

    def select(self, phase, generator):
        return Table([row for row in self.rows if row["phase"] == phase and row["generator"] == generator])

    def wrong(self):
        """Rows in which a request failed or a block held the wrong bytes."""
        return [row for row in self.rows if row["errors"] or row["bad_stamps"]]


class Table:
    """Rows of one phase and generator."""

    def __init__(self, rows):
        self._rows = rows
        self.peers = list(dict.fromkeys(row["peer"] for row in rows))
        self.jobs = list(dict.fromkeys(row["job"] for row in rows))

    def values(self, peer, job, key):
        return [row[key] for row in self._rows if row["peer"] == peer and row["job"] == job]

    def median(self, peer, job, key):
        values = self.values(peer, job, key)
        return median(values) if values else None

    def rounds(self):
        return len({row["round"] for row in self._rows})

    def ratios(self, peer, base, job):
        """IOPS of `peer` over IOPS of `base`, round by round, ascending."""
        of = lambda name: {row["round"]: row["iops"] for row in self._rows if row["peer"] == name and row["job"] == job}
        mine, theirs = of(peer), of(base)
        return sorted(mine[r] / theirs[r] for r in mine if theirs.get(r))


class Writer:
    """Appends lines to a results file."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path

    def add(self, kind, fields):
        with open(self.path, "a") as file:
            file.write(json.dumps({"kind": kind, **fields}) + "\n")
