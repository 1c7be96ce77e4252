package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.BlockState;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.orchestration.sim.world.BlockValue;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A frame, as it goes over a link: encoded and decoded by the header, checksums and fields of the
 * wire protocol.
 *
 * @param generation tag of the session
 * @param sequence the asker's, returned in the reply
 * @param block that it is about, if it is about one
 * @param regions of a write-intent bitmap that it is about, from the first one on; 0 if it is not
 * @param payload control fields, or the content of a block
 */
record SimFrame(
    FrameType type,
    boolean isReply,
    IoError status,
    long generation,
    long sequence,
    int block,
    int regions,
    byte[] payload) {
  private static final byte[] NOTHING = new byte[0];

  /** Asks, with fields. */
  static SimFrame ask(FrameType type, long generation, long sequence, FieldWriter fields) {
    return new SimFrame(type, false, IoError.OK, generation, sequence, 0, 0, fields.toBytes());
  }

  /** Asks about a block. */
  static SimFrame ask(FrameType type, long generation, long sequence, int block) {
    return new SimFrame(type, false, IoError.OK, generation, sequence, block, 0, NOTHING);
  }

  /** Asks for nothing more than its type says. */
  static SimFrame ask(FrameType type, long generation, long sequence) {
    return ask(type, generation, sequence, 0);
  }

  /** A WRITE. */
  static SimFrame write(long generation, long sequence, int block, BlockValue value) {
    return new SimFrame(
        FrameType.WRITE, false, IoError.OK, generation, sequence, block, 0, content(value));
  }

  /** Asks about a whole write-intent bitmap, with bits or without. */
  static SimFrame bitmap(FrameType type, long generation, long sequence, int regions, byte[] bits) {
    return new SimFrame(type, false, IoError.OK, generation, sequence, 0, regions, bits);
  }

  /** The answer to this one, with fields. */
  SimFrame reply(IoError how, FieldWriter fields) {
    return new SimFrame(type, true, how, generation, sequence, block, regions, fields.toBytes());
  }

  /** The answer to this one. */
  SimFrame reply(IoError how) {
    return new SimFrame(type, true, how, generation, sequence, block, regions, NOTHING);
  }

  /** The answer to this one, with bits. */
  SimFrame bits(byte[] bits) {
    return new SimFrame(type, true, IoError.OK, generation, sequence, block, regions, bits);
  }

  /** The answer to a READ. */
  SimFrame data(BlockValue value) {
    return new SimFrame(type, true, IoError.OK, generation, sequence, block, 0, content(value));
  }

  private static byte[] content(BlockValue value) {
    byte[] content = new byte[Crc32c.BLOCK_BYTES];
    ByteBuffer.wrap(content)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(value.generation())
        .putLong(value.stamp());
    return content;
  }

  /** Which value the content of a block is. */
  static BlockValue value(ByteBuffer content, int at) {
    ByteBuffer of = content.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    return new BlockValue(of.getLong(at), of.getLong(at + Long.BYTES));
  }

  /** Whose content it carries. */
  BlockValue value() {
    return value(ByteBuffer.wrap(payload), 0);
  }

  /** The answer to BLOCK_HASHES of one block: values differ where these do. */
  SimFrame hash(BlockValue value) {
    ByteBuffer entry =
        ByteBuffer.allocate(FrameType.HASH_ENTRY_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    entry.put((byte) BlockState.DATA.code()).putLong(value.generation()).putLong(value.stamp());
    return new SimFrame(type, true, IoError.OK, generation, sequence, block, 0, entry.array());
  }

  /** Its fields. */
  FieldReader fields() {
    return new FieldReader(payload);
  }

  private boolean isAboutBlock() {
    return isAboutBlock(type);
  }

  private static boolean isAboutBlock(FrameType type) {
    return type == FrameType.WRITE || type == FrameType.READ || type == FrameType.BLOCK_HASHES;
  }

  private boolean hasData() {
    return payload.length == Crc32c.BLOCK_BYTES
        && ((type == FrameType.WRITE && !isReply) || (type == FrameType.READ && isReply));
  }

  /** As bytes. */
  byte[] encode() {
    int crcs = hasData() ? 1 : 0;
    byte[] bytes = new byte[FrameHeader.BYTES + 4 * crcs + payload.length];
    MemorySegment s = MemorySegment.ofArray(bytes);
    ByteBuffer view = ByteBuffer.wrap(bytes);
    Crc32c crc = new Crc32c();
    if (isReply) {
      FrameHeader.writeReply(s, 0, type.code(), generation, sequence, status.code());
    } else {
      FrameHeader.write(s, 0, type, 0, generation, sequence);
    }
    FrameHeader.range(
        s, 0, (long) block * Crc32c.BLOCK_BYTES, isAboutBlock() ? Crc32c.BLOCK_BYTES : regions);
    FrameHeader.payload(s, 0, crcs, payload.length);
    System.arraycopy(payload, 0, bytes, FrameHeader.BYTES + 4 * crcs, payload.length);
    int sum = crc.of(view, FrameHeader.BYTES + 4 * crcs, payload.length);
    if (crcs == 1) {
      FrameHeader.blockCrc(s, 0, 0, sum);
    } else {
      FrameHeader.controlCrc(s, 0, sum);
    }
    FrameHeader.seal(s, view, 0, crc);
    return bytes;
  }

  /** From bytes; throws for anything that is not a frame. */
  static SimFrame decode(byte[] bytes) {
    MemorySegment s = MemorySegment.ofArray(bytes);
    ByteBuffer view = ByteBuffer.wrap(bytes);
    Crc32c crc = new Crc32c();
    if (FrameHeader.check(s, view, 0, crc) != FrameHeader.Check.OK
        || FrameHeader.frameBytes(s, 0) != bytes.length) {
      throw new IllegalStateException("not a frame: " + bytes.length + " bytes");
    }
    int from = FrameHeader.BYTES + 4 * FrameHeader.crcCount(s, 0);
    byte[] payload = Arrays.copyOfRange(bytes, from, bytes.length);
    view.clear();
    int sum = crc.of(view, from, payload.length);
    int sent =
        from > FrameHeader.BYTES ? FrameHeader.blockCrc(s, 0, 0) : FrameHeader.controlCrc(s, 0);
    FrameType type = FrameType.ofCode(FrameHeader.typeCode(s, 0));
    if (sum != sent || type == null) {
      throw new IllegalStateException("a damaged frame of type " + type);
    }
    return new SimFrame(
        type,
        (FrameHeader.flags(s, 0) & FrameHeader.FLAG_REPLY) != 0,
        IoError.ofCode(FrameHeader.status(s, 0)),
        FrameHeader.generation(s, 0),
        FrameHeader.sequence(s, 0),
        (int) (FrameHeader.offset(s, 0) / Crc32c.BLOCK_BYTES),
        isAboutBlock(type) ? 0 : FrameHeader.length(s, 0),
        payload);
  }
}
