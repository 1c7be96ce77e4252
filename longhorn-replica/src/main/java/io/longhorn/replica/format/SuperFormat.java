package io.longhorn.replica.format;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.RecordCodec;
import io.longhorn.api.wire.WireFormatException;
import java.nio.charset.StandardCharsets;
import java.util.UUID;

/**
 * {@code super.a} and {@code super.b}: who this replica is and what it has promised. 4096 bytes
 * each, the same in both; a change writes one and fdatasyncs it, then the other, each with the next
 * sequence. The newer valid one counts. Two valid ones whose sequences differ by more than 1, or a
 * slot that is not valid after a clean close, make the replica stale: an old copy of a slot came
 * back, and with it perhaps an old promise.
 *
 * <pre>
 *    0  8  magic "LHSUPER1"
 *    8  4  version 1
 *   12  4  flags: 1 = clean, all data and index pages are on the disk
 *   16  8  sequence, from 1
 *   24 16  volume
 *   40 16  replica
 *   56  8  generation promised, 0 for none
 *   64 16  engine instance it was promised to, 0 for none
 *   80  8  generation released, 0 for none
 *   88 16  process at last equality, 0 for none
 *  104 16  process that succeeds this one without a restart in between (two instances on one
 *          directory), 0 for none
 *  120 16  boot of the machine under which what is not synced was written, 0 for none
 *  136  2  length of the authority in bytes, 1 to 256
 *  138  2  length of the volume's name in bytes, 1 to 63
 *  140  4  length of the record in bytes, 1 to 3072
 *  144     authority in UTF-8
 *  400     name in ASCII
 *  464     newest membership record, as {@code RecordCodec} has it
 * 3536     zeros
 * 4092  4  CRC32C of bytes 0 to 4091
 * </pre>
 *
 * The size of the volume is in {@code manifest.log} only.
 */
public final class SuperFormat {
  /** Bytes of a slot. */
  public static final int BYTES = 4096;

  /** The version this build writes and reads. */
  public static final int VERSION = 1;

  /** Longest authority in bytes. */
  public static final int MAX_AUTHORITY_BYTES = 256;

  private static final long MAGIC = 0x3152_4550_5553_484CL;
  private static final int CLEAN = 1;
  private static final int AUTHORITY_AT = 144;
  private static final int NAME_AT = 400;
  private static final int RECORD_AT = 464;
  private static final int MAX_RECORD_BYTES = 3072;
  private static final int CRC_AT = BYTES - 4;

  private SuperFormat() {}

  /**
   * The contents of a slot.
   *
   * @param sequence counts writes of slots
   * @param isClean all data and index pages are on the disk
   * @param volume identity of the volume
   * @param name its name when it was created
   * @param replica identity of this copy
   * @param authority who keeps the record
   * @param promised generation promised, 0 for none
   * @param promisedTo to which engine instance; zeros for none
   * @param releasedGeneration released by its owner, 0 for none
   * @param equalProcess the process that ran at last equality (E4); zeros for none
   * @param successor the process that takes over without a restart; zeros for none
   * @param boot of the machine, for what is not synced; zeros for none
   * @param record newest membership record
   */
  public record Super(
      long sequence,
      boolean isClean,
      VolumeId volume,
      VolumeName name,
      ReplicaId replica,
      String authority,
      long promised,
      EngineId promisedTo,
      long releasedGeneration,
      UUID equalProcess,
      UUID successor,
      UUID boot,
      MembershipRecord record) {

    /** The same with another sequence. */
    public Super withSequence(long next) {
      return new Super(
          next,
          isClean,
          volume,
          name,
          replica,
          authority,
          promised,
          promisedTo,
          releasedGeneration,
          equalProcess,
          successor,
          boot,
          record);
    }

    /** The same with a promise; an earlier owner that did not release is noted. */
    public Super withPromise(long generation, EngineId engine) {
      return new Super(
          sequence,
          isClean,
          volume,
          name,
          replica,
          authority,
          generation,
          engine,
          releasedGeneration == promised ? releasedGeneration : 0,
          equalProcess,
          successor,
          boot,
          record);
    }

    /** The same with another record. */
    public Super withRecord(MembershipRecord newer) {
      return new Super(
          sequence,
          isClean,
          volume,
          name,
          replica,
          authority,
          promised,
          promisedTo,
          releasedGeneration,
          equalProcess,
          successor,
          boot,
          newer);
    }

    /** The same with the process that is equal to its set. */
    public Super withEqualProcess(UUID process) {
      return new Super(
          sequence,
          isClean,
          volume,
          name,
          replica,
          authority,
          promised,
          promisedTo,
          releasedGeneration,
          process,
          successor,
          boot,
          record);
    }

    /** The same, released or not, clean or not. */
    public Super withStop(long released, boolean clean) {
      return new Super(
          sequence,
          clean,
          volume,
          name,
          replica,
          authority,
          promised,
          promisedTo,
          released,
          equalProcess,
          successor,
          boot,
          record);
    }

    /** The same, not clean any more, under the given boot of the machine. */
    public Super withUse(UUID bootNow) {
      return new Super(
          sequence,
          false,
          volume,
          name,
          replica,
          authority,
          promised,
          promisedTo,
          releasedGeneration,
          equalProcess,
          successor,
          bootNow,
          record);
    }
  }

