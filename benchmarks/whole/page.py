"""The results page: tables of medians and of per-round ratios. It prints what was measured and judges nothing."""

from statistics import median

from load import JOBS
from peers import PEERS

BASES = ("floor-tcp", "quorum")
# What the project asks of itself, as a fraction of the base peer; shown beside the ratios.
WANTED = {
    "floor-tcp": {"rr1": 0.70, "rr32": 0.70, "rw1": 0.70, "rw32": 0.60, "mix16": 0.65, "fs1": 0.60, "sr": 0.70, "sw": 0.70},
    "quorum": {"rr32": 3.0, "rw32": 4.0},
}


def render(results):
    run = results.runs[0] if results.runs else {}
    parts = [INTRODUCTION, facts(run, results.runs, results.java), legend(results)]
    for generator in ("loadgen", "fio"):
        table = results.select("warm", generator)
        if table.peers:
            parts.append(f"## {GENERATORS[generator]}\n\nMedians of {rounds(table)}.")
            parts += tables(table)
    cold = results.select("cold", "loadgen")
    if cold.peers:
        parts.append(
            f"## Cold disk\n\nThe copies lie on a real disk ({run.get('cold_file_system', 'unknown')}); the page cache is emptied before each "
            f"measurement. Medians of {rounds(cold)}. All copies share one disk, and a cache below this machine is not emptied.")
        parts.append(cold_table(cold))
    if results.clusters:
        parts.append(cluster_section(results.clusters))
    if results.allocations:
        parts.append(allocation_section(results.allocations))
    parts.append(verdict_on_data(results))
    return "\n\n".join(parts) + "\n"


def pieces_of(path):
    """What the page has of single pieces, measured otherwise: kept when the rest is written anew."""
    _, heading, rest = (path.read_text() if path.exists() else "").partition(PIECES)
    return f"\n{heading}{rest}" if heading else ""


PIECES = "## Single pieces"

INTRODUCTION = """# Benchmarks: the whole system beside its peers

Written by `benchmarks/run-whole`, which starts every peer in turn on one machine, fills its volume, runs the same jobs against
each over NBD on a unix socket, and repeats that round by round. **Read the ratios**: they are taken within a round and hold
elsewhere; absolute figures are of this machine and this hour only. The copies are on tmpfs unless a table says otherwise: that
measures the software, not a disk."""

GENERATORS = {
    "loadgen": "Client: loadgen (one connection, batches what is ready, checks every block)",
    "fio": "Client: fio's nbd engine (request by request)",
}


def facts(run, runs, java):
    if not run:
        return ""
    rows = [
        ("date", run["date"]),
        ("machine", f"{run['processor']}, {run['cores']} cores, {run['memory_gib']} GiB, {run['system']}, kernel {run['kernel']}"),
        ("JDK", java),
        ("peers' versions", "; ".join(run[name] for name in ("qemu", "fio", "gcc"))),
        ("volume", f"{run['size_bytes'] >> 20} MiB, three copies (qemu-nbd: one)"),
        ("run", f"{run['rounds']} rounds of {run['seconds']:g} s a job ({run['warm_seconds']:g} s of mixed load before the first), order of the "
                f"peers rotated; a job is repeated up to {run['retries']} times while others use more than {run['max_foreign']} cores"),
    ]
    # Runs of one page may be of different commits: each says which.
    rows += [("measured", f"commit {one.get('commit', 'unknown')}, {one['rounds']} rounds: `{one['command']}`") for one in runs]
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows)


def legend(results):
    peers = dict.fromkeys(row["peer"] for row in results.rows)
    jobs = dict.fromkeys(row["job"] for row in results.rows)
    lines = [f"- **{name}**: {PEERS[name].what}" for name in peers if name in PEERS]
    lines.append("- jobs: " + "; ".join(f"*{name}* {JOBS[name].what}" for name in jobs if name in JOBS))
    return "\n".join(lines)


def tables(table):
    parts = [ratio_table(table, base) for base in BASES if base in table.peers and len(table.peers) > 1]
    parts.append(value_table(table, "Throughput: operations per second" + (" (sr, sw: MiB/s)" if "sr" in table.jobs else ""), throughput))
    for title, keys, digits in (
            ("CPU microseconds per operation, all server processes", ["server_cpu_micros"], 1),
            ("Latency p50 / p99 / p99.9, microseconds", ["p50_micros", "p99_micros", "p999_micros"], 0),
            ("Resident memory of all server processes, MiB", ["resident_mib"], 0),
            ("Cores used by others meanwhile", ["foreign_cores"], 2)):
        parts.append(value_table(table, title, lambda t, peer, job: medians(t, peer, job, keys, digits)))
    return parts


