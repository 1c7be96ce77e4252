package io.longhorn.api.wire;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A {@link MembershipRecord} as fields: 1 generation, 2 number, 3 member (repeated), 4 {1 id, 2
 * generation, 3 number, 4 the generation of the last record that named it, if known} of one that
 * left (repeated). Also a {@link RecordStamp} alone.
 */
public final class RecordCodec {
  private RecordCodec() {}

  /** Encodes. */
  public static FieldWriter write(MembershipRecord record) {
    FieldWriter out = stamp(new FieldWriter(), 1, 2, record.stamp());
    for (ReplicaId member : record.members()) {
      out.uuid(3, member.uuid());
    }
    record
        .leftAt()
        .forEach((id, stamp) -> out.nested(4, left(id, stamp, record.memberUntil().get(id))));
    return out;
  }

  private static FieldWriter left(ReplicaId id, RecordStamp stamp, @Nullable Long memberUntil) {
    FieldWriter left = stamp(new FieldWriter().uuid(1, id.uuid()), 2, 3, stamp);
    return memberUntil == null ? left : left.number(4, memberUntil);
  }

  /** Decodes; throws {@link WireFormatException} for anything that is not a record. */
  public static MembershipRecord read(FieldReader in) {
    if (in.count(3) + in.count(4) > MembershipRecord.MAX_REPLICAS) {
      throw new WireFormatException(
          "record: "
              + in.count(3)
              + " members and "
              + in.count(4)
              + " that left are more than "
              + MembershipRecord.MAX_REPLICAS
              + " replicas");
    }
    TreeSet<ReplicaId> members = new TreeSet<>();
    for (UUID member : in.allUuids(3)) {
      if (!members.add(new ReplicaId(member))) {
        throw new WireFormatException("record: member " + member + " is there twice");
      }
    }
    TreeMap<ReplicaId, RecordStamp> leftAt = new TreeMap<>();
    TreeMap<ReplicaId, Long> memberUntil = new TreeMap<>();
    for (FieldReader left : in.allNested(4)) {
      ReplicaId id = new ReplicaId(left.uuid(1));
      if (leftAt.put(id, stamp(left, 2, 3)) != null) {
        throw new WireFormatException("record: " + id + " left twice");
      }
      memberUntil.put(id, left.number(4, 0));
    }
    try {
      return new MembershipRecord(stamp(in, 1, 2), members, leftAt, memberUntil);
    } catch (IllegalArgumentException e) {
      throw new WireFormatException("record: " + e.getMessage(), e);
    }
  }

  /** A stamp alone, for INTENT_VALID_SINCE: 1 generation, 2 number. */
  public static FieldWriter writeStamp(RecordStamp stamp) {
    return stamp(new FieldWriter(), 1, 2, stamp);
  }

  /** Decodes a stamp alone; throws {@link WireFormatException}. */
  public static RecordStamp readStamp(FieldReader in) {
    return stamp(in, 1, 2);
  }

  /** A stamp as two numbers. */
  public static FieldWriter stamp(
      FieldWriter out, int generationField, int numberField, RecordStamp stamp) {
    return out.number(generationField, stamp.generation()).number(numberField, stamp.number());
  }

  /** A stamp from two numbers. */
  public static RecordStamp stamp(FieldReader in, int generationField, int numberField) {
    long generation = in.number(generationField);
    long number = in.number(numberField);
    if (generation < 0 || number < 0) {
      throw new WireFormatException(
          "record stamp (" + generation + ", " + number + "): parts may not be negative");
    }
    return new RecordStamp(generation, number);
  }
}
