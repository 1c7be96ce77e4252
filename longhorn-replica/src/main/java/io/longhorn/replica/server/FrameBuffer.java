package io.longhorn.replica.server;

import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FrameHeader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * What has arrived on a connection and was not served yet: bytes in, complete frames out, in place.
 * Nothing is believed before its header's CRC was right, and nothing is ever larger than the
 * buffer, which holds several of the largest frames. One thread.
 */
final class FrameBuffer {
  /** Where the next frame is, or why there is none. */
  static final int INCOMPLETE = -1;

  /** {@link #next}: not a frame: the connection cannot go on. */
  static final int BAD = -2;

  /** {@link #next}: a frame of a version that this build does not know. */
  static final int UNKNOWN_VERSION = -3;

  private static final int PAGE_BYTES = 4096;

  private final MemorySegment memory;
  private final ByteBuffer view;
  private final long address;
  private final int capacity;
  private final Crc32c crc = new Crc32c();
  private int begin;
  private int end;
  // Bytes of the frame at `begin` once its header was checked, 0 before.
  private int frameBytes;

  /**
   * A buffer that lives as long as the arena.
   *
   * @param capacityBytes at least two of the largest frames
   */
  FrameBuffer(Arena arena, int capacityBytes) {
    if (capacityBytes < 2 * FrameHeader.MAX_FRAME_BYTES) {
      throw new IllegalArgumentException(
          capacityBytes + " bytes are less than two frames of " + FrameHeader.MAX_FRAME_BYTES);
    }
    memory = arena.allocate(capacityBytes, PAGE_BYTES);
    view = memory.asByteBuffer();
    address = memory.address();
    capacity = capacityBytes;
  }

  MemorySegment memory() {
    return memory;
  }

  /** The memory as a direct buffer; position and limit are anybody's. */
  ByteBuffer view() {
    return view;
  }

  /** Where the next frame begins, complete or not, right or not. */
  int begin() {
    return begin;
  }

  /** Where the next bytes go. */
  long fillAddress() {
    return address + end;
  }

  /** How many bytes may go there; never 0 after {@link #makeRoom}. */
  int room() {
    return capacity - end;
  }

  /** So many bytes have arrived at {@link #fillAddress}. */
  void filled(int bytes) {
    if (bytes < 0 || bytes > capacity - end) {
      throw new IllegalArgumentException(bytes + " bytes into room for " + (capacity - end));
    }
    end += bytes;
  }

  /**
   * Where the next complete frame begins in {@link #memory}, or {@link #INCOMPLETE}, {@link #BAD},
   * {@link #UNKNOWN_VERSION}. The same one until {@link #consume}.
   */
  int next() {
    if (frameBytes == 0) {
      if (end - begin < FrameHeader.BYTES) {
        return INCOMPLETE;
      }
      switch (FrameHeader.check(memory, view, begin, crc)) {
        case BAD -> {
          return BAD;
        }
        case UNKNOWN_VERSION -> {
          return UNKNOWN_VERSION;
        }
        case OK -> frameBytes = FrameHeader.frameBytes(memory, begin);
      }
    }
    return end - begin < frameBytes ? INCOMPLETE : begin;
  }

  /** The frame at {@link #next} is done with; its bytes may be overwritten by the next arrivals. */
  void consume() {
    if (frameBytes == 0 || end - begin < frameBytes) {
      throw new IllegalStateException("no complete frame to consume");
    }
    begin += frameBytes;
    frameBytes = 0;
    if (begin == end) {
      begin = 0;
      end = 0;
    }
  }

  /**
   * Called before more is received, when every complete frame was consumed: moves the beginning of
   * the next frame to the front if there is little room behind it.
   */
  void makeRoom() {
    if (begin > 0 && room() < FrameHeader.MAX_FRAME_BYTES) {
      MemorySegment.copy(memory, begin, memory, 0, end - begin);
      end -= begin;
      begin = 0;
    }
  }
}
