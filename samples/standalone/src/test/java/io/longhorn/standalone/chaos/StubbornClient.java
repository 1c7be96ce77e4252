package io.longhorn.standalone.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.engine.client.LoadReport;
import io.longhorn.engine.client.LoadTarget;
import io.longhorn.engine.client.NbdClient;
import io.longhorn.engine.client.NbdUri;
import io.longhorn.engine.client.VerifyingLoad;
import io.longhorn.standalone.Workbench;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A client that connects again whenever its connection breaks, and knows what each sector has to
 * hold all the time. It reads and writes on a thread of its own; the rest is for one other thread.
 */
final class StubbornClient {
  private static final int DEPTH = 2;
  private static final int OPERATIONS = 50;
  private static final long VERIFY_SECONDS = 120;

  /** How long an engine holds what it cannot carry out, before it fails. */
  private static final long HOLD_NANOS = TimeUnit.SECONDS.toNanos(60);

  private static final long AGAIN_NANOS = 50_000_000;

  private final VerifyingLoad load;
  private final AtomicLong answers = new AtomicLong();
  private final AtomicLong connections = new AtomicLong();
  private final Queue<String> refusals = new ConcurrentLinkedQueue<>();
  private volatile long answeredNanos;
  private volatile String uri;
  private volatile boolean isStopping;
  private volatile @Nullable String mismatch;
  private @Nullable Thread thread;

  /** Of a volume that is all zeros now. */
  StubbornClient(long seed, long sizeBytes, String uri) {
    load = new VerifyingLoad(seed, sizeBytes);
    this.uri = uri;
  }

  /** Where it connects from now on. */
  void moveTo(String there) {
    uri = there;
  }

  String uri() {
    return uri;
  }

  /** Reads and writes until stopped; again, or already. */
  void start() {
    if (thread != null) {
      return;
    }
    isStopping = false;
    answeredNanos = System.nanoTime();
    thread = Thread.ofPlatform().daemon().name("stubborn-client").start(this::run);
  }

  private void run() {
    while (!isStopping && mismatch == null) {
      try (NbdClient client = NbdClient.connect(NbdUri.parse(uri))) {
        connections.incrementAndGet();
        use(client);
      } catch (VolumeException _) {
        // Nobody is there yet.
        LockSupport.parkNanos(AGAIN_NANOS);
      }
    }
  }

  private void use(NbdClient client) {
    while (!isStopping && mismatch == null) {
      LoadReport report = load.run(List.of(LoadTarget.of(client)), DEPTH, OPERATIONS);
      answers.addAndGet(report.operations());
      report.firstMismatch().ifPresent(what -> mismatch = what);
      long pauseNanos = TimeUnit.MILLISECONDS.toNanos(report.longestPauseMillis());
      if (report.operations() > 0) {
        answeredNanos = System.nanoTime() - pauseNanos;
      }
      if (report.firstError().isPresent()) {
        note(report.firstError().get());
        // An engine ends before another one is there, and the machine lives on.
        load.crashed(false);
        return;
      }
    }
  }

  /** An end of the connection is no refusal, nor is what fails after it was held for so long. */
  private void note(String error) {
    boolean wasHeld = System.nanoTime() - answeredNanos >= HOLD_NANOS;
    if (!wasHeld && !error.contains(IoError.DISCONNECTED.name())) {
      refusals.add(error);
    }
  }

  /** What calls failed with that should not have failed. */
  List<String> refusals() {
    return List.copyOf(refusals);
  }

  long answers() {
    return answers.get();
  }

  long connections() {
    return connections.get();
  }

  void assertNoMismatch() {
    assertThat(mismatch).as("what was read").isNull();
  }

  /** Waits until more was answered: I/O goes on. */
  void awaitProgress() {
    long wanted = answers() + OPERATIONS;
    Workbench.await("I/O goes on", () -> answers() >= wanted || mismatch != null);
    assertNoMismatch();
  }

  /** Ends it, until the next start. */
  void stop() {
    isStopping = true;
    Thread running = thread;
    if (running == null) {
      return;
    }
    Workbench.await(
        "the client ends",
        () -> {
          load.stop();
          return !running.isAlive();
        });
    thread = null;
    assertNoMismatch();
  }

  /** Reads everything, while stopped; false if the connection broke meanwhile. */
  boolean verify() {
    try (NbdClient client = NbdClient.connect(NbdUri.parse(uri))) {
      LoadReport report =
          CompletableFuture.supplyAsync(() -> load.verifyAll(LoadTarget.of(client)))
              .orTimeout(VERIFY_SECONDS, TimeUnit.SECONDS)
              .join();
      report.firstMismatch().ifPresent(what -> mismatch = what);
      assertNoMismatch();
      report.firstError().ifPresent(this::note);
      return report.firstError().isEmpty();
    } catch (VolumeException _) {
      return false;
    }
  }
}
