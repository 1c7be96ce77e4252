package io.longhorn.api.wire;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/**
 * Reads a control payload: keeps every field by number, ignores none silently that is asked for,
 * skips those nobody asks for. Any bytes give a reader or a {@link WireFormatException}; at most
 * {@link #MAX_FIELDS} fields.
 */
public final class FieldReader {
  /** Most fields in one record. */
  public static final int MAX_FIELDS = 16_384;

  private final TreeMap<Integer, List<byte[]>> fields = new TreeMap<>();

  /** Parses the whole payload; throws {@link WireFormatException}. */
  public FieldReader(byte[] payload) {
    if (payload.length > FrameHeader.MAX_PAYLOAD_BYTES) {
      throw new WireFormatException(
          "control payload: "
              + payload.length
              + " bytes are over the limit of "
              + FrameHeader.MAX_PAYLOAD_BYTES);
    }
    ByteBuffer in = ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN);
    int count = 0;
    while (in.hasRemaining()) {
      if (in.remaining() < 6 || ++count > MAX_FIELDS) {
        throw new WireFormatException(
            "control payload: cut off in a field's head, or more than " + MAX_FIELDS + " fields");
      }
      int field = Short.toUnsignedInt(in.getShort());
      int length = in.getInt();
      if (field == 0 || length < 0 || length > in.remaining()) {
        throw new WireFormatException(
            "control payload: field "
                + field
                + " has length "
                + length
                + " with "
                + in.remaining()
                + " bytes left");
      }
      byte[] value = new byte[length];
      in.get(value);
      fields.computeIfAbsent(field, _ -> new ArrayList<>()).add(value);
    }
  }

  /** Whether the field is there. */
  public boolean has(int field) {
    return fields.containsKey(field);
  }

  /** How many times the field is there. */
  public int count(int field) {
    List<byte[]> values = fields.get(field);
    return values == null ? 0 : values.size();
  }

  /** A number that has to be there. */
  public long number(int field) {
    return asNumber(field, one(field));
  }

  /** A number, or the given value where an older peer does not send it. */
  public long number(int field, long otherwise) {
    return has(field) ? number(field) : otherwise;
  }

  /** A number that has to be there and fit into an int. */
  public int intNumber(int field) {
    long value = number(field);
    if ((int) value != value) {
      throw new WireFormatException(
          "control payload: field " + field + " is " + value + ", which no int holds");
    }
    return (int) value;
  }

  /** A truth; false where an older peer does not send it. */
  public boolean bool(int field) {
    return number(field, 0) != 0;
  }

  /** Text in UTF-8 that has to be there. */
  public String text(int field) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(one(field))).toString();
    } catch (CharacterCodingException e) {
      throw new WireFormatException("control payload: field " + field + " is not UTF-8", e);
    }
  }

  /** Text, if it is there. */
  public Optional<String> optionalText(int field) {
    return has(field) ? Optional.of(text(field)) : Optional.empty();
  }

  /** An identity that has to be there. */
  public UUID uuid(int field) {
    return asUuid(field, one(field));
  }

  /** A nested record that has to be there. */
  public FieldReader nested(int field) {
    return new FieldReader(one(field));
  }

  /** Every nested record of a repeated field, in order; none is an empty list. */
  public List<FieldReader> allNested(int field) {
    return fields.getOrDefault(field, List.of()).stream().map(FieldReader::new).toList();
  }

  /** Every text of a repeated field, as a set; an older peer that does not send it sends none. */
  public SortedSet<String> allTexts(int field) {
    TreeSet<String> texts = new TreeSet<>();
    allNested(field).forEach(one -> texts.add(one.text(1)));
    return texts;
  }

  /** Every identity of a repeated field, in order. */
  public List<UUID> allUuids(int field) {
    return fields.getOrDefault(field, List.of()).stream()
        .map(value -> asUuid(field, value))
        .toList();
  }

  /** Bytes that have to be there. */
  public byte[] bytes(int field) {
    return one(field).clone();
  }

  private byte[] one(int field) {
    List<byte[]> values = fields.get(field);
    if (values == null || values.size() != 1) {
      throw new WireFormatException(
          "control payload: field " + field + " is there " + count(field) + " times, not once");
    }
    return values.getFirst();
  }

  private static long asNumber(int field, byte[] value) {
    if (value.length != 8) {
      throw new WireFormatException(
          "control payload: field " + field + " is a number of " + value.length + " bytes, not 8");
    }
    return ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN).getLong();
  }

  private static UUID asUuid(int field, byte[] value) {
    if (value.length != 16) {
      throw new WireFormatException(
          "control payload: field "
              + field
              + " is an identity of "
              + value.length
              + " bytes, not 16");
    }
    ByteBuffer in = ByteBuffer.wrap(value);
    return new UUID(in.getLong(), in.getLong());
  }
}
