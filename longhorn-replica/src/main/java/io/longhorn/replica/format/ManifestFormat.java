package io.longhorn.replica.format;

import io.longhorn.api.IoError;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;

/**
 * {@code manifest.log}: what the directory consists of, one record of 512 bytes per change,
 * appended and fdatasynced: there is no half-done change. Record i is at 512 * i. A last record
 * that is not valid was never committed, and is cut off. Compaction writes the same records without
 * those that cancel each other into {@code manifest.<n>}, which is renamed to {@code manifest.log}.
 *
 * <pre>
 *    0  4  magic "LHMR"
 *    4  2  version 1
 *    6  2  type
 *    8  8  operation number of the engine; 0 for CREATE; rising
 *   16  8  index of the record, from 0
 *   24  4  length of the payload in bytes, 0 to 476
 *   28  4  zero
 *   32     payload: numbered fields as in {@code FieldWriter}; zeros behind it
 *  508  4  CRC32C of bytes 0 to 507
 *
 *  type        fields
 *  1 CREATE    1 size in bytes, 2 head
 *  2 SEAL      1 layer, 2 new head, 3 snapshot's name, 4 created (ms since 1970), 5 user created
 *  3 DELETE    1 layer
 *  4 ADOPT     1 layer, 2 child
 *  5 REVERT    1 layer, 2 new head
 *  6 EXPAND    1 size in bytes, 2 number of the bitmap's file
 *  7 BRANCH    1 layer, 2 new head
 * </pre>
 *
 * This build reads all of them and applies 1 and 2; a directory with another one is refused.
 */
public final class ManifestFormat {
  /** Bytes of a record. */
  public static final int RECORD_BYTES = 512;

  /** The version this build writes and reads. */
  public static final int VERSION = 1;

  private static final int MAGIC = 0x524D_484C;
  private static final int PAYLOAD_AT = 32;
  private static final int CRC_AT = RECORD_BYTES - 4;
  private static final int MAX_PAYLOAD_BYTES = CRC_AT - PAYLOAD_AT;

  private ManifestFormat() {}

  /**
   * A record with its number.
   *
   * @param operation the engine's number
   * @param index position in the manifest
   * @param record what changed
   */
  public record Entry(long operation, long index, ManifestRecord record) {}

  /** Writes a record at {@code at}. */
  public static void write(RecordMemory out, int at, Entry entry) {
    byte[] payload = payload(entry.record).toBytes();
    if (payload.length > MAX_PAYLOAD_BYTES) {
      throw new IllegalArgumentException(
          "manifest record of " + payload.length + " bytes: " + entry);
    }
    out.clear(at, RECORD_BYTES);
    out.putInt(at, MAGIC);
    out.putShort(at + 4, VERSION);
    out.putShort(at + 6, type(entry.record));
    out.putLong(at + 8, entry.operation);
    out.putLong(at + 16, entry.index);
    out.putInt(at + 24, payload.length);
    out.putBytes(at + PAYLOAD_AT, payload);
    out.putInt(at + CRC_AT, out.crc(at, CRC_AT));
  }

  /** Whether there is a whole record at {@code at}, of any version. */
  public static boolean isRecord(RecordMemory in, int at) {
    return in.takeInt(at) == MAGIC && in.takeInt(at + CRC_AT) == in.crc(at, CRC_AT);
  }

  /** Reads a record that {@link #isRecord}. */
  public static Entry read(RecordMemory in, int at) throws FormatException {
    if (in.takeShort(at + 4) != VERSION) {
      throw new FormatException(
          IoError.UNKNOWN_VERSION,
          "manifest record has version " + in.takeShort(at + 4) + ", this build knows " + VERSION);
    }
    int length = in.takeInt(at + 24);
    if (length < 0 || length > MAX_PAYLOAD_BYTES) {
      throw new FormatException(IoError.CORRUPT, "manifest record of length " + length);
    }
    try {
      FieldReader fields = new FieldReader(in.takeBytes(at + PAYLOAD_AT, length));
      return new Entry(
          in.takeLong(at + 8), in.takeLong(at + 16), record(in.takeShort(at + 6), fields));
    } catch (WireFormatException | ArithmeticException e) {
      throw new FormatException(IoError.CORRUPT, "manifest record: " + e.getMessage());
    }
  }

  private static int type(ManifestRecord record) {
    return switch (record) {
      case ManifestRecord.Create _ -> 1;
      case ManifestRecord.Seal _ -> 2;
      case ManifestRecord.Delete _ -> 3;
      case ManifestRecord.Adopt _ -> 4;
      case ManifestRecord.Revert _ -> 5;
      case ManifestRecord.Expand _ -> 6;
      case ManifestRecord.Branch _ -> 7;
    };
  }

  private static FieldWriter payload(ManifestRecord record) {
    FieldWriter out = new FieldWriter();
    return switch (record) {
      case ManifestRecord.Create create ->
          out.number(1, create.sizeBytes()).number(2, create.head());
      case ManifestRecord.Seal seal ->
          out.number(1, seal.layer())
              .number(2, seal.newHead())
              .text(3, seal.snapshot())
              .number(4, seal.createdMillis())
              .bool(5, seal.isUserCreated());
      case ManifestRecord.Delete delete -> out.number(1, delete.layer());
      case ManifestRecord.Adopt adopt -> out.number(1, adopt.layer()).number(2, adopt.child());
      case ManifestRecord.Revert revert ->
          out.number(1, revert.layer()).number(2, revert.newHead());
      case ManifestRecord.Expand expand ->
          out.number(1, expand.sizeBytes()).number(2, expand.intentFile());
      case ManifestRecord.Branch branch ->
          out.number(1, branch.layer()).number(2, branch.newHead());
    };
  }

  private static ManifestRecord record(int type, FieldReader in) throws FormatException {
    return switch (type) {
      case 1 -> new ManifestRecord.Create(in.number(1), layer(in, 2));
      case 2 ->
          new ManifestRecord.Seal(layer(in, 1), layer(in, 2), in.text(3), in.number(4), in.bool(5));
      case 3 -> new ManifestRecord.Delete(layer(in, 1));
      case 4 -> new ManifestRecord.Adopt(layer(in, 1), layer(in, 2));
      case 5 -> new ManifestRecord.Revert(layer(in, 1), layer(in, 2));
      case 6 -> new ManifestRecord.Expand(in.number(1), Math.toIntExact(in.number(2)));
      case 7 -> new ManifestRecord.Branch(layer(in, 1), layer(in, 2));
      default ->
          throw new FormatException(
              IoError.UNSUPPORTED,
              "manifest record of type " + type + " is of a newer build; use that one");
    };
  }

  private static int layer(FieldReader in, int field) {
    int layer = Math.toIntExact(in.number(field));
    if (layer <= 0) {
      throw new WireFormatException("layer id " + layer);
    }
    return layer;
  }
}
