package io.longhorn.orchestration.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.Membership;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.VolumeRecordCodec;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.call.CallClient;
import io.longhorn.orchestration.call.CallServer;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.MemoryClusterStore;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The record of a volume, as its engines read and change it. */
final class MembershipCallsTest {
  private final ClusterStore store = new MemoryClusterStore();
  private final MembershipCalls calls = new MembershipCalls(store);
  private VolumeId volume;

  @BeforeEach
  void oneVolume() {
    volume = new VolumeId(new UUID(1, 1));
    MembershipRecord first = MembershipRecord.ofNewVolume(List.of(new ReplicaId(new UUID(2, 2))));
    store.put(new Membership("v", VolumeRecord.ofNewVolume(first)), ClusterStore.ABSENT);
    store.put(
        new Volume(
            "v", Volume.Spec.of(volume, 4096, 1, false, "i"), Volume.Status.creating("i"), 0),
        ClusterStore.ABSENT);
  }

  private VolumeRecordCodec.Stored get() {
    byte[] answer = calls.get(reader(new VolumeRecordCodec.Query(volume).write()));
    return VolumeRecordCodec.Stored.read(new FieldReader(answer));
  }

  private static FieldReader reader(FieldWriter fields) {
    return new FieldReader(fields.toBytes());
  }

  private VolumeRecordCodec.Stored set(long expected, VolumeRecord record) {
    byte[] answer = calls.set(reader(change(expected, record)));
    return VolumeRecordCodec.Stored.read(new FieldReader(answer));
  }

  private FieldWriter change(long expected, VolumeRecord record) {
    return new VolumeRecordCodec.Change(volume, expected, record).write();
  }

  private static VolumeRecord raised(VolumeRecord record, long generation) {
    return new VolumeRecord(
        record.membership(),
        generation,
        Optional.of(new EngineId(new UUID(1, generation))),
        new TreeSet<>(),
        record.phase());
  }

  @Test
  void aRecordIsReadAndChangedByWhoHasSeenIt() {
    VolumeRecordCodec.Stored first = get();
    VolumeRecord next = raised(first.record().orElseThrow(), 7);
    VolumeRecordCodec.Stored done = set(first.revision(), next);
    assertThat(done.record()).hasValue(next);
    assertThat(done.revision()).isGreaterThan(first.revision());
    assertThat(get()).isEqualTo(done);
  }

  @Test
  void whoLosesGetsWhatStandsInTheWay(@TempDir Path directory) {
    VolumeRecordCodec.Stored first = get();
    VolumeRecordCodec.Stored won = set(first.revision(), raised(first.record().orElseThrow(), 7));
    VolumeRecord late = raised(first.record().orElseThrow(), 8);
    CallAddress address = new CallAddress.Unix(directory.resolve("s"));
    try (CallServer server = CallServer.open(address, (_, request) -> calls.set(request));
        CallClient client = CallClient.connect(server.address(), Duration.ofSeconds(30))) {
      VolumeException refused =
          catchThrowableOfType(
              VolumeException.class,
              () ->
                  client.call(
                      FrameType.RECORD_SET,
                      change(first.revision(), late),
                      Duration.ofSeconds(30)));
      assertThat(refused.error()).isEqualTo(IoError.CONFLICT);
    }
    assertThat(get()).as("nothing was changed").isEqualTo(won);
  }

  @Test
  void whoAsksTheSameTwiceHasIt() {
    VolumeRecordCodec.Stored first = get();
    VolumeRecord next = raised(first.record().orElseThrow(), 7);
    VolumeRecordCodec.Stored done = set(first.revision(), next);
    assertThat(set(done.revision(), next)).isEqualTo(done);
  }

  @Test
  void aVolumeThatIsNotHereIsRefused() {
    volume = new VolumeId(new UUID(9, 9));
    assertThatThrownBy(this::get)
        .isInstanceOfSatisfying(
            VolumeException.class,
            e -> {
              assertThat(e.error()).isEqualTo(IoError.NOT_FOUND);
              assertThat(e.getMessage()).contains("this cluster has no volume with the id");
            });
  }

  @Test
  void aRecordThatIsGoneIsNotMadeAgain() {
    VolumeRecordCodec.Stored first = get();
    VolumeRecord next = raised(first.record().orElseThrow(), 7);
    store.delete(new ObjectKey(ObjectKind.MEMBERSHIP, "v"), first.revision());
    assertThat(get().record()).isEmpty();
    assertThat(get().revision()).isEqualTo(VolumeRecordCodec.NO_REVISION);
    assertThatThrownBy(() -> set(VolumeRecordCodec.NO_REVISION, next))
        .isInstanceOf(VolumeException.class);
    assertThat(store.list(ObjectKind.MEMBERSHIP)).isEmpty();
  }
}
