package io.longhorn.replica.store;

import io.longhorn.api.IoError;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * One request on blocks and what the store keeps of it while it waits: reused by its maker, so that
 * requests allocate nothing. The maker sets the range and the memory, hands it to one method of
 * {@link ReplicaStore}, and may touch it and its memory again when {@link #completed} was called.
 * Owner thread.
 *
 * <p>Two requests that overlap are not under way at once if one of them changes anything: the
 * engine's range locks see to it.
 */
public abstract class BlockRequest implements Completion {
  private static final MemorySegment NO_MEMORY = MemorySegment.NULL;

  int layer;
  long offset;
  int length;
  MemorySegment data = NO_MEMORY;
  long dataAt;
  MemorySegment crcs = NO_MEMORY;
  long crcsAt;
  int resultBytes;

  // The store's own, from here on.
  int kind;
  int step;
  boolean isForced;
  @Nullable BlockRequest next;

  /** A request without a range yet. */
  protected BlockRequest() {}

  /**
   * Which blocks.
   *
   * @param rangeLayer layer id; 0 is the visible volume for reads and the head for changes
   * @param rangeOffset in bytes, a multiple of 4096
   * @param rangeLength in bytes, a multiple of 4096, above 0
   */
  public final void range(int rangeLayer, long rangeOffset, int rangeLength) {
    layer = rangeLayer;
    offset = rangeOffset;
    length = rangeLength;
  }

  /**
   * Native memory for data: the source of a write, the target of a read, hashes or a map. Any
   * alignment; 4096 saves a copy with O_DIRECT.
   */
  public final void data(MemorySegment memory, long at) {
    data = memory;
    dataAt = at;
  }

  /** Native memory for one little-endian CRC32C per block, for reads and writes. */
  public final void crcs(MemorySegment memory, long at) {
    crcs = memory;
    crcsAt = at;
  }

  /** How many bytes of {@link #data} the answer has: for hashes and maps. */
  public final int resultBytes() {
    return resultBytes;
  }

  /** Requests that wait for the same thing, in order. */
  static final class Queue {
    private @Nullable BlockRequest first;
    private @Nullable BlockRequest last;

    boolean isEmpty() {
      return first == null;
    }

    void add(BlockRequest request) {
      if (last == null) {
        first = request;
      } else {
        last.next = request;
      }
      last = request;
    }

    /** Takes all of {@code other}'s, which is empty then. */
    void addAll(Queue other) {
      if (other.first == null) {
        return;
      }
      if (last == null) {
        first = other.first;
      } else {
        last.next = other.first;
      }
      last = other.last;
      other.first = null;
      other.last = null;
    }

    /** Empties the queue and answers its first request, linked to the others. */
    @Nullable BlockRequest takeAll() {
      BlockRequest all = first;
      first = null;
      last = null;
      return all;
    }
  }

  /** {@inheritDoc} For a request: it and its memory are the maker's again. */
  @Override
  public abstract void completed(IoError error);
}
