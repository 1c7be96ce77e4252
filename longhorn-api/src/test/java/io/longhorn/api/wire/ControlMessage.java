package io.longhorn.api.wire;

import io.longhorn.api.EngineId;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeSet;

/** Each message that is made of fields, as the tests see it. */
enum ControlMessage {
  HELLO,
  PROMISE,
  RECORD,
  RECORD_WITH_GENERATIONS,
  STAMP,
  REPLICA_INFO,
  SNAPSHOT_SPEC,
  LAYER_LIST,
  VOLUME_RECORD,
  RECORD_QUERY,
  RECORD_CHANGE,
  RECORD_STORED,
  ENGINE_QUERY,
  ENGINE_STATUS,
  ENGINE_CHECK;

  private static final VolumeId VOLUME = VolumeId.parse("11111111-2222-3333-4444-555555555555");
  private static final EngineId ENGINE = EngineId.parse("e0000000-0000-0000-0000-00000000000e");
  private static final ReplicaId R1 = ReplicaId.parse("a0000000-0000-0000-0000-000000000001");
  private static final ReplicaId R2 = ReplicaId.parse("00000000-0000-0000-0000-000000000002");
  private static final ReplicaId R3 = ReplicaId.parse("70000000-0000-0000-0000-000000000003");

  /** As builds wrote it that did not keep until when those that left were members. */
  private static MembershipRecord record() {
    MembershipRecord record = recordWithGenerations();
    return new MembershipRecord(record.stamp(), record.members(), record.leftAt());
  }

  private static MembershipRecord recordWithGenerations() {
    return MembershipRecord.ofNewVolume(List.of(R1, R2, R3))
        .next(new RecordStamp(3, 9), new TreeSet<>(List.of(R1, R2)))
        .next(new RecordStamp(40, 17), new TreeSet<>(List.of(R1)));
  }

  private static VolumeRecord volumeRecord() {
    EngineId other = EngineId.parse("0e000000-0000-0000-0000-00000000000f");
    return new VolumeRecord(
        recordWithGenerations(),
        43,
        Optional.of(ENGINE),
        new TreeSet<>(List.of(ENGINE, other)),
        VolumeRecord.Phase.MIGRATING);
  }

  /** The value that the golden file holds. */
  Object value() {
    return switch (this) {
      case HELLO ->
          new Hello(
              1,
              3,
              Hello.Role.PEER_ENGINE,
              "store:cluster-1",
              VOLUME,
              R1,
              ENGINE,
              0x8000000000000001L);
      case PROMISE -> new Promise(41, ENGINE);
      case RECORD -> record();
      case RECORD_WITH_GENERATIONS -> recordWithGenerations();
      case STAMP -> new RecordStamp(7, 8);
      case REPLICA_INFO ->
          new ReplicaInfo(
              1,
              VOLUME,
              R1,
              64L << 40,
              "replicas",
              41,
              record(),
              40,
              ProcessNonce.parse("b0000000-0000-0000-0000-00000000000b"),
              true,
              new RecordStamp(3, 9),
              128L << 20,
              12,
              13,
              256);
      case SNAPSHOT_SPEC -> new SnapshotSpec("vor dem Umzug 🐂", 14, 1_763_600_000_123L, true);
      case LAYER_LIST ->
          new LayerList(
              List.of(
                  new LayerList.Layer(1, 0, 5, "daily-1", 1_763_500_000_000L, true),
                  new LayerList.Layer(4, 1, 9, "rebuild-c", 1_763_550_000_000L, false),
                  new LayerList.Layer(7, 4, 0, "", 0, false)));
      case VOLUME_RECORD -> volumeRecord();
      case RECORD_QUERY -> new VolumeRecordCodec.Query(VOLUME);
      case RECORD_CHANGE ->
          new VolumeRecordCodec.Change(VOLUME, 1_234_567_890_123L, volumeRecord());
      case RECORD_STORED -> new VolumeRecordCodec.Stored(-7, Optional.of(volumeRecord()));
      case ENGINE_QUERY -> new EngineStatus.Query(12, 10_000);
      case ENGINE_STATUS ->
          new EngineStatus(
              13,
              new VolumeName("data-1.blue"),
              ENGINE,
              4242,
              41,
              true,
              "open",
              64L << 30,
              5,
              List.of("nbd://127.0.0.1:10809/data-1.blue", "nbd+unix:///data-1.blue?socket=/run/d"),
              Optional.of("the store does not answer"),
              List.of(
                  new EngineStatus.Replica(R1, ReplicaMode.RW, "", 1000, 0),
                  new EngineStatus.Replica(R2, ReplicaMode.WO, "resync", 250, 1 << 20),
                  new EngineStatus.Replica(R3, ReplicaMode.ERR, "not connected", 0, 0)));
      case ENGINE_CHECK -> new EngineStatus.Check(3, 64L << 30, 2, 1);
    };
  }

  Object read(byte[] payload) {
    FieldReader in = new FieldReader(payload);
    return switch (this) {
      case HELLO -> Hello.read(in);
      case PROMISE -> Promise.read(in);
      case RECORD, RECORD_WITH_GENERATIONS -> RecordCodec.read(in);
      case STAMP -> RecordCodec.readStamp(in);
      case REPLICA_INFO -> ReplicaInfo.read(in);
      case SNAPSHOT_SPEC -> SnapshotSpec.read(in);
      case LAYER_LIST -> LayerList.read(in);
      case VOLUME_RECORD -> VolumeRecordCodec.read(in);
      case RECORD_QUERY -> VolumeRecordCodec.Query.read(in);
      case RECORD_CHANGE -> VolumeRecordCodec.Change.read(in);
      case RECORD_STORED -> VolumeRecordCodec.Stored.read(in);
      case ENGINE_QUERY -> EngineStatus.Query.read(in);
      case ENGINE_STATUS -> EngineStatus.read(in);
      case ENGINE_CHECK -> EngineStatus.Check.read(in);
    };
  }

  /** The bytes of any message's value, as this build writes them. */
  static byte[] bytesOf(Object value) {
    FieldWriter out =
        switch (value) {
          case Hello hello -> hello.write();
          case Promise promise -> promise.write();
          case MembershipRecord record -> RecordCodec.write(record);
          case RecordStamp stamp -> RecordCodec.writeStamp(stamp);
          case ReplicaInfo info -> info.write();
          case SnapshotSpec spec -> spec.write();
          case LayerList layers -> layers.write();
          case VolumeRecord record -> VolumeRecordCodec.write(record);
          case VolumeRecordCodec.Query query -> query.write();
          case VolumeRecordCodec.Change change -> change.write();
          case VolumeRecordCodec.Stored stored -> stored.write();
          case EngineStatus.Query query -> query.write();
          case EngineStatus status -> status.write();
          case EngineStatus.Check check -> check.write();
          default -> throw new IllegalArgumentException("no codec for " + value);
        };
    return out.toBytes();
  }

  /** Whether a peer may leave the field out. */
  boolean isOptional(int field) {
    return switch (this) {
      case HELLO -> field == 8;
      case RECORD, RECORD_WITH_GENERATIONS -> field == 4;
      case REPLICA_INFO -> field == 10;
      case SNAPSHOT_SPEC -> field == 4;
      case VOLUME_RECORD -> field >= 3;
      case ENGINE_QUERY -> true;
      case ENGINE_STATUS -> field == 6 || field >= 10;
      case PROMISE, STAMP, LAYER_LIST, RECORD_QUERY, RECORD_CHANGE, RECORD_STORED, ENGINE_CHECK ->
          false;
    };
  }

  String fileName() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-') + ".v1.hex";
  }
}
