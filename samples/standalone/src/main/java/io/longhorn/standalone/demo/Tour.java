package io.longhorn.standalone.demo;

import io.longhorn.engine.EmbeddedVolume;
import io.longhorn.engine.VolumeComparison;
import io.longhorn.engine.VolumeStatus;
import io.longhorn.engine.client.LoadReport;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** The steps, in their order. Each prints one line of what it measured. */
final class Tour implements AutoCloseable {
  private static final String NAME = "demo";
  private static final long SIZE_BYTES = 256L << 20;
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(60);
  private static final long LOOK_AGAIN_NANOS = 200_000;

  private final List<Path> directories;
  private final String address;
  private final long seed;
  private final Duration tenth;
  private final Journal journal;
  private final Machine machine = new Machine();
  private final Client client;
  private EmbeddedVolume volume;

  Tour(Path home, long seed, int seconds, Journal journal) {
    directories = List.of(home.resolve("a"), home.resolve("b"), home.resolve("c"));
    address = "unix:" + home.resolve("nbd.sock");
    this.seed = seed;
    tenth = Duration.ofSeconds(seconds).dividedBy(10);
    this.journal = journal;
    client = new Client(seed, SIZE_BYTES);
    EmbeddedVolume.create(NAME, SIZE_BYTES, directories, machine);
    volume = EmbeddedVolume.open(NAME, directories, machine);
  }

  void run() {
    String uri = volume.exportNbd(address);
    client.connect(uri);
    journal.line(
        "one volume",
        String.format(
            Locale.ROOT,
            "%s on %d replicas, seed %d, %s",
            Journal.mebibytes(volume.sizeBytes()),
            volume.status().inSync(),
            seed,
            uri));
    writeAndRead();
    snapshot();
    failAndTakeBack(directories.getLast());
    cutPower();
    compare();
    close();
    journal.line("closed", journal.isClean() ? "every promise was kept" : "a promise was broken");
  }

  private void writeAndRead() {
    LoadReport report = client.runDuring(tenth.multipliedBy(3), () -> {});
    require(report);
    journal.line("writing with verification", counts(report));
  }

  private void snapshot() {
    long[] took = new long[1];
    LoadReport report =
        client.runDuring(
            tenth,
            () -> {
              long began = System.nanoTime();
              volume.snapshot("before");
              took[0] = System.nanoTime() - began;
            });
    require(report);
    journal.line(
        "snapshot while writing",
        String.format(
            Locale.ROOT,
            "taken in %s; %s, longest pause %,d ms",
            Journal.time(took[0]),
            counts(report),
            report.longestPauseMillis()));
  }

  private void failAndTakeBack(Path directory) {
    long[] took = new long[1];
    LoadReport report =
        client.runDuring(
            tenth.multipliedBy(2),
            () -> {
              long began = System.nanoTime();
              volume.takeOut(machine.replicaIn(directory));
              until("the volume is degraded", () -> volume.status().inSync() == 2);
              took[0] = System.nanoTime() - began;
            });
    require(report);
    journal.line(
        "a replica fails while writing",
        String.format(
            Locale.ROOT,
            "degraded after %s; %s, longest pause %,d ms",
            Journal.time(took[0]),
            counts(report),
            report.longestPauseMillis()));
    report =
        client.runDuring(
            tenth,
            () -> {
              long began = System.nanoTime();
              volume.takeBack(directory);
              until("the replica is in sync", () -> volume.status().inSync() == 3);
              took[0] = System.nanoTime() - began;
            });
    require(report);
    journal.line(
        "it comes back while writing",
        String.format(
            Locale.ROOT,
            "in sync after %s, %s compared; %s",
            Journal.time(took[0]),
            Journal.mebibytes(resyncBytes(directory)),
            counts(report)));
  }

  private long resyncBytes(Path directory) {
    return volume.status().replicas().stream()
        .filter(replica -> replica.id().equals(machine.replicaIn(directory)))
        .mapToLong(VolumeStatus.Replica::resyncBytes)
        .sum();
  }

  private void cutPower() {
    int[] lost = new int[1];
    LoadReport before = client.runDuring(tenth, () -> {});
    require(before);
    client.runDuring(
        Duration.ZERO,
        () -> {
          // In the middle of it, not between two requests.
          LockSupport.parkNanos(tenth.toNanos());
          lost[0] = machine.cutPower(new Random(seed));
          volume.kill();
        });
    client.powerWasCut();
    journal.line(
        "power cut on all replicas",
        String.format(
            Locale.ROOT,
            "%,d unsynced changes of their files lost or torn, while writing",
            lost[0]));
    long began = System.nanoTime();
    volume = EmbeddedVolume.open(NAME, directories, machine);
    client.connect(volume.exportNbd(address));
    long open = System.nanoTime() - began;
    int unequal = volume.status().unreconciledRegions();
    LoadReport first = client.verifyAll();
    require(first);
    until(
        "the replicas are equal",
        () -> volume.status().unreconciledRegions() == 0 && volume.status().inSync() == 3);
    LoadReport second = client.verifyAll();
    require(second);
    journal.line(
        "power is back",
        String.format(
            Locale.ROOT,
            "open after %s, %,d regions to make equal; read and checked twice: %s",
            Journal.time(open),
            unequal,
            first.isClean() && second.isClean()
                ? "every flushed write is there, and both times the same"
                : "wrong"));
    LoadReport after = client.runDuring(tenth, () -> {});
    require(after);
    journal.line("writing with verification", counts(after));
  }

  private void compare() {
    VolumeComparison found = volume.compare();
    boolean isWhole = found.copies() == directories.size() && found.comparedBytes() == SIZE_BYTES;
    journal.promise(
        isWhole && found.isIdentical(), String.format(Locale.ROOT, "replicas differ: %s", found));
    journal.line(
        "compared block by block",
        String.format(
            Locale.ROOT,
            "%s on %d replicas: %s",
            Journal.mebibytes(found.comparedBytes()),
            found.copies(),
            found.isIdentical() ? "identical" : found.toString()));
  }

  private void require(LoadReport report) {
    report
        .firstMismatch()
        .ifPresent(what ->
            journal.promise(false, String.format(Locale.ROOT, "a read was wrong: %s", what)));
    report
        .firstError()
        .ifPresent(what ->
            journal.promise(false, String.format(Locale.ROOT, "a request failed: %s", what)));
  }

  private static String counts(LoadReport report) {
    return String.format(
        Locale.ROOT,
        "%,d writes, %,d reads checked, %,d flushes, %,d errors",
        report.writes() + report.zeroes() + report.trims(),
        report.reads(),
        report.flushes(),
        report.errors());
  }

  private void until(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - deadline > 0) {
        journal.promise(
            false,
            String.format(Locale.ROOT, "waited in vain until %s: %s", what, volume.status()));
        return;
      }
      LockSupport.parkNanos(LOOK_AGAIN_NANOS);
    }
  }

  /** Idempotent. */
  @Override
  public void close() {
    client.close();
    volume.close();
    machine.close();
  }
}
