package io.longhorn.api.wire;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.SortedSet;
import java.util.UUID;

/**
 * Writes a control payload: fields of u16 number, u32 length, bytes. A field may repeat; a nested
 * record is a field whose bytes are fields. Not for the data path.
 */
public final class FieldWriter {
  /** Highest field number. */
  public static final int MAX_FIELD = 0xFFFF;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  /** A number, 8 bytes. */
  public FieldWriter number(int field, long value) {
    return bytes(
        field, ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
  }

  /** A truth, as the number 0 or 1. */
  public FieldWriter bool(int field, boolean value) {
    return number(field, value ? 1 : 0);
  }

  /** Text in UTF-8. */
  public FieldWriter text(int field, String value) {
    return bytes(field, value.getBytes(StandardCharsets.UTF_8));
  }

  /** An identity, 16 bytes, most significant first as UUIDs are printed. */
  public FieldWriter uuid(int field, UUID value) {
    return bytes(
        field,
        ByteBuffer.allocate(16)
            .putLong(value.getMostSignificantBits())
            .putLong(value.getLeastSignificantBits())
            .array());
  }

  /** A nested record. */
  public FieldWriter nested(int field, FieldWriter value) {
    return bytes(field, value.toBytes());
  }

  /** A set of texts, as a repeated field. */
  public FieldWriter texts(int field, SortedSet<String> texts) {
    texts.forEach(text -> nested(field, new FieldWriter().text(1, text)));
    return this;
  }

  /**
   * Bytes as they are.
   *
   * @param field 1 to {@link #MAX_FIELD}
   */
  public FieldWriter bytes(int field, byte[] value) {
    if (field < 1 || field > MAX_FIELD) {
      throw new IllegalArgumentException("field " + field + " is not one of 1 to " + MAX_FIELD);
    }
    ByteBuffer head = ByteBuffer.allocate(6).order(ByteOrder.LITTLE_ENDIAN);
    head.putShort((short) field).putInt(value.length);
    out.writeBytes(head.array());
    out.writeBytes(value);
    return this;
  }

  /**
   * The payload; throws {@link IllegalStateException} if it is larger than a frame may carry, alone
   * or with what it was nested in.
   */
  public byte[] toBytes() {
    if (out.size() > FrameHeader.MAX_PAYLOAD_BYTES) {
      throw new IllegalStateException(
          "control payload of "
              + out.size()
              + " bytes is over the limit of "
              + FrameHeader.MAX_PAYLOAD_BYTES);
    }
    return out.toByteArray();
  }
}
