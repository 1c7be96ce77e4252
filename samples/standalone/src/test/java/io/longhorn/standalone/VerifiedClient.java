package io.longhorn.standalone;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.engine.client.LoadReport;
import io.longhorn.engine.client.LoadTarget;
import io.longhorn.engine.client.NbdClient;
import io.longhorn.engine.client.NbdUri;
import io.longhorn.engine.client.VerifyingLoad;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * A client that knows what each sector of a volume has to hold, over every connection it has had.
 * One call in flight, with a pause after it: the machine has other things to do.
 */
final class VerifiedClient {
  private static final int DEPTH = 1;
  private static final long PAUSE_NANOS = 5_000_000;
  private static final long PATIENCE_SECONDS = 120;

  /** So many answers show that I/O goes on; a few may have been under way. */
  private static final int PROGRESS = 20;

  private final VerifyingLoad load;
  private final AtomicLong answers = new AtomicLong();
  private CompletableFuture<LoadReport> running = new CompletableFuture<>();

  /** Of a volume that is all zeros now. */
  VerifiedClient(long seed, long sizeBytes) {
    load = new VerifyingLoad(seed, sizeBytes);
  }

  /** Connects, and reads and writes in the background until stopped or broken off. */
  VerifiedClient start(String uri) {
    NbdClient client = NbdClient.connect(NbdUri.parse(uri));
    running =
        CompletableFuture.supplyAsync(() -> {
          try (client) {
            return load.run(List.of(new Counted(client)), DEPTH, Long.MAX_VALUE);
          }
        });
    awaitProgress();
    return this;
  }

  /** Waits until more was answered: I/O goes on. */
  void awaitProgress() {
    long wanted = answers.get() + PROGRESS;
    Workbench.await(
        "I/O goes on",
        () -> {
          assertThat(running.isDone()).as(() -> "I/O has ended: " + running).isFalse();
          return answers.get() >= wanted;
        });
  }

  /** Ends it: every answer was good, and there was never an error. */
  LoadReport stop() {
    load.stop();
    LoadReport report = ended();
    assertKept(report);
    return report;
  }

  /** Waits until the connection has broken; nothing that was read before was wrong. */
  void awaitBreak() {
    LoadReport report = ended();
    assertThat(report.firstMismatch()).isEmpty();
    assertThat(report.firstError()).as("of a connection that was to break").isPresent();
    // The processes are gone, the machine is not: what was answered is there.
    load.crashed(false);
  }

  private LoadReport ended() {
    return running.orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS).join();
  }

  /** Reads everything: what was answered is there, flushed or not. Nothing else may be running. */
  void verify(String uri) {
    try (NbdClient client = NbdClient.connect(NbdUri.parse(uri))) {
      assertKept(load.verifyAll(LoadTarget.of(client)));
    }
  }

  private static void assertKept(LoadReport report) {
    assertThat(report.firstMismatch()).isEmpty();
    assertThat(report.firstError()).isEmpty();
  }

  /** A connection whose answers are counted. */
  private final class Counted implements LoadTarget {
    private final LoadTarget target;

    Counted(NbdClient client) {
      target = LoadTarget.of(client);
    }

    @Override
    public void read(long offset, MemorySegment memory) {
      target.read(offset, memory);
      answered();
    }

    @Override
    public void write(long offset, MemorySegment source, boolean isFua) {
      target.write(offset, source, isFua);
      answered();
    }

    @Override
    public void zero(long offset, long length, boolean isFua) {
      target.zero(offset, length, isFua);
      answered();
    }

    @Override
    public void trim(long offset, long length) {
      target.trim(offset, length);
      answered();
    }

    @Override
    public void flush() {
      target.flush();
      answered();
    }

    private void answered() {
      answers.incrementAndGet();
      LockSupport.parkNanos(PAUSE_NANOS);
    }
  }
}
