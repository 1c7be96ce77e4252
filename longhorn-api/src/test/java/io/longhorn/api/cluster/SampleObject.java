package io.longhorn.api.cluster;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.VolumeId;
import io.longhorn.api.cluster.Volume.Placement;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * One object of each kind, with something in every field, as the golden files hold it: as this
 * build writes it, and as it reads what earlier builds have written.
 */
enum SampleObject {
  SETTING(1),
  NODE(2),
  INSTANCE_MANAGER(2),
  ENGINE_IMAGE(2),
  VOLUME(2),
  VOLUME_ATTACHMENT(2),
  ENGINE(2),
  REPLICA(2),
  EVENT(1),
  MEMBERSHIP(1);

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

  private final int version;

  SampleObject(int version) {
    this.version = version;
  }

  ObjectKind kind() {
    return ObjectKind.valueOf(name());
  }

  /** Of the format that this build writes; those before it are still read. */
  int version() {
    return version;
  }

  String fileName(int ofVersion) {
    return name().toLowerCase(Locale.ROOT).replace('_', '-') + ".v" + ofVersion + ".hex";
  }

  /** What this build writes. */
  ClusterObject value() {
    return value(version);
  }

  /** What the golden file of a version is. */
  ClusterObject value(int ofVersion) {
    return ofVersion == version ? latest() : first();
  }

