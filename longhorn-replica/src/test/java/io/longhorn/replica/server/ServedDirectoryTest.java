package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.ReplicaStatus;
import io.longhorn.api.wire.SnapshotSpec;
import io.longhorn.replica.file.FaultPlan;
import io.longhorn.replica.file.FaultPlan.Call;
import io.longhorn.replica.file.FaultPlan.Fault;
import io.longhorn.replica.file.FaultyFiles;
import io.longhorn.replica.file.FileLayer;
import io.longhorn.replica.file.PosixFiles;
import io.longhorn.replica.server.WireClient.Answer;
import io.longhorn.replica.store.ReplicaDirectory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Real directories behind real sockets. */
@Timeout(120)
class ServedDirectoryTest {
  private static final int BLOCK = 4096;
  private static final int CHUNK = 128 << 10;
  private static final int SIZE = 8 << 20;
  private static final VolumeId VOLUME = new VolumeId(new UUID(6, 1));
  private static final ReplicaId REPLICA = new ReplicaId(new UUID(6, 2));

  @TempDir Path directory;

  private long generation;

  private Path create() {
    Path at = directory.resolve("r");
    ReplicaDirectory.create(
        new PosixFiles(),
        at,
        new ReplicaSpec(
            VOLUME,
            new VolumeName("v"),
            REPLICA,
            SIZE,
            ReplicaSpec.AUTHORITY_REPLICAS,
            MembershipRecord.ofNewVolume(List.of(REPLICA))));
    return at;
  }

  private static ReplicaServer serve(FileLayer files, Path at, IoMode mode) {
    return ReplicaServer.open(files, at, mode, new ListenAddress.Tcp("127.0.0.1", 0));
  }

  private WireClient own(ReplicaServer server) {
    WireClient client = new WireClient(server.address());
    generation++;
    assertThat(client.own(VOLUME, REPLICA, ServedReplica.ENGINE, generation).status())
        .isEqualTo(IoError.OK);
    return client;
  }

  @ParameterizedTest
  @EnumSource(IoMode.class)
  void aDirectoryBehindASocketIsLikeMemory(IoMode mode) {
    long seed = Long.getLong("longhorn.seed", 20_261_120);
    System.out.println("ServedDirectoryTest: -Dlonghorn.seed=" + seed);
    Random random = new Random(seed);
    byte[] model = new byte[SIZE];
    Path at = create();
    int snapshots = 0;
    for (int opening = 0; opening < 4; opening++) {
      try (ReplicaServer server = serve(new PosixFiles(), at, mode);
          WireClient client = own(server)) {
        for (int round = 0; round < 60; round++) {
          changes(client, random, model);
          if (round % 20 == 7) {
            snapshots++;
            client.frame(
                FrameType.SNAPSHOT.code(),
                0,
                0,
                0,
                snapshots,
                new SnapshotSpec("s" + snapshots, snapshots + 1, 1, true).write().toBytes(),
                false);
            assertThat(client.ask().status()).isEqualTo(IoError.OK);
          }
          if (round % 10 == 3) {
            client.bare(FrameType.FLUSH, 0, 0, 0);
            assertThat(client.ask().status()).isEqualTo(IoError.OK);
          }
          assertReads(client, model, random.nextInt(SIZE / CHUNK));
        }
        for (int chunk = 0; chunk < SIZE / CHUNK; chunk++) {
          assertReads(client, model, chunk);
        }
        if (opening == 2) {
          client.control(FrameType.RELEASE, new byte[0]);
          assertThat(client.ask().status()).isEqualTo(IoError.OK);
        }
      }
    }
  }

