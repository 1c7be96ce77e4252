package io.longhorn.api.wire;

import io.longhorn.api.memory.Crc32c;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The 64 bytes before every frame, little-endian:
 *
 * <pre>
 *  0 u16 magic 0x4C48          2 u8  version 1          3 u8  type
 *  4 u16 flags                 6 u16 status (replies)   8 u64 generation tag of the sender's session, 0 before a promise
 * 16 u64 sequence              24 u64 offset            32 u32 length of the range asked for (not of the payload)
 * 36 u32 payload length        40 u32 CRC count         44 u32 layer, 0 = visible / head
 * 48 u64 operation             56 u32 CRC32C of a control payload (data payloads have the CRCs behind the header)
 * 60 u32 CRC32C of bytes 0 to 59
 * </pre>
 *
 * Methods read and write in place; no objects. {@link #seal} before sending, {@link #check} after
 * receiving, before anything else is believed.
 */
public final class FrameHeader {
  /** Bytes of a header. */
  public static final int BYTES = 64;

  /** Largest payload of any frame: a chunk of data, or a control payload. */
  public static final int MAX_PAYLOAD_BYTES = 128 << 10;

  /** Most CRCs a frame carries: one per block of the largest data payload. */
  public static final int MAX_CRCS = MAX_PAYLOAD_BYTES / Crc32c.BLOCK_BYTES;

  /** Largest frame in bytes. */
  public static final int MAX_FRAME_BYTES = BYTES + 4 * MAX_CRCS + MAX_PAYLOAD_BYTES;

  /** The version this build speaks. */
  public static final int VERSION = 1;

  /** On a reply. */
  public static final int FLAG_REPLY = 1;

  /** On WRITE, ZERO, TRIM: durable before it is answered. */
  public static final int FLAG_FUA = 2;

  /** On ZERO: allocate, do not only mark. */
  public static final int FLAG_ALLOCATE = 4;

  /**
   * On WRITE of one block to layer 0: it goes into the layer that shows it now, not into the head.
   * Only to mend a damaged block with what its layer always showed.
   */
  public static final int FLAG_REPAIR = 8;

  static final int MAGIC = 0x4C48;

  private static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int CRC_AT = 60;

  private FrameHeader() {}

  /** Outcome of {@link #check}. */
  public enum Check {
    /** The header can be believed; its lengths are within the limits. */
    OK,
    /** Not a frame of ours, or damaged: close the connection. */
    BAD,
    /** A frame of a version this build does not know: answer {@code UNKNOWN_VERSION} and close. */
    UNKNOWN_VERSION
  }

  /** Writes a header with the given fields and zeros elsewhere; not sealed yet. */
  public static void write(
      MemorySegment s, long at, FrameType type, int flags, long generation, long sequence) {
    s.set(U16, at, (short) MAGIC);
    s.set(ValueLayout.JAVA_BYTE, at + 2, (byte) VERSION);
    s.set(ValueLayout.JAVA_BYTE, at + 3, (byte) type.code());
    s.set(U16, at + 4, (short) flags);
    s.set(U16, at + 6, (short) 0);
    s.set(U64, at + 8, generation);
    s.set(U64, at + 16, sequence);
    s.set(U64, at + 24, 0);
    s.set(U64, at + 32, 0);
    s.set(U64, at + 40, 0);
    s.set(U64, at + 48, 0);
    s.set(U64, at + 56, 0);
  }

  /**
   * Writes the header of a reply and zeros elsewhere; not sealed yet. May be written over the
   * request that it answers.
   *
   * @param typeCode the request's, also one that this build does not know
   * @param generation tag of the session that answers
   * @param sequence the request's
   * @param status number of an {@link io.longhorn.api.IoError}
   */
  public static void writeReply(
      MemorySegment s, long at, int typeCode, long generation, long sequence, int status) {
    write(s, at, FrameType.PING, FLAG_REPLY, generation, sequence);
    s.set(ValueLayout.JAVA_BYTE, at + 3, (byte) typeCode);
    status(s, at, status);
  }

  /**
   * Computes and stores the header's CRC; {@code view} is a buffer over the same memory as {@code
   * s}, index 0 at index 0.
   */
  public static void seal(MemorySegment s, ByteBuffer view, long at, Crc32c crc) {
    s.set(U32, at + CRC_AT, crc.of(view, (int) at, CRC_AT));
  }

  /** Checks magic, CRC, version and that every length is within its limit, in that order. */
  public static Check check(MemorySegment s, ByteBuffer view, long at, Crc32c crc) {
    if (Short.toUnsignedInt(s.get(U16, at)) != MAGIC
        || s.get(U32, at + CRC_AT) != crc.of(view, (int) at, CRC_AT)) {
      return Check.BAD;
    }
    if (version(s, at) != VERSION) {
      return Check.UNKNOWN_VERSION;
    }
    return Integer.compareUnsigned(payloadLength(s, at), MAX_PAYLOAD_BYTES) <= 0
            && Integer.compareUnsigned(crcCount(s, at), MAX_CRCS) <= 0
        ? Check.OK
        : Check.BAD;
  }

  /** Bytes of the whole frame whose checked header is here. */
  public static int frameBytes(MemorySegment s, long at) {
    return BYTES + 4 * crcCount(s, at) + payloadLength(s, at);
  }

  /** The version of the sender. */
  public static int version(MemorySegment s, long at) {
    return Byte.toUnsignedInt(s.get(ValueLayout.JAVA_BYTE, at + 2));
  }

  /** The type's number; {@link FrameType#ofCode} says which. */
  public static int typeCode(MemorySegment s, long at) {
    return Byte.toUnsignedInt(s.get(ValueLayout.JAVA_BYTE, at + 3));
  }

  /** The flags. */
  public static int flags(MemorySegment s, long at) {
    return Short.toUnsignedInt(s.get(U16, at + 4));
  }

  /** The status of a reply: an {@link io.longhorn.api.IoError} number. */
  public static int status(MemorySegment s, long at) {
    return Short.toUnsignedInt(s.get(U16, at + 6));
  }

  /** The generation tag. */
  public static long generation(MemorySegment s, long at) {
    return s.get(U64, at + 8);
  }

  /** The sequence, chosen by the asker, returned in the reply. */
  public static long sequence(MemorySegment s, long at) {
    return s.get(U64, at + 16);
  }

  /** The offset, in bytes of the volume (or what the type says). */
  public static long offset(MemorySegment s, long at) {
    return s.get(U64, at + 24);
  }

  /** The length of the range in bytes, unsigned. */
  public static int length(MemorySegment s, long at) {
    return s.get(U32, at + 32);
  }

  /** Bytes behind the CRCs. */
  public static int payloadLength(MemorySegment s, long at) {
    return s.get(U32, at + 36);
  }

  /** How many CRCs follow the header. */
  public static int crcCount(MemorySegment s, long at) {
    return s.get(U32, at + 40);
  }

  /** The layer, 0 for the visible volume (reads) or the head (writes). */
  public static int layer(MemorySegment s, long at) {
    return s.get(U32, at + 44);
  }

  /** The engine's operation number, for metadata operations. */
  public static long operation(MemorySegment s, long at) {
    return s.get(U64, at + 48);
  }

  /** CRC32C of a control payload. */
  public static int controlCrc(MemorySegment s, long at) {
    return s.get(U32, at + 56);
  }

  /** Sets the status. */
  public static void status(MemorySegment s, long at, int status) {
    s.set(U16, at + 6, (short) status);
  }

  /** Sets the range. */
  public static void range(MemorySegment s, long at, long offset, int length) {
    s.set(U64, at + 24, offset);
    s.set(U32, at + 32, length);
  }

  /** Sets what follows the header. */
  public static void payload(MemorySegment s, long at, int crcCount, int payloadLength) {
    s.set(U32, at + 36, payloadLength);
    s.set(U32, at + 40, crcCount);
  }

  /** Sets the layer. */
  public static void layer(MemorySegment s, long at, int layer) {
    s.set(U32, at + 44, layer);
  }

  /** Sets the operation number. */
  public static void operation(MemorySegment s, long at, long operation) {
    s.set(U64, at + 48, operation);
  }

  /** Sets the CRC32C of a control payload. */
  public static void controlCrc(MemorySegment s, long at, int crc) {
    s.set(U32, at + 56, crc);
  }

  /** The CRC of one block of a frame whose header is at {@code at}. */
  public static int blockCrc(MemorySegment s, long at, int block) {
    return s.get(U32, at + BYTES + 4L * block);
  }

  /** Sets the CRC of one block of a frame whose header is at {@code at}. */
  public static void blockCrc(MemorySegment s, long at, int block, int crc) {
    s.set(U32, at + BYTES + 4L * block, crc);
  }
}
