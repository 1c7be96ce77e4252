package io.longhorn.engine.replication;

import io.longhorn.engine.request.IoRequest;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * Orders overlapping requests, so that every member applies them in one order and a read waits for
 * an overlapping write (K1). A request conflicts with one before it if their blocks overlap and one
 * of them is exclusive; it is granted when the last one it conflicts with is released. First come,
 * first served, so nothing starves and nothing deadlocks.
 *
 * <p>A request inside one chunk hangs in the bucket of its chunk; one that covers more hangs in a
 * list of its own, expected to be short.
 */
final class RangeLocks {
  private static final int BUCKETS = 1024;
  private static final int CHUNK_SHIFT = Integer.numberOfTrailingZeros(IoRequest.CHUNK_BYTES);

  private final @Nullable VolumeRequest[] buckets = new @Nullable VolumeRequest[BUCKETS];
  private @Nullable VolumeRequest wide;
  private final ArrayDeque<VolumeRequest> granted = new ArrayDeque<>(BUCKETS);
  private long nextTicket = 1;
  private int held;

  /**
   * Queues for the request's range; {@link #nextGranted} hands it out when it is its turn, at once
   * if nothing is in the way.
   */
  void acquire(VolumeRequest request) {
    request.ticket = nextTicket++;
    request.isQueued = true;
    request.blockers = 0;
    if (request.isWide()) {
      for (long chunk = request.first >> CHUNK_SHIFT;
          chunk <= (request.end - 1) >> CHUNK_SHIFT;
          chunk++) {
        request.blockers += conflicts(buckets[bucket(chunk)], request, chunk);
      }
      request.blockers += conflicts(wide, request, -1);
      wide = link(request, wide);
    } else {
      int bucket = bucket(request.first >> CHUNK_SHIFT);
      request.blockers = conflicts(buckets[bucket], request, -1) + conflicts(wide, request, -1);
      buckets[bucket] = link(request, buckets[bucket]);
    }
    held++;
    if (request.blockers == 0) {
      granted.add(request);
    }
  }

  /** The next request whose turn has come, or null. */
  @Nullable VolumeRequest nextGranted() {
    VolumeRequest next = granted.poll();
    if (next != null) {
      next.isQueued = false;
      next.isLocked = true;
    }
    return next;
  }

  /** Lets go of a range that was granted. */
  void release(VolumeRequest request) {
    request.isLocked = false;
    held--;
    if (request.isWide()) {
      wide = unlink(request, wide);
      for (long chunk = request.first >> CHUNK_SHIFT;
          chunk <= (request.end - 1) >> CHUNK_SHIFT;
          chunk++) {
        unblock(buckets[bucket(chunk)], request, chunk);
      }
    } else {
      int bucket = bucket(request.first >> CHUNK_SHIFT);
      buckets[bucket] = unlink(request, buckets[bucket]);
      unblock(buckets[bucket], request, -1);
    }
    unblock(wide, request, -1);
  }

  /** How many requests hold or wait for a range. */
  int held() {
    return held;
  }

  /**
   * Chunks that share a bucket are told apart by {@code onlyChunk}, so that a wide request does not
   * count one twice; -1 counts all.
   */
  private static int conflicts(
      @Nullable VolumeRequest list, VolumeRequest request, long onlyChunk) {
    int count = 0;
    for (VolumeRequest other = list; other != null; other = other.nextInList) {
      if (isIn(other, onlyChunk) && conflict(other, request)) {
        count++;
      }
    }
    return count;
  }

  private void unblock(@Nullable VolumeRequest list, VolumeRequest released, long onlyChunk) {
    // Lists are newest first; walking them oldest first keeps the grants in the order of arrival.
    VolumeRequest last = null;
    for (VolumeRequest other = list; other != null; other = other.nextInList) {
      last = other;
    }
    for (VolumeRequest other = last; other != null; other = other.previousInList) {
      if (other.ticket > released.ticket
          && isIn(other, onlyChunk)
          && conflict(other, released)
          && --other.blockers == 0) {
        granted.add(other);
      }
    }
  }

  private static boolean isIn(VolumeRequest request, long onlyChunk) {
    return onlyChunk < 0 || request.first >> CHUNK_SHIFT == onlyChunk;
  }

  private static boolean conflict(VolumeRequest a, VolumeRequest b) {
    return a.first < b.end && b.first < a.end && (a.isExclusive || b.isExclusive);
  }

  private static VolumeRequest link(VolumeRequest request, @Nullable VolumeRequest list) {
    request.nextInList = list;
    request.previousInList = null;
    if (list != null) {
      list.previousInList = request;
    }
    return request;
  }

  private static @Nullable VolumeRequest unlink(
      VolumeRequest request, @Nullable VolumeRequest list) {
    VolumeRequest next = request.nextInList;
    VolumeRequest previous = request.previousInList;
    if (next != null) {
      next.previousInList = previous;
    }
    if (previous != null) {
      previous.nextInList = next;
    }
    request.nextInList = null;
    request.previousInList = null;
    return previous == null ? next : list;
  }

  private static int bucket(long chunk) {
    return (int) (chunk ^ (chunk >>> 10)) & (BUCKETS - 1);
  }
}