  /** Several changes of different chunks, sent together; what they are answered. */
  private static void changes(WireClient client, Random random, byte[] model) {
    Map<Long, Integer> sent = new HashMap<>();
    for (int i = random.nextInt(8); i >= 0; i--) {
      int chunk = random.nextInt(SIZE / CHUNK);
      if (sent.containsValue(chunk)) {
        continue;
      }
      int first = random.nextInt(32);
      int blocks = 1 + random.nextInt(Math.min(8, 32 - first));
      int offset = chunk * CHUNK + first * BLOCK;
      int end = offset + blocks * BLOCK;
      int flags = random.nextInt(4) == 0 ? FrameHeader.FLAG_FUA : 0;
      long sequence =
          switch (random.nextInt(5)) {
            case 0 -> {
              Arrays.fill(model, offset, end, (byte) 0);
              yield client.bare(FrameType.TRIM, flags, offset, end - offset);
            }
            case 1 -> {
              Arrays.fill(model, offset, end, (byte) 0);
              int allocate = random.nextBoolean() ? FrameHeader.FLAG_ALLOCATE : 0;
              yield client.bare(FrameType.ZERO, flags | allocate, offset, end - offset);
            }
            default -> {
              byte[] data = new byte[end - offset];
              random.nextBytes(data);
              System.arraycopy(data, 0, model, offset, data.length);
              yield client.write(flags, offset, data);
            }
          };
      sent.put(sequence, chunk);
    }
    client.send();
    for (int i = sent.size(); i > 0; i--) {
      Answer answer = client.next();
      assertThat(answer.status()).isEqualTo(IoError.OK);
      assertThat(sent).containsKey(answer.sequence());
    }
  }

  private static void assertReads(WireClient client, byte[] model, int chunk) {
    client.bare(FrameType.READ, 0, (long) chunk * CHUNK, CHUNK);
    Answer read = client.ask();
    assertThat(read.status()).isEqualTo(IoError.OK);
    assertThat(read.payload())
        .isEqualTo(Arrays.copyOfRange(model, chunk * CHUNK, (chunk + 1) * CHUNK));
  }

  /** How a call on the data file fails, and what the frame that made it is answered. */
  enum Failure {
    WRITE_EIO(Call.WRITE, Fault.EIO, IoError.EIO),
    SYNC_EIO(Call.SYNC, Fault.EIO, IoError.EIO);

    private final Call call;
    private final Fault fault;
    private final IoError answer;

    Failure(Call call, Fault fault, IoError answer) {
      this.call = call;
      this.fault = fault;
      this.answer = answer;
    }

    FaultPlan plan() {
      return (what, file, _) -> what == call && file.endsWith(".dat") ? fault : Fault.NONE;
    }
  }

  @ParameterizedTest
  @EnumSource(Failure.class)
  void afterAFailedWriteOrSyncTheReplicaFailsAndSaysSo(Failure failure) {
    FaultyFiles files = new FaultyFiles(new PosixFiles(), FaultPlan.none());
    ReplicaServer server = serve(files, create(), IoMode.BUFFERED);
    try (WireClient client = own(server)) {
      byte[] data = ReplicaServerTest.bytes(1, BLOCK);
      client.write(0, 0, data);
      assertThat(client.ask().status()).isEqualTo(IoError.OK);
      files.plan(failure.plan());
      client.write(FrameHeader.FLAG_FUA, 0, data);
      assertThat(client.ask().status()).isEqualTo(failure.answer);
      client.bare(FrameType.FLUSH, 0, 0, 0);
      assertThat(client.ask().status()).isEqualTo(failure.answer);
      client.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(client.ask().status()).isEqualTo(failure.answer);
      client.control(FrameType.PING, new byte[0]);
      assertThat(client.ask().status()).as("the link lives").isEqualTo(IoError.OK);
      client.control(FrameType.STATUS, new byte[0]);
      assertThat(ReplicaStatus.read(client.ask().fields()).failure()).isEqualTo(failure.answer);
    } finally {
      files.plan(FaultPlan.none());
      server.close();
    }
  }

  @Test
  void theLinksThreadAllocatesNothingPerReadAndWriteOfARealDirectory() {
    try (ReplicaServer server = serve(new PosixFiles(), create(), IoMode.BUFFERED);
        WireClient client = own(server)) {
      LinkLimitsTest.assertLinkAllocatesNothing(client);
    }
  }
}
