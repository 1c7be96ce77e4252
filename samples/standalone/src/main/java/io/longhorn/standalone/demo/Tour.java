package io.longhorn.standalone.demo;

import static java.lang.String.format;
import static java.util.Locale.ROOT;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.engine.client.LoadReport;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.command.Command;
import io.longhorn.standalone.report.VolumeReport;
import io.longhorn.standalone.report.VolumeReport.ReplicaReport;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/** The steps, in their order. Each prints one line of what it measured. */
final class Tour implements AutoCloseable {
  private static final String NAME = "demo";
  private static final String HOME = "node-1";
  private static final int NODES = 3;
  private static final long SIZE_BYTES = 256L << 20;

  private final DemoCluster cluster;
  private final long seed;
  private final Duration step;
  private final Journal journal;
  private final Client client;

  /**
   * A tour in a directory.
   *
   * @param seconds of writing and reading, all steps together
   */
  Tour(Path home, long seed, int seconds, Journal journal) {
    cluster = new DemoCluster(home, NODES);
    this.seed = seed;
    step = Duration.ofSeconds(seconds).dividedBy(8);
    this.journal = journal;
    client = new Client(seed, SIZE_BYTES);
  }

  void run() {
    start();
    writeAndRead();
    snapshot();
    killReplica();
    killInstanceManager();
    killDaemon();
    killEngine();
    killEverything();
    check();
    stop();
  }

  private void start() {
    long began = System.nanoTime();
    cluster.up();
    journal.line(
        "three nodes",
        "one daemon, an instance manager for each; up after " + Journal.time(since(began)));
    cluster.run(new Command.CreateVolume(NAME, SIZE_BYTES, NODES, false));
    cluster.await(NAME, "it is created", volume -> volume.state().equals("detached"));
    began = System.nanoTime();
    cluster.run(new Command.AttachVolume(NAME, HOME, "", ""));
    String uri = connect();
    journal.line(
        "one volume, 3 replicas",
        format(
            ROOT, "%s, attached after %s, seed %d", mebibytes(), Journal.time(since(began)), seed));
    journal.line("served to any NBD client", uri);
  }

  private void writeAndRead() {
    LoadReport report = client.runDuring(step.multipliedBy(2), () -> {});
    require(report);
    journal.line("writing with verification", counts(report));
  }

  private void snapshot() {
    long[] took = new long[1];
    LoadReport report =
        client.runDuring(
            step,
            () -> {
              long began = System.nanoTime();
              cluster.run(new Command.TakeSnapshot(NAME, "before"));
              took[0] = since(began);
            });
    require(report);
    journal.line(
        "snapshot while writing",
        format(ROOT, "taken in %s; %s, %s", Journal.time(took[0]), counts(report), pause(report)));
  }

  private void killReplica() {
    ReplicaReport victim = elsewhere(cluster.volume(NAME));
    journal.line(
        "kill -9 replica on " + victim.node(), outage(() -> DemoCluster.kill(victim.pid())));
  }

  private void killInstanceManager() {
    InstanceManager victim =
        cluster.instanceManagers().stream()
            .filter(manager -> !manager.nodeID().equals(HOME))
            .findFirst()
            .orElseThrow();
    journal.line(
        "kill -9 instance manager, " + victim.nodeID(),
        outage(() -> DemoCluster.kill(victim.pid())));
  }

  /** Kills a replica while writing, one way or another, and waits until all are in sync again. */
  private String outage(Runnable kill) {
    long[] took = new long[2];
    LoadReport report =
        client.runDuring(
            step,
            () -> {
              long began = System.nanoTime();
              kill.run();
              cluster.await(NAME, "it is degraded", volume -> volume.inSync() < NODES);
              took[0] = since(began);
              cluster.await(NAME, "all are in sync again", Tour::isHealthy);
              took[1] = since(began) - took[0];
            });
    require(report);
    return format(
        ROOT,
        "degraded after %s, in sync again %s later; %s, %s",
        Journal.time(took[0]),
        Journal.time(took[1]),
        counts(report),
        pause(report));
  }

  private void killDaemon() {
    VolumeReport before = cluster.volume(NAME);
    long[] took = new long[1];
    LoadReport report =
        client.runDuring(
            step,
            () -> {
              DemoCluster.kill(cluster.daemonPid());
              LockSupport.parkNanos(step.dividedBy(2).toNanos());
              long began = System.nanoTime();
              cluster.up();
              took[0] = since(began);
            });
    require(report);
    VolumeReport after = cluster.await(NAME, "the daemon sees it again", Tour::isHealthy);
    boolean isSame = before.engine().equals(after.engine()) && pids(before).equals(pids(after));
    journal.promise(isSame, "processes were started again: " + before + " became " + after);
    journal.line(
        "kill -9 daemon",
        format(
            ROOT,
            "I/O went on, %s; up again after %s, the same engine and replicas; %s",
            pause(report),
            Journal.time(took[0]),
            counts(report)));
  }

