package io.longhorn.api.wire;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import java.util.List;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class RecordCodecTest {
  @Test
  void aRecordKeepsUntilWhenThoseThatLeftWereMembers() {
    ReplicaId a = new ReplicaId(new UUID(0, 1));
    ReplicaId b = new ReplicaId(new UUID(0, 2));
    ReplicaId c = new ReplicaId(new UUID(0, 3));
    MembershipRecord record =
        MembershipRecord.ofNewVolume(List.of(a, b, c))
            .next(new RecordStamp(3, 2), new TreeSet<>(List.of(a, b)))
            .next(new RecordStamp(5, 3), new TreeSet<>(List.of(a)));
    MembershipRecord read = RecordCodec.read(new FieldReader(RecordCodec.write(record).toBytes()));
    assertThat(read).isEqualTo(record);
    assertThat(read.memberUntil()).containsOnlyKeys(b).containsEntry(b, 3L);
  }
}