  /** Writes a slot into the first {@link #BYTES} of {@code out}. */
  public static void write(RecordMemory out, Super value) {
    byte[] authority = value.authority.getBytes(StandardCharsets.UTF_8);
    byte[] name = value.name.value().getBytes(StandardCharsets.US_ASCII);
    byte[] record = RecordCodec.write(value.record).toBytes();
    if (authority.length == 0
        || authority.length > MAX_AUTHORITY_BYTES
        || record.length > MAX_RECORD_BYTES) {
      throw new IllegalArgumentException(
          "super with an authority of "
              + authority.length
              + " bytes and a record of "
              + record.length);
    }
    out.clear(0, BYTES);
    out.putLong(0, MAGIC);
    out.putInt(8, VERSION);
    out.putInt(12, value.isClean ? CLEAN : 0);
    out.putLong(16, value.sequence);
    out.putUuid(24, value.volume.uuid());
    out.putUuid(40, value.replica.uuid());
    out.putLong(56, value.promised);
    out.putUuid(64, value.promisedTo.uuid());
    out.putLong(80, value.releasedGeneration);
    out.putUuid(88, value.equalProcess);
    out.putUuid(104, value.successor);
    out.putUuid(120, value.boot);
    out.putShort(136, authority.length);
    out.putShort(138, name.length);
    out.putInt(140, record.length);
    out.putBytes(AUTHORITY_AT, authority);
    out.putBytes(NAME_AT, name);
    out.putBytes(RECORD_AT, record);
    out.putInt(CRC_AT, out.crc(0, CRC_AT));
  }

  /** Reads a slot; throws if it is not valid. */
  public static Super read(RecordMemory in) throws FormatException {
    if (in.takeLong(0) != MAGIC) {
      throw corrupt("no replica's super");
    }
    if (in.takeInt(CRC_AT) != in.crc(0, CRC_AT)) {
      throw corrupt("super does not match its checksum");
    }
    if (in.takeInt(8) != VERSION) {
      throw new FormatException(
          IoError.UNKNOWN_VERSION,
          "super has version " + in.takeInt(8) + ", this build knows " + VERSION);
    }
    int authority = in.takeShort(136);
    int name = in.takeShort(138);
    int record = in.takeInt(140);
    if (authority < 1
        || authority > MAX_AUTHORITY_BYTES
        || name > VolumeName.MAX_LENGTH
        || record < 0
        || record > MAX_RECORD_BYTES) {
      throw corrupt("super with lengths " + authority + ", " + name + ", " + record);
    }
    try {
      return new Super(
          in.takeLong(16),
          (in.takeInt(12) & CLEAN) != 0,
          new VolumeId(in.takeUuid(24)),
          new VolumeName(new String(in.takeBytes(NAME_AT, name), StandardCharsets.US_ASCII)),
          new ReplicaId(in.takeUuid(40)),
          new String(in.takeBytes(AUTHORITY_AT, authority), StandardCharsets.UTF_8),
          in.takeLong(56),
          new EngineId(in.takeUuid(64)),
          in.takeLong(80),
          in.takeUuid(88),
          in.takeUuid(104),
          in.takeUuid(120),
          RecordCodec.read(new FieldReader(in.takeBytes(RECORD_AT, record))));
    } catch (WireFormatException | IllegalArgumentException e) {
      throw corrupt("super: " + e.getMessage());
    }
  }

  private static FormatException corrupt(String message) {
    return new FormatException(IoError.CORRUPT, message);
  }
}
