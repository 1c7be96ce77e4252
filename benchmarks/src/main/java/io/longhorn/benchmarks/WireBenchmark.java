package io.longhorn.benchmarks;

import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.RecordCodec;
import io.longhorn.api.wire.ReplicaInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** Headers, which every request pays twice, and the control messages, which none does. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class WireBenchmark {
  /** Memory for headers, and messages with their bytes. */
  @State(Scope.Thread)
  public static class Messages {
    private final MemorySegment memory = Arena.ofAuto().allocate(4096, 64);
    private final ByteBuffer view = memory.asByteBuffer();
    private final Crc32c crc = new Crc32c();
    private long sequence;

    private final MembershipRecord record = record();
    private final ReplicaInfo info =
        new ReplicaInfo(
            FrameHeader.VERSION,
            new VolumeId(new UUID(1, 1)),
            new ReplicaId(new UUID(2, 1)),
            1L << 30,
            "replicas",
            4,
            record,
            3,
            new ProcessNonce(new UUID(3, 1)),
            true,
            new RecordStamp(4, 9),
            64L << 10,
            7,
            8,
            256);
    private final byte[] recordBytes = RecordCodec.write(record).toBytes();
    private final byte[] infoBytes = info.write().toBytes();

    private static MembershipRecord record() {
      List<ReplicaId> replicas =
          List.of(
              new ReplicaId(new UUID(2, 1)),
              new ReplicaId(new UUID(2, 2)),
              new ReplicaId(new UUID(2, 3)));
      return MembershipRecord.ofNewVolume(replicas)
          .next(new RecordStamp(4, 9), new TreeSet<>(replicas.subList(0, 2)));
    }
  }

  /** The header of a 4 KiB WRITE written, sealed, and checked as its receiver does. */
  @Benchmark
  public FrameHeader.Check headerWrittenSealedAndChecked(Messages m) {
    FrameHeader.write(m.memory, 0, FrameType.WRITE, 0, 7, m.sequence++);
    FrameHeader.range(m.memory, 0, m.sequence << 12, Crc32c.BLOCK_BYTES);
    FrameHeader.payload(m.memory, 0, 1, Crc32c.BLOCK_BYTES);
    FrameHeader.seal(m.memory, m.view, 0, m.crc);
    return FrameHeader.check(m.memory, m.view, 0, m.crc);
  }

  /** A membership record of two members and one that left, to bytes. */
  @Benchmark
  public byte[] recordEncoded(Messages m) {
    return RecordCodec.write(m.record).toBytes();
  }

  /** The same from bytes. */
  @Benchmark
  public MembershipRecord recordDecoded(Messages m) {
    return RecordCodec.read(new FieldReader(m.recordBytes));
  }

  /** What a replica answers to HELLO, to bytes. */
  @Benchmark
  public byte[] replicaInfoEncoded(Messages m) {
    return m.info.write().toBytes();
  }

  /** The same from bytes. */
  @Benchmark
  public ReplicaInfo replicaInfoDecoded(Messages m) {
    return ReplicaInfo.read(new FieldReader(m.infoBytes));
  }
}
