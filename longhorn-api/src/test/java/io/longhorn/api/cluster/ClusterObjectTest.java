package io.longhorn.api.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.Seed;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The objects of a cluster against their golden files: bytes that some build has stored. A new
 * field gets a new file beside the old one, which goes on being read; {@code -Dgoldens.write=DIR}
 * writes those of this build.
 */
final class ClusterObjectTest {
  private static final int UNKNOWN_FIELD = 900;
  private static final int HEX_BYTES_PER_LINE = 32;
  private static final int DAMAGED = 3_000;

  private static byte[] golden(SampleObject sample) {
    return golden(sample, sample.version());
  }

  private static byte[] golden(SampleObject sample, int version) {
    String name = sample.fileName(version);
    try (InputStream in = ClusterObjectTest.class.getResourceAsStream(name)) {
      assertThat(in).as(name).isNotNull();
      String text = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
      return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
    } catch (IOException e) {
      throw new AssertionError(name, e);
    }
  }

  private static ClusterObject read(SampleObject sample, byte[] bytes) {
    return ClusterObject.read(sample.kind(), new FieldReader(bytes));
  }

  private static byte[] join(byte[] first, byte[] second) {
    byte[] both = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, both, first.length, second.length);
    return both;
  }

  /** The payload with the number in one field replaced, wherever it stands. */
  private static byte[] with(byte[] payload, int number, byte[] value) {
    ByteBuffer in = ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN);
    FieldWriter out = new FieldWriter();
    while (in.hasRemaining()) {
      int field = Short.toUnsignedInt(in.getShort());
      byte[] there = new byte[in.getInt()];
      in.get(there);
      out.bytes(field, field == number ? value : there);
    }
    return out.toBytes();
  }

  private static byte[] number(long value) {
    return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
  }

  @ParameterizedTest
  @EnumSource
  void thisBuildWritesWhatItsVersionHasAlwaysWritten(SampleObject sample) throws IOException {
    byte[] bytes = sample.value().write().toBytes();
    String folder = System.getProperty("goldens.write");
    if (folder != null) {
      String hex = HexFormat.of().formatHex(bytes);
      Files.writeString(
          Path.of(folder, sample.fileName(sample.version())),
          hex.replaceAll("(.{" + 2 * HEX_BYTES_PER_LINE + "})", "$1\n").strip() + "\n");
    }
    assertThat(bytes).isEqualTo(golden(sample));
  }

  @ParameterizedTest
  @EnumSource
  void theGoldenBytesAreTheValue(SampleObject sample) {
    assertThat(read(sample, golden(sample))).isEqualTo(sample.value());
    assertThat(sample.value().key()).isEqualTo(new ObjectKey(sample.kind(), sample.value().name()));
  }

  /** Fields that a version did not have are as if nobody had said anything. */
  @ParameterizedTest
  @EnumSource
  void whatAnEarlierBuildHasStoredIsStillRead(SampleObject sample) {
    for (int version = 1; version < sample.version(); version++) {
      ClusterObject read = read(sample, golden(sample, version));
      assertThat(read).as("version %d", version).isEqualTo(sample.value(version));
      // Stored again, it is of this version, and the same.
      assertThat(read(sample, read.write().toBytes())).isEqualTo(read);
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatANewerBuildAddsIsSkipped(SampleObject sample) {
    FieldWriter more =
        new FieldWriter()
            .bytes(UNKNOWN_FIELD, new byte[] {1, 2, 3})
            .number(UNKNOWN_FIELD + 1, 7)
            .number(UNKNOWN_FIELD + 1, 8);
    byte[] good = golden(sample);
    assertThat(read(sample, join(more.toBytes(), good))).isEqualTo(sample.value());
    assertThat(read(sample, join(good, more.toBytes()))).isEqualTo(sample.value());
  }

  @ParameterizedTest
  @CsvSource({
    "VOLUME, 2",
    "VOLUME, 3",
    "NODE, 5",
    "NODE, 11",
    "ENGINE_IMAGE, 4",
    "ENGINE, 8",
    "REPLICA, 9",
    "REPLICA, 14",
    "MEMBERSHIP, 2",
  })
  void whatANewerBuildAddsToANestedRecordIsSkipped(SampleObject sample, int field) {
    byte[] nested = new FieldReader(golden(sample)).bytes(field);
    byte[] more = join(nested, new FieldWriter().number(UNKNOWN_FIELD, 7).toBytes());
    assertThat(read(sample, with(golden(sample), field, more))).isEqualTo(sample.value());
  }

  @ParameterizedTest
  @EnumSource
  void anyBytesGiveAnObjectOrTheOneException(SampleObject sample) {
    RandomGenerator random = Seed.random("ClusterObjectTest " + sample);
    byte[] good = golden(sample);
    int read = 0;
    int refused = 0;
    for (int i = 0; i < DAMAGED; i++) {
      byte[] bad = damaged(good, random);
      try {
        ClusterObject object = read(sample, bad);
        read++;
        byte[] again = object.write().toBytes();
        assertThat(ClusterObject.read(sample.kind(), new FieldReader(again))).isEqualTo(object);
        assertThat(object.key().kind()).isEqualTo(sample.kind());
      } catch (WireFormatException e) {
        refused++;
      }
    }
    assertThat(read).isPositive();
    assertThat(refused).isGreaterThan(DAMAGED / 10);
  }

  private static byte[] damaged(byte[] good, RandomGenerator random) {
    if (random.nextInt(5) == 0) {
      byte[] bytes = new byte[random.nextInt(100)];
      random.nextBytes(bytes);
      return bytes;
    }
    byte[] bytes = good.clone();
    for (int i = random.nextInt(3); i >= 0 && bytes.length > 0; i--) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(4)) {
        case 0 -> bytes[at] = (byte) random.nextInt();
        case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> bytes[at] = (byte) (random.nextBoolean() ? 0xFF : 0);
        default -> bytes = random.nextInt(4) == 0 ? Arrays.copyOf(bytes, at) : bytes;
      }
    }
    return bytes;
  }

  @ParameterizedTest
  @CsvSource({
    "INSTANCE_MANAGER, 5, 0", // state
    "INSTANCE_MANAGER, 5, 6",
    "INSTANCE_MANAGER, 5, 4294967297", // STOPPED, if it were cut to an int
    "INSTANCE_MANAGER, 8, 0", // type
    "INSTANCE_MANAGER, 8, 4",
    "INSTANCE_MANAGER, 8, 4294967297",
    "EVENT, 5, 0", // kind of what it is about
    "EVENT, 5, 11",
    "EVENT, 5, 4294967297",
  })
  void aNumberThatCannotBeIsRefused(SampleObject sample, int field, long value) {
    assertThatThrownBy(() -> read(sample, with(golden(sample), field, number(value))))
        .isInstanceOf(WireFormatException.class);
  }

  @ParameterizedTest
  @EnumSource
  void aNameThatCannotBeIsRefused(SampleObject sample) {
    for (String name : List.of("", "n".repeat(ObjectKey.MAX_NAME_LENGTH + 1))) {
      byte[] text = name.getBytes(StandardCharsets.UTF_8);
      assertThatThrownBy(() -> read(sample, with(golden(sample), 1, text)))
          .as("a name of %d characters", name.length())
          .isInstanceOf(WireFormatException.class);
    }
  }

  @Test
  void aVolumesNameIsAVolumesName() {
    byte[] text = "Not A Volume".getBytes(StandardCharsets.UTF_8);
    assertThatThrownBy(() -> read(SampleObject.VOLUME, with(golden(SampleObject.VOLUME), 1, text)))
        .isInstanceOf(WireFormatException.class)
        .hasMessageContaining("volume name");
  }

  @Test
  void limitsHold() {
    TreeMap<String, VolumeAttachment.Ticket> tickets = new TreeMap<>();
    Condition waits = new Condition("Satisfied", false, "", "", 0);
    for (int i = 0; i < VolumeAttachment.MAX_TICKETS; i++) {
      tickets.put("t" + i, new VolumeAttachment.Ticket("t" + i, "csi", "n", "", false, 0, waits));
    }
    VolumeAttachment full = new VolumeAttachment("v", tickets);
    assertThatThrownBy(() ->
            full.with(new VolumeAttachment.Ticket("one more", "csi", "n", "", false, 0, waits)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(
            () -> {
              FieldWriter more = full.write();
              more.nested(
                  2,
                  new VolumeAttachment.Ticket("one more", "csi", "n", "", false, 0, waits).write());
              VolumeAttachment.read(new FieldReader(more.toBytes()));
            })
        .isInstanceOf(IllegalArgumentException.class);
    Volume volume = (Volume) SampleObject.VOLUME.value();
    List<Condition> conditions = new ArrayList<>();
    for (int i = 0; i <= Volume.MAX_CONDITIONS; i++) {
      conditions.add(new Condition("c" + i, true, "", "", 0));
    }
    assertThatThrownBy(() -> volume.status().with(conditions))
        .isInstanceOf(IllegalArgumentException.class);
    Event event =
        new Event("1", true, "r", "m".repeat(5_000), new ObjectKey(ObjectKind.NODE, "n"), 0);
    assertThat(event.message()).hasSize(Event.MAX_MESSAGE_LENGTH).endsWith("…");
    assertThatThrownBy(() -> new ObjectKey(ObjectKind.NODE, ""))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aTicketIsUnderItsId() {
    Condition waits = new Condition("Satisfied", false, "", "", 0);
    TreeMap<String, VolumeAttachment.Ticket> tickets = new TreeMap<>();
    tickets.put("a", new VolumeAttachment.Ticket("b", "csi", "n", "", false, 0, waits));
    assertThatThrownBy(() -> new VolumeAttachment("v", tickets))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aConditionThatSaysTheSameKeepsItsTime() {
    Volume volume = (Volume) SampleObject.VOLUME.value();
    Condition old = volume.status().conditions().getFirst();
    Condition same = new Condition(old.type(), old.isTrue(), old.reason(), old.message(), 99);
    assertThat(volume.status().with(List.of(same)).conditions()).containsExactly(old);
    Condition other = new Condition(old.type(), old.isTrue(), "else", old.message(), 99);
    assertThat(volume.status().with(List.of(other)).conditions()).containsExactly(other);
  }

  // ---- codes are for ever -----------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "1, SETTING", "2, NODE", "3, INSTANCE_MANAGER", "4, ENGINE_IMAGE", "5, VOLUME",
    "6, VOLUME_ATTACHMENT", "7, ENGINE", "8, REPLICA", "9, EVENT", "10, MEMBERSHIP",
  })
  void kinds(int code, ObjectKind kind) {
    assertThat(kind.code()).isEqualTo(code);
    assertThat(ObjectKind.ofCode(code)).isEqualTo(kind);
    assertThat(ObjectKind.values()).hasSize(10);
    assertThat(ObjectKind.ofCode(code + (1L << 32))).isNull();
  }

  @ParameterizedTest
  @CsvSource({
    "1, STOPPED, stopped", "2, STARTING, starting", "3, RUNNING, running",
    "4, STOPPING, stopping", "5, ERROR, error", "6, UNKNOWN, unknown",
  })
  void instanceStates(int code, InstanceView.State state, String text) {
    assertThat(state.code()).isEqualTo(code);
    assertThat(InstanceView.State.ofCode(code)).isEqualTo(state);
    assertThat(state.text()).isEqualTo(text);
    assertThat(InstanceView.State.values()).hasSize(6);
  }

  @ParameterizedTest
  @CsvSource({
    "1, STOPPED, stopped",
    "2, STARTING, starting",
    "3, RUNNING, running",
    "4, ERROR, error",
    "5, UNKNOWN, unknown",
  })
  void instanceManagerStates(int code, InstanceManager.State state, String text) {
    InstanceManager manager =
        new InstanceManager("m", "n", InstanceManager.Type.ENGINE, "i", "a", state, 0, 0);
    assertThat(new FieldReader(manager.write().toBytes()).number(5)).isEqualTo(code);
    assertThat(state.text()).isEqualTo(text);
    assertThat(InstanceManager.State.values()).hasSize(5);
  }

  @ParameterizedTest
  @CsvSource({"1, ALL_IN_ONE, all-in-one", "2, ENGINE, engine", "3, REPLICA, replica"})
  void instanceManagerTypes(int code, InstanceManager.Type type, String text) {
    InstanceManager manager =
        new InstanceManager("m", "n", type, "i", "a", InstanceManager.State.STOPPED, 0, 0);
    assertThat(new FieldReader(manager.write().toBytes()).number(8)).isEqualTo(code);
    assertThat(type.text()).isEqualTo(text);
    assertThat(InstanceManager.Type.values()).hasSize(3);
    assertThat(type.hasEngines()).isEqualTo(type != InstanceManager.Type.REPLICA);
    assertThat(type.hasReplicas()).isEqualTo(type != InstanceManager.Type.ENGINE);
  }

  @ParameterizedTest
  @CsvSource({"1, RWO, rwo", "2, RWOP, rwop", "3, RWX, rwx"})
  void accessModes(int code, Volume.AccessMode mode, String text) {
    Volume volume = (Volume) SampleObject.VOLUME.value();
    Volume.Spec spec = volume.spec();
    Volume other =
        volume.with(
            new Volume.Spec(
                spec.id(),
                spec.sizeBytes(),
                spec.numberOfReplicas(),
                true,
                mode,
                spec.image(),
                "",
                "",
                false,
                0,
                spec.placement()));
    FieldReader written = new FieldReader(other.write().toBytes()).nested(2);
    assertThat(written.number(8)).isEqualTo(code);
    assertThat(Volume.read(new FieldReader(other.write().toBytes()))).isEqualTo(other);
    assertThat(mode.text()).isEqualTo(text);
    assertThat(other.isMigratable()).isEqualTo(mode == Volume.AccessMode.RWX);
    assertThat(Volume.AccessMode.values()).hasSize(3);
  }

  @ParameterizedTest
  @CsvSource({
    "1, DISABLED, disabled",
    "2, BEST_EFFORT, best-effort",
    "3, STRICT_LOCAL, strict-local"
  })
  void dataLocalities(int code, Volume.Placement.DataLocality locality, String text) {
    Volume.Placement anywhere = Volume.Placement.ANYWHERE;
    Volume.Placement placement =
        new Volume.Placement(
            locality,
            anywhere.nodeTags(),
            anywhere.diskTags(),
            Volume.Placement.Choice.IGNORED,
            Volume.Placement.Choice.ENABLED,
            Volume.Placement.Choice.DISABLED);
    FieldReader written = new FieldReader(placement.write().toBytes());
    assertThat(written.number(1)).isEqualTo(code);
    assertThat(List.of(written.number(4), written.number(5), written.number(6)))
        .as("choices")
        .containsExactly(1L, 2L, 3L);
    assertThat(Volume.Placement.read(written)).isEqualTo(placement);
    assertThat(locality.text()).isEqualTo(text);
  }

  @ParameterizedTest
  @CsvSource({
    "1, CREATING, creating", "2, DETACHED, detached", "3, ATTACHING, attaching",
    "4, ATTACHED, attached", "5, DETACHING, detaching", "6, DELETING, deleting",
  })
  void volumeStates(int code, Volume.State state, String text) {
    Volume volume = (Volume) SampleObject.VOLUME.value();
    FieldReader status =
        new FieldReader(volume.with(volume.status().with(state, "n")).write().toBytes()).nested(3);
    assertThat(status.number(1)).isEqualTo(code);
    assertThat(state.text()).isEqualTo(text);
    assertThat(Volume.State.values()).hasSize(6);
  }

  @ParameterizedTest
  @CsvSource({
    "1, HEALTHY, healthy",
    "2, DEGRADED, degraded",
    "3, FAULTED, faulted",
    "4, UNKNOWN, unknown",
  })
  void robustness(int code, Volume.Robustness robustness, String text) {
    Volume volume = (Volume) SampleObject.VOLUME.value();
    Volume other = volume.with(volume.status().with(robustness, 5));
    assertThat(new FieldReader(other.write().toBytes()).nested(3).number(2)).isEqualTo(code);
    assertThat(robustness.text()).isEqualTo(text);
    assertThat(Volume.Robustness.values()).hasSize(4);
  }

  @ParameterizedTest
  @CsvSource({
    "1, NONE, none",
    "2, WAITING, waiting",
    "3, PREPARING, preparing",
    "4, SWITCHING, switching",
    "5, ROLLED_BACK, rolled-back",
  })
  void upgradePhases(int code, Volume.Upgrade.Phase phase, String text) {
    Volume.Upgrade upgrade = new Volume.Upgrade(phase, "i", 1, "e", 2, 3);
    FieldReader written = new FieldReader(upgrade.write().toBytes());
    assertThat(written.number(4)).isEqualTo(code);
    assertThat(Volume.Upgrade.read(written)).isEqualTo(upgrade);
    assertThat(phase.text()).isEqualTo(text);
    assertThat(Volume.Upgrade.Phase.values()).hasSize(5);
  }

  @ParameterizedTest
  @CsvSource({"1, RW", "2, WO", "3, ERR"})
  void modes(int code, ReplicaMode mode) {
    Engine engine = (Engine) SampleObject.ENGINE.value();
    TreeMap<io.longhorn.api.ReplicaId, Engine.Member> one = new TreeMap<>();
    one.put(engine.status().replicas().firstKey(), new Engine.Member(mode, "", 0, 0));
    Engine other =
        engine.with(
            new Engine.Status(
                engine.status().instance(), Optional.empty(), true, 1, "", List.of(), one, ""));
    FieldReader member = new FieldReader(other.write().toBytes()).allNested(13).getFirst();
    assertThat(member.number(2)).isEqualTo(code);
    assertThat(Engine.read(new FieldReader(other.write().toBytes()))).isEqualTo(other);
  }
}
