package io.longhorn.api.wire;

import io.longhorn.api.EngineId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.VolumeRecord;
import java.util.Optional;
import java.util.TreeSet;
import java.util.UUID;

/**
 * A {@link VolumeRecord} as fields: 1 membership ({@link RecordCodec}), 2 reserved generation, 3
 * owner if there is one, 4 claimant (repeated), 5 phase. And the messages to and from the store.
 */
public final class VolumeRecordCodec {
  /** The revision of a record that does not exist. */
  public static final long NO_REVISION = 0;

  private VolumeRecordCodec() {}

  /**
   * RECORD_GET: 1 volume.
   *
   * @param volume whose record is asked for
   */
  public record Query(VolumeId volume) {
    /** Encodes. */
    public FieldWriter write() {
      return new FieldWriter().uuid(1, volume.uuid());
    }

    /** Decodes; throws {@link WireFormatException}. */
    public static Query read(FieldReader in) {
      return new Query(new VolumeId(in.uuid(1)));
    }
  }

  /**
   * RECORD_SET: 1 volume, 2 expected revision, 3 record.
   *
   * @param volume whose record is to be changed
   * @param expectedRevision the revision it must have; {@link #NO_REVISION} if it must not exist
   * @param record what it becomes
   */
  public record Change(VolumeId volume, long expectedRevision, VolumeRecord record) {
    /** Encodes. */
    public FieldWriter write() {
      return new FieldWriter()
          .uuid(1, volume.uuid())
          .number(2, expectedRevision)
          .nested(3, VolumeRecordCodec.write(record));
    }

    /** Decodes; throws {@link WireFormatException}. */
    public static Change read(FieldReader in) {
      return new Change(
          new VolumeId(in.uuid(1)), in.number(2), VolumeRecordCodec.read(in.nested(3)));
    }
  }

  /**
   * What the store has: 1 revision, 2 record if it exists.
   *
   * @param revision changes with every change and never comes back; nothing else is to be read into
   *     it. {@link #NO_REVISION} if there is no record
   * @param record empty if there is none
   */
  public record Stored(long revision, Optional<VolumeRecord> record) {
    /** What does not exist has no revision, and only that. */
    public Stored {
      if (record.isEmpty() != (revision == NO_REVISION)) {
        throw new IllegalArgumentException(
            "revision " + revision + (record.isEmpty() ? " without" : " of") + " a record");
      }
    }

    /** Encodes. */
    public FieldWriter write() {
      FieldWriter out = new FieldWriter().number(1, revision);
      record.ifPresent(present -> out.nested(2, VolumeRecordCodec.write(present)));
      return out;
    }

    /** Decodes; throws {@link WireFormatException}. */
    public static Stored read(FieldReader in) {
      try {
        return new Stored(
            in.number(1),
            in.has(2) ? Optional.of(VolumeRecordCodec.read(in.nested(2))) : Optional.empty());
      } catch (IllegalArgumentException e) {
        throw new WireFormatException("volume record: " + e.getMessage(), e);
      }
    }
  }

  /** Encodes. */
  public static FieldWriter write(VolumeRecord record) {
    FieldWriter out =
        new FieldWriter()
            .nested(1, RecordCodec.write(record.membership()))
            .number(2, record.reservedGeneration());
    record.owner().ifPresent(owner -> out.uuid(3, owner.uuid()));
    record.claimants().forEach(claimant -> out.uuid(4, claimant.uuid()));
    return out.number(5, record.phase().code());
  }

  /** Decodes; throws {@link WireFormatException} for anything that is not a volume record. */
  public static VolumeRecord read(FieldReader in) {
    if (in.count(4) > VolumeRecord.MAX_CLAIMANTS) {
      throw new WireFormatException(
          "volume record: "
              + in.count(4)
              + " claimants are more than "
              + VolumeRecord.MAX_CLAIMANTS);
    }
    TreeSet<EngineId> claimants = new TreeSet<>();
    for (UUID claimant : in.allUuids(4)) {
      if (!claimants.add(new EngineId(claimant))) {
        throw new WireFormatException("volume record: claimant " + claimant + " is there twice");
      }
    }
    try {
      return new VolumeRecord(
          RecordCodec.read(in.nested(1)),
          in.number(2),
          in.has(3) ? Optional.of(new EngineId(in.uuid(3))) : Optional.empty(),
          claimants,
          VolumeRecord.Phase.ofCode(in.number(5, 0)));
    } catch (IllegalArgumentException e) {
      throw new WireFormatException("volume record: " + e.getMessage(), e);
    }
  }
}
