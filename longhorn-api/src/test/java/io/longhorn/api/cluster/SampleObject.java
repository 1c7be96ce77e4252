package io.longhorn.api.cluster;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/** One object of each kind, with something in every field, as the golden files hold it. */
enum SampleObject {
  SETTING,
  NODE,
  INSTANCE_MANAGER,
  ENGINE_IMAGE,
  VOLUME,
  VOLUME_ATTACHMENT,
  ENGINE,
  REPLICA,
  EVENT,
  MEMBERSHIP;

  private static final ReplicaId R1 = ReplicaId.parse("a0000000-0000-0000-0000-000000000001");
  private static final ReplicaId R2 = ReplicaId.parse("00000000-0000-0000-0000-000000000002");
  private static final EngineId OWNER = EngineId.parse("e0000000-0000-0000-0000-00000000000e");
  private static final VolumeId VOLUME_ID = VolumeId.parse("11111111-2222-3333-4444-555555555555");
  private static final Condition READY =
      new Condition("Ready", true, "KubeletReady", "fürwahr", 1_763_600_000_123L);
  private static final InstanceView PROCESS =
      new InstanceView(
          InstanceView.State.RUNNING,
          true,
          "instance-manager-node-1",
          "70000000-0000-0000-0000-000000000003",
          4_711,
          "once slow");

  ObjectKind kind() {
    return ObjectKind.valueOf(name());
  }

  String fileName() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-') + ".v1.hex";
  }

  ClusterObject value() {
    return switch (this) {
      case SETTING -> new Setting("cluster-id", "wert 🐂");
      case NODE -> new Node("node-1", true, true, "/var/lib/node-1", READY);
      case INSTANCE_MANAGER ->
          new InstanceManager(
              "instance-manager-node-1",
              "node-1",
              "default",
              "unix:/run/m.sock",
              InstanceManager.State.UNKNOWN,
              77,
              1_763_600_000_000L);
      case ENGINE_IMAGE -> new EngineImage("default", "/opt/longhorn/bin/longhorn", "0.1.0");
      case VOLUME ->
          new Volume(
              "test-1",
              new Volume.Spec(VOLUME_ID, 1L << 40, 3, true, "default", "node-1", "node-2"),
              new Volume.Status(
                  Volume.State.DETACHING,
                  Volume.Robustness.DEGRADED,
                  "node-1",
                  "node-2",
                  "default",
                  1_763_600_000_001L,
                  List.of(READY, new Condition("Waiting", false, "7.1/open", "", 5))),
              1_763_600_000_002L);
      case VOLUME_ATTACHMENT -> {
        TreeMap<String, VolumeAttachment.Ticket> tickets = new TreeMap<>();
        tickets.put(
            "csi-1",
            new VolumeAttachment.Ticket(
                "csi-1", "csi-attacher", "node-1", "tcp:127.0.0.1:10809", 17, READY));
        tickets.put(
            "node-2",
            new VolumeAttachment.Ticket("node-2", "longhorn-api", "node-2", "", 18, READY));
        yield new VolumeAttachment("test-1", tickets);
      }
      case ENGINE -> {
        TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>();
        members.put(R1, new Engine.Member(ReplicaMode.RW, "", 0, 0));
        members.put(R2, new Engine.Member(ReplicaMode.WO, "is copied", 412, 1L << 33));
        yield new Engine(
            "test-1-e-0",
            new Engine.Spec("test-1", "node-1", "default", "unix:/run/n", true, true),
            new Engine.Status(
                PROCESS, true, 42, "serving", List.of("nbd+unix:///a", "nbd://b"), members));
      }
      case REPLICA ->
          new Replica(
              "test-1-r-a0000000",
              new Replica.Spec(
                  "test-1", R1, "node-1", "/d/replicas/test-1-r-a0000000", "default", true),
              new Replica.Status(true, PROCESS));
      case EVENT ->
          new Event(
              "000000000007",
              true,
              "EngineCrashed",
              "killed by signal 9",
              new ObjectKey(ObjectKind.ENGINE, "test-1-e-0"),
              1_763_600_000_003L);
      case MEMBERSHIP ->
          new Membership(
              "test-1",
              new VolumeRecord(
                  MembershipRecord.ofNewVolume(List.of(R1, R2))
                      .next(new RecordStamp(3, 9), new TreeSet<>(List.of(R1))),
                  43,
                  Optional.of(OWNER),
                  new TreeSet<>(List.of(OWNER)),
                  VolumeRecord.Phase.SWAPPING));
    };
  }
}