  private ClusterObject latest() {
    return switch (this) {
      case SETTING -> new Setting("cluster-id", "wert 🐂");
      case NODE ->
          new Node(
              "node-1",
              true,
              true,
              false,
              true,
              "zone a",
              sorted("ssd", "fast"),
              List.of(
                  new Node.Disk(
                      "disk-1",
                      "/var/lib/node-1",
                      false,
                      true,
                      1L << 41,
                      1L << 33,
                      1L << 40,
                      sorted("nvme"),
                      false),
                  Node.Disk.of("disk-2", "/mnt/2")),
              new Condition("KubeReady", false, "KubernetesNodeNotReady", "no answer", 77),
              READY);
      case INSTANCE_MANAGER ->
          new InstanceManager(
              "instance-manager-r-0a1b2c3d",
              "node-1",
              InstanceManager.Type.REPLICA,
              "default",
              "unix:/run/m.sock",
              InstanceManager.State.UNKNOWN,
              77,
              1_763_600_000_000L);
      case ENGINE_IMAGE ->
          new EngineImage(
              "default",
              "/opt/longhorn/bin/longhorn",
              "0.1.0",
              new EngineImage.Versions("5fabe2c", 4, 3, 2, 1),
              sorted("node-1", "node-2"),
              5,
              1_763_600_000_004L);
      case VOLUME -> volume();
      case VOLUME_ATTACHMENT -> attachment(true);
      case ENGINE ->
          new Engine(
              "test-1-e-0",
              new Engine.Spec(
                  "test-1",
                  "node-1",
                  "default",
                  "unix:/run/n",
                  true,
                  true,
                  sorted("test-1-r-a0000000", "test-1-r-00000000"),
                  sorted("test-1-r-a0000000-1")),
              new Engine.Status(
                  PROCESS,
                  Optional.of(OWNER),
                  true,
                  42,
                  "serving",
                  List.of("nbd+unix:///a", "nbd://b"),
                  members(),
                  "older"));
      case REPLICA ->
          new Replica(
              "test-1-r-a0000000",
              new Replica.Spec(
                  "test-1",
                  R1,
                  "node-1",
                  "disk-1",
                  "/d/replicas/test-1-r-a0000000",
                  "default",
                  true,
                  "test-1-e-0",
                  true,
                  true,
                  new Replica.Health(101, 102, 103, 104, 2)),
              new Replica.Status(true, true, PROCESS));
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

  private static Volume volume() {
    return new Volume(
        "test-1",
        new Volume.Spec(
            VOLUME_ID,
            1L << 40,
            3,
            true,
            Volume.AccessMode.RWX,
            "newer",
            "node-1",
            "node-2",
            true,
            60,
            new Placement(
                Placement.DataLocality.BEST_EFFORT,
                sorted("fast"),
                sorted("nvme", "big"),
                Placement.Choice.ENABLED,
                Placement.Choice.DISABLED,
                Placement.Choice.IGNORED)),
        new Volume.Status(
            Volume.State.DETACHING,
            Volume.Robustness.DEGRADED,
            "node-1",
            "node-2",
            "default",
            true,
            1_763_600_000_001L,
            1_763_600_000_005L,
            new Volume.Upgrade(
                Volume.Upgrade.Phase.SWITCHING,
                "newer",
                3,
                "no backend",
                1_763_600_000_006L,
                1_763_600_000_007L),
            List.of(READY, new Condition("Waiting", false, "7.1/open", "", 5))),
        1_763_600_000_002L);
  }

  /** What the first version had no word for is as it was then: one disk, one engine, no health. */
  private ClusterObject first() {
    return switch (this) {
      case NODE ->
          new Node(
              "node-1",
              true,
              true,
              true,
              false,
              "",
              sorted(),
              List.of(Node.Disk.of(Node.ONLY_DISK, "/var/lib/node-1")),
              new Condition("KubeReady", true, "", "", READY.sinceMillis()),
              READY);
      case INSTANCE_MANAGER ->
          new InstanceManager(
              "instance-manager-node-1",
              "node-1",
              InstanceManager.Type.ALL_IN_ONE,
              "default",
              "unix:/run/m.sock",
              InstanceManager.State.UNKNOWN,
              77,
              1_763_600_000_000L);
      case ENGINE_IMAGE ->
          new EngineImage(
              "default",
              "/opt/longhorn/bin/longhorn",
              "0.1.0",
              new EngineImage.Versions("0.1.0", 1, 1, 1, 1),
              sorted(),
              0,
              0);
      case VOLUME ->
          new Volume(
              "test-1",
              new Volume.Spec(
                  VOLUME_ID,
                  1L << 40,
                  3,
                  true,
                  Volume.AccessMode.RWX,
                  "default",
                  "node-1",
                  "node-2",
                  false,
                  Volume.Spec.STALE_REPLICA_TIMEOUT_MINUTES,
                  Placement.ANYWHERE),
              new Volume.Status(
                  Volume.State.DETACHING,
                  Volume.Robustness.DEGRADED,
                  "node-1",
                  "node-2",
                  "default",
                  false,
                  1_763_600_000_001L,
                  0,
                  Volume.Upgrade.NONE,
                  List.of(READY, new Condition("Waiting", false, "7.1/open", "", 5))),
              1_763_600_000_002L);
      case VOLUME_ATTACHMENT -> attachment(false);
      case ENGINE ->
          new Engine(
              "test-1-e-0",
              new Engine.Spec(
                  "test-1", "node-1", "default", "unix:/run/n", true, true, sorted(), sorted()),
              new Engine.Status(
                  PROCESS,
                  Optional.empty(),
                  true,
                  42,
                  "serving",
                  List.of("nbd+unix:///a", "nbd://b"),
                  members(),
                  ""));
      case REPLICA ->
          new Replica(
              "test-1-r-a0000000",
              new Replica.Spec(
                  "test-1",
                  R1,
                  "node-1",
                  Node.ONLY_DISK,
                  "/d/replicas/test-1-r-a0000000",
                  "default",
                  true,
                  "",
                  true,
                  false,
                  Replica.Health.NEW),
              new Replica.Status(true, false, PROCESS));
      case SETTING, EVENT, MEMBERSHIP -> throw new IllegalStateException(this + " has one version");
    };
  }

  private static VolumeAttachment attachment(boolean isFrontendDisabled) {
    TreeMap<String, VolumeAttachment.Ticket> tickets = new TreeMap<>();
    tickets.put(
        "csi-1",
        new VolumeAttachment.Ticket(
            "csi-1",
            "csi-attacher",
            "node-1",
            "tcp:127.0.0.1:10809",
            isFrontendDisabled,
            17,
            READY));
    tickets.put(
        "node-2",
        new VolumeAttachment.Ticket("node-2", "longhorn-api", "node-2", "", false, 18, READY));
    return new VolumeAttachment("test-1", tickets);
  }

  private static SortedMap<ReplicaId, Engine.Member> members() {
    TreeMap<ReplicaId, Engine.Member> members = new TreeMap<>();
    members.put(R1, new Engine.Member(ReplicaMode.RW, "", 0, 0));
    members.put(R2, new Engine.Member(ReplicaMode.WO, "is copied", 412, 1L << 33));
    return members;
  }

  private static SortedSet<String> sorted(String... all) {
    TreeSet<String> set = new TreeSet<>();
    Collections.addAll(set, all);
    return set;
  }
}