def medians(table, peer, job, keys, digits):
    return " / ".join(number(table.median(peer, job, key), digits) for key in keys)


def cold_table(table):
    """Few jobs, so a line per peer with everything in it."""
    bases = [base for base in BASES if base in table.peers]
    columns = ["job", "peer", *(f"ratio to {base}" for base in bases), "op/s", "CPU us/op", "p50 / p99 us", "MiB resident", "others' cores"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for job in table.jobs:
        for peer in table.peers:
            lines.append("| " + " | ".join([
                job, peer, *(ratio_cell(table, peer, base, job) for base in bases), throughput(table, peer, job),
                medians(table, peer, job, ["server_cpu_micros"], 1), medians(table, peer, job, ["p50_micros", "p99_micros"], 0),
                medians(table, peer, job, ["resident_mib"], 0), medians(table, peer, job, ["foreign_cores"], 2)]) + " |")
    return "\n".join(lines)


def ratio_cell(table, peer, base, job):
    ratios = table.ratios(peer, base, job) if peer != base else []
    return f"**{median(ratios):.2f}** ({ratios[0]:.2f}-{ratios[-1]:.2f})" if ratios else "-"


def ratio_table(table, base):
    text = value_table(
        table, f"Ratio to {base}, median (lowest-highest round)", lambda t, peer, job: ratio_cell(t, peer, base, job),
        [peer for peer in table.peers if peer != base])
    wanted = WANTED.get(base, {})
    if any(job in wanted for job in table.jobs):
        text += "\n| *wanted of ours* | " + " | ".join(f"*{wanted[job]:.2f}*" if job in wanted else "" for job in table.jobs) + " |"
    return text


def value_table(table, title, cell, peers=None):
    lines = [f"### {title}", "", "| | " + " | ".join(table.jobs) + " |", "|---|" + "---|" * len(table.jobs)]
    for peer in peers or table.peers:
        lines.append(f"| {peer} | " + " | ".join(cell(table, peer, job) for job in table.jobs) + " |")
    return "\n".join(lines)


def throughput(table, peer, job):
    return number(table.median(peer, job, "mib_per_second" if JOBS[job].in_mib() else "iops"), 0)


def number(value, digits):
    return "-" if value is None or value == 0 and digits == 0 else f"{value:.{digits}f}"


def rounds(table):
    count = table.rounds()
    return f"{count} round{'s' if count != 1 else ''}"


def cluster_section(clusters):
    roles = list(dict.fromkeys(role for line in clusters for role in line["resident_mib"]))
    lines = [
        "## The cluster around it",
        "",
        f"Medians of {len({line['round'] for line in clusters})} rounds. Attach: `longhorn volume attach`, the command's own start included, until the volume is served. Memory after rw32: "
        "the largest process of each kind, MiB.",
        "",
        "| peer | attach, s | " + " | ".join(roles) + " |",
        "|---|---|" + "---|" * len(roles)]
    for peer in dict.fromkeys(line["peer"] for line in clusters):
        mine = [line for line in clusters if line["peer"] == peer]
        lines.append(
            f"| {peer} | {median(line['attach_seconds'] for line in mine):.1f} | "
            + " | ".join(f"{median(line['resident_mib'].get(role, 0.0) for line in mine):.0f}" for role in roles) + " |")
    return "\n".join(lines)


def allocation_section(allocations):
    lines = [
        "## Allocation in steady state", "",
        "Java heap bytes allocated by all threads of the four JVMs between two readings under load (`jcmd Thread.print -e`: the JVM's own "
        "count per thread, not samples), divided by the requests in between.", "",
        "| job | requests | bytes per request | of it | collections | threads that allocated most |", "|---|---|---|---|---|---|"]
    for a in allocations:
        roles = ", ".join(f"{role} {value:.2f}" for role, value in a["bytes_per_request_by_role"].items())
        threads = "; ".join(f"{t['thread']} {t['bytes'] / 1024:.0f} KiB" for t in a["threads"][:3])
        lines.append(f"| {a['job']} | {a['requests']} | **{a['bytes_per_request']:.2f}** | {roles} | {a['collections']} | {threads} |")
    return "\n".join(lines)


def verdict_on_data(results):
    wrong = results.wrong()
    lines = [f"Rows: {len(results.rows)}; rows with a failed request or a block that held the wrong bytes: {len(wrong)}."]
    lines += [f"- {row['peer']} {row['job']} round {row['round']}: {row['errors']} errors, {row['bad_stamps']} wrong blocks" for row in wrong]
    lines += [f"- did not run: {failure['peer']}: {failure['reason'].splitlines()[0]}" for failure in results.failures]
    return "\n".join(lines)
