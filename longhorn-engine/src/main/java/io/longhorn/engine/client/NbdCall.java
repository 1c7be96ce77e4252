package io.longhorn.engine.client;

import io.longhorn.api.IoError;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;

/** A request under way: filled by the reader's thread, awaited by the caller's. */
final class NbdCall {
  final long offset;
  final long length;

  /** Where read data goes; null for everything but reads. */
  final @Nullable MemorySegment target;

  final List<Extent> extents = new ArrayList<>();
  private final CountDownLatch done = new CountDownLatch(1);
  private long covered;
  private IoError error = IoError.OK;

  NbdCall(long offset, long length, @Nullable MemorySegment target) {
    this.offset = offset;
    this.length = length;
    this.target = target;
  }

  /** Whether the range lies inside the request; counts it as answered. */
  boolean covers(long from, long bytes) {
    boolean isInside =
        target != null && from >= offset && bytes >= 0 && from - offset <= length - bytes;
    covered += isInside ? bytes : 0;
    return isInside;
  }

  /** Keeps the first error. */
  void fail(IoError reason) {
    if (error.isOk()) {
      error = reason;
    }
  }

  /** The last of its reply has come. A read that lacks bytes is a breach of the protocol. */
  void finish() {
    if (error.isOk() && target != null && covered != length) {
      error = IoError.PROTOCOL;
    }
    done.countDown();
  }

  /** Waits, without regard to interrupts: the answer or the end of the connection comes. */
  IoError await() {
    boolean wasInterrupted = false;
    while (true) {
      try {
        done.await();
        break;
      } catch (InterruptedException _) {
        wasInterrupted = true;
      }
    }
    if (wasInterrupted) {
      Thread.currentThread().interrupt();
    }
    return error;
  }
}
