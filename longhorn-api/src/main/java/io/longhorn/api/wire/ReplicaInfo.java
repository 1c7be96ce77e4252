package io.longhorn.api.wire;

import io.longhorn.api.Authority;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.memory.Crc32c;

/**
 * What a replica says of itself, in the answers to HELLO and PROMISE. Only the record in the answer
 * to PROMISE counts for opening (R2).
 *
 * @param protocol frame version both speak from here on
 * @param volume identity of the volume
 * @param replica identity of this copy
 * @param sizeBytes size of the volume, a multiple of 4096
 * @param authority who keeps the record, as the directory says
 * @param promised generation promised, 0 for none
 * @param record newest record this replica has
 * @param releasedGeneration the generation whose owner closed cleanly here and stopped serving, 0
 *     if the last one did not
 * @param process the replica process that answers
 * @param isContinuous whether this process has run since the member was last equal to its set (E3)
 * @param validSince since when the write-intent bits are complete
 * @param regionBytes size of a write-intent region: a power of two, at most {@link #MAX_REGIONS} of
 *     them cover the volume
 * @param lastOperation newest metadata operation in the manifest
 * @param head layer id of the head, above 0
 * @param credits most frames that may be unanswered on the connection, 1 or more
 */
public record ReplicaInfo(
    int protocol,
    VolumeId volume,
    ReplicaId replica,
    long sizeBytes,
    String authority,
    long promised,
    MembershipRecord record,
    long releasedGeneration,
    ProcessNonce process,
    boolean isContinuous,
    RecordStamp validSince,
    long regionBytes,
    long lastOperation,
    int head,
    int credits) {
  /** Most regions of a write-intent bitmap. */
  public static final int MAX_REGIONS = 1 << 19;

  /** Checks every number: this is what an engine opens a volume by. */
  public ReplicaInfo {
    Authority.requireValid(authority);
    require(protocol >= 1 && protocol <= Hello.MAX_PROTOCOL, "protocol", protocol);
    require(sizeBytes > 0 && sizeBytes % Crc32c.BLOCK_BYTES == 0, "size", sizeBytes);
    require(promised >= 0, "promised generation", promised);
    require(
        releasedGeneration >= 0 && releasedGeneration <= promised,
        "released generation",
        releasedGeneration);
    require(
        regionBytes >= Crc32c.BLOCK_BYTES
            && Long.bitCount(regionBytes) == 1
            && (sizeBytes - 1) / regionBytes < MAX_REGIONS,
        "region size",
        regionBytes);
    require(lastOperation >= 0, "last operation", lastOperation);
    require(head >= 1, "head", head);
    require(credits >= 1, "credits", credits);
  }

  private static void require(boolean isRight, String what, long value) {
    if (!isRight) {
      throw new IllegalArgumentException(what + " of a replica cannot be " + value);
    }
  }

  /** The same with another {@code validSince}. */
  public ReplicaInfo withValidSince(RecordStamp stamp) {
    return new ReplicaInfo(
        protocol,
        volume,
        replica,
        sizeBytes,
        authority,
        promised,
        record,
        releasedGeneration,
        process,
        isContinuous,
        stamp,
        regionBytes,
        lastOperation,
        head,
        credits);
  }

  /** Encodes. */
  public FieldWriter write() {
    return RecordCodec.stamp(
        new FieldWriter()
            .number(1, protocol)
            .uuid(2, volume.uuid())
            .uuid(3, replica.uuid())
            .number(4, sizeBytes)
            .text(5, authority)
            .number(6, promised)
            .nested(7, RecordCodec.write(record))
            .number(8, releasedGeneration)
            .uuid(9, process.uuid())
            .bool(10, isContinuous)
            .number(13, regionBytes)
            .number(14, lastOperation)
            .number(15, head)
            .number(16, credits),
        11,
        12,
        validSince);
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static ReplicaInfo read(FieldReader in) {
    try {
      return new ReplicaInfo(
          in.intNumber(1),
          new VolumeId(in.uuid(2)),
          new ReplicaId(in.uuid(3)),
          in.number(4),
          in.text(5),
          in.number(6),
          RecordCodec.read(in.nested(7)),
          in.number(8),
          new ProcessNonce(in.uuid(9)),
          in.bool(10),
          RecordCodec.stamp(in, 11, 12),
          in.number(13),
          in.number(14),
          in.intNumber(15),
          in.intNumber(16));
    } catch (IllegalArgumentException e) {
      throw new WireFormatException("replica info: " + e.getMessage(), e);
    }
  }
}