  private static String pids(VolumeReport volume) {
    return volume.replicas().stream().map(ReplicaReport::pid).toList().toString();
  }

  private void killEngine() {
    VolumeReport before = cluster.volume(NAME);
    long[] began = new long[1];
    client.runDuring(
        step,
        () -> {
          LockSupport.parkNanos(step.dividedBy(2).toNanos());
          began[0] = System.nanoTime();
          DemoCluster.kill(before.engine().pid());
        });
    client.connectionsBroke();
    cluster.await(
        NAME, "it is attached again", volume -> isHealthy(volume) && isNewer(volume, before));
    connect();
    long took = since(began[0]);
    journal.line(
        "kill -9 engine",
        format(ROOT, "detached and attached again after %s; %s", Journal.time(took), verifyAll()));
  }

  private void killEverything() {
    VolumeReport before = cluster.volume(NAME);
    int[] killed = new int[1];
    client.runDuring(
        step,
        () -> {
          LockSupport.parkNanos(step.dividedBy(2).toNanos());
          killed[0] = cluster.killAll();
        });
    client.connectionsBroke();
    long began = System.nanoTime();
    cluster.up();
    cluster.await(
        NAME, "it is attached again", volume -> isServed(volume) && isNewer(volume, before));
    connect();
    long took = since(began);
    journal.line(
        format(ROOT, "kill -9 all %d processes", killed[0]),
        format(ROOT, "up and attached by itself after %s; %s", Journal.time(took), verifyAll()));
    LoadReport report = client.runDuring(step, () -> {});
    require(report);
    cluster.await(NAME, "all are in sync", Tour::isHealthy);
    journal.line("writing with verification", counts(report));
  }

  private void check() {
    long began = System.nanoTime();
    ClusterClient.Comparison found = cluster.ask(client -> client.check(NAME));
    boolean isWhole = found.copies() == NODES && found.comparedBytes() == SIZE_BYTES;
    journal.promise(isWhole && found.isClean(), format(ROOT, "replicas differ: %s", found));
    journal.line(
        format(ROOT, "verified %s on every replica", mebibytes()),
        found.isClean() ? "identical, after " + Journal.time(since(began)) : found.toString());
  }

  private void stop() {
    client.close();
    long began = System.nanoTime();
    close();
    journal.line(
        "closed after " + Journal.time(since(began)),
        journal.isClean() ? "every promise was kept" : "a promise was broken");
  }

  // ---- what it looks at -------------------------------------------------------------------------

  private String connect() {
    VolumeReport volume = cluster.await(NAME, "it is attached", Tour::isServed);
    String uri = volume.endpoints().get(HOME);
    if (uri == null) {
      throw new IllegalStateException("attached without an endpoint: " + volume);
    }
    client.connect(uri);
    return uri;
  }

  private static boolean isServed(VolumeReport volume) {
    return volume.state().equals("attached") && volume.endpoints().containsKey(HOME);
  }

  private static boolean isHealthy(VolumeReport volume) {
    return isServed(volume) && volume.robustness().equals("healthy") && volume.inSync() == NODES;
  }

  private static boolean isNewer(VolumeReport volume, VolumeReport before) {
    return volume.engine().generation() > before.engine().generation();
  }

  private static ReplicaReport elsewhere(VolumeReport volume) {
    return volume.replicas().stream()
        .filter(replica -> !replica.node().equals(HOME))
        .reduce((_, last) -> last)
        .orElseThrow();
  }

  private String verifyAll() {
    LoadReport report = client.verifyAll();
    require(report);
    return report.isClean() ? "every acknowledged write is there" : "wrong";
  }

  private void require(LoadReport report) {
    report
        .firstMismatch()
        .ifPresent(what -> journal.promise(false, format(ROOT, "a read was wrong: %s", what)));
    report
        .firstError()
        .ifPresent(what -> journal.promise(false, format(ROOT, "a request failed: %s", what)));
  }

  private static String counts(LoadReport report) {
    return format(
        ROOT,
        "%,d writes, %,d reads checked, %,d flushes, %,d errors",
        report.writes() + report.zeroes() + report.trims(),
        report.reads(),
        report.flushes(),
        report.errors());
  }

  private static String pause(LoadReport report) {
    return format(ROOT, "longest pause %,d ms", report.longestPauseMillis());
  }

  private static String mebibytes() {
    return Journal.mebibytes(SIZE_BYTES);
  }

  private static long since(long beganNanos) {
    return System.nanoTime() - beganNanos;
  }

  /** Idempotent. */
  @Override
  public void close() {
    client.close();
    cluster.close();
  }
}
