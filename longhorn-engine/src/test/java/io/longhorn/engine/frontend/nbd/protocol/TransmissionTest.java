package io.longhorn.engine.frontend.nbd.protocol;

import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.concat;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.request;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.write;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.engine.frontend.nbd.protocol.SessionRig.Reply;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.MemoryVolumePort;
import io.longhorn.engine.request.MemoryVolumePort.Asked;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class TransmissionTest {
  private static final int MIB = 1 << 20;
  private static final int SIZE = 8 * MIB;

  private final SessionRig simple = new SessionRig(SIZE).simple();
  private final SessionRig structured = new SessionRig(SIZE).structured();

  private static byte[] pattern(int length, int seed) {
    byte[] bytes = new byte[length];
    SessionRig.random(seed).nextBytes(bytes);
    return bytes;
  }

  private static void fill(SessionRig rig) {
    SessionRig.random(99).nextBytes(rig.disk.bytes);
  }

  private static byte[] range(SessionRig rig, long offset, int length) {
    return Arrays.copyOfRange(rig.disk.bytes, (int) offset, (int) offset + length);
  }

  @Test
  void aWriteIsReadBackAtAnyOffsetAndLength() {
    int cookie = 0;
    for (int length : new int[] {1, 511, 4096, 4097, 131072, 131073, 1 << 20, 3000001}) {
      for (int offset : new int[] {0, 1, 4095, 131071, 500000}) {
        byte[] data = pattern(length, ++cookie);
        simple.give(write(0, cookie, offset, data));
        assertThat(simple.onlyError()).isZero();
        assertThat(range(simple, offset, length)).isEqualTo(data);
        simple.give(request(Nbd.CMD_READ, 0, cookie, offset, length));
        List<Reply> replies = SessionRig.replies(simple.received(), _ -> length);
        assertThat(replies).hasSize(1);
        assertThat(replies.getFirst().data()).isEqualTo(data);
      }
    }
    assertThat(simple.port.taken()).isZero();
    assertThat(simple.port.lentLoans()).isZero();
  }

  @Test
  void aWriteReachesTheVolumeChunkByChunkBeforeItsPayloadIsThere() {
    byte[] all = write(0, 5, 131072 - 1000, pattern(131072 + 2000, 3));
    simple.push(Arrays.copyOf(all, 28 + 1000));
    assertThat(simple.port.asked())
        .containsExactly(new Asked(IoKind.WRITE, 131072 - 1000, 1000, false, false));
    simple.push(Arrays.copyOfRange(all, 28 + 1000, 28 + 1000 + 131072));
    assertThat(simple.port.asked()).hasSize(2);
    simple.push(Arrays.copyOfRange(all, 28 + 1000 + 131072, all.length));
    assertThat(simple.port.asked().getLast())
        .isEqualTo(new Asked(IoKind.WRITE, 262144, 1000, false, false));
    assertThat(simple.onlyError()).isZero();
  }

  @Test
  void aLongSimpleReadStreamsInOrderWithABoundedNumberOfLoans() {
    SessionRig rig = new SessionRig(new MemoryVolumePort.Disk(40 * MIB), 200, 7).simple();
    fill(rig);
    rig.give(
        concat(
            request(Nbd.CMD_READ, 0, 1, 12345, 32L << 20),
            request(Nbd.CMD_READ, 0, 2, 999, 300000),
            request(Nbd.CMD_READ, 0, 3, 7, 9)));
    int[] lengths = {0, 32 << 20, 300000, 9};
    List<Reply> replies = SessionRig.replies(rig.received(), c -> lengths[(int) c]);
    assertThat(replies).hasSize(3);
    for (Reply reply : replies) {
      int offset = new int[] {0, 12345, 999, 7}[(int) reply.cookie()];
      assertThat(reply.data()).isEqualTo(range(rig, offset, lengths[(int) reply.cookie()]));
    }
    assertThat(rig.port.mostTaken()).isLessThanOrEqualTo(ReadStreams.WINDOW + 1);
  }

  @Test
  void manyReadsOfAllLengthsFinishWithTheFewestCredits() {
    for (boolean isStructured : new boolean[] {false, true}) {
      for (long seed = 0; seed < 20; seed++) {
        var disk = new MemoryVolumePort.Disk(SIZE);
        SessionRig rig = new SessionRig(disk, NbdSession.MIN_CREDITS, seed);
        fill(rig);
        if (isStructured) {
          rig.structured();
        } else {
          rig.simple();
        }
        int count = 100;
        int[] lengths = new int[count];
        long[] offsets = new long[count];
        byte[] all = new byte[0];
        var random = SessionRig.random(seed);
        for (int i = 0; i < count; i++) {
          lengths[i] = 1 + random.nextInt(random.nextInt(2) == 0 ? 5000 : 600000);
          offsets[i] = random.nextInt(SIZE - lengths[i]);
          int flags = isStructured && lengths[i] < 200000 && i % 3 == 0 ? Nbd.CMD_FLAG_DF : 0;
          all = concat(all, request(Nbd.CMD_READ, flags, i, offsets[i], lengths[i]));
        }
        rig.give(all);
        byte[][] got = new byte[count][];
        for (int i = 0; i < count; i++) {
          got[i] = new byte[lengths[i]];
        }
        int done = 0;
        for (Reply reply : SessionRig.replies(rig.received(), c -> lengths[(int) c])) {
          int i = (int) reply.cookie();
          if (reply.isSimple()) {
            got[i] = reply.data();
            done++;
          } else {
            ByteBuffer data = reply.buffer();
            int at = (int) (data.getLong() - offsets[i]);
            data.get(got[i], at, data.remaining());
            done += reply.isDone() ? 1 : 0;
          }
        }
        assertThat(done).as("seed " + seed).isEqualTo(count);
        for (int i = 0; i < count; i++) {
          assertThat(got[i]).isEqualTo(range(rig, offsets[i], lengths[i]));
        }
        assertThat(rig.port.lentLoans()).isZero();
      }
    }
  }

  @Test
  void aSimpleReadThatFailsAfterItsHeaderEndsTheConnection() {
    simple.port.failing(a -> a.offset() == 3 * 131072 ? IoError.EIO : IoError.OK);
    simple.give(request(Nbd.CMD_READ, 0, 1, 0, MIB));
    assertThat(simple.out.closeReason()).contains("read failed");
    simple.session.disconnected();
    simple.port.drain();
    assertThat(simple.session.isFinished()).isTrue();
    assertThat(simple.port.lentLoans()).isZero();
  }

  @Test
  void aSimpleReadThatFailsAtItsStartIsAnError() {
    simple.port.failing(a -> a.offset() == 0 ? IoError.EIO : IoError.OK);
    simple.give(request(Nbd.CMD_READ, 0, 1, 0, 4 * MIB));
    assertThat(simple.onlyError()).isEqualTo(Nbd.EIO);
    assertThat(simple.port.asked().size()).isLessThanOrEqualTo(2 * ReadStreams.WINDOW);
    simple.give(request(Nbd.CMD_READ, 0, 1, 0, 512));
    assertThat(simple.onlyError()).isEqualTo(Nbd.EIO);
    assertThat(simple.out.closeReason()).isNull();
  }

  @Test
  void aStructuredReadThatFailsEndsWithAnErrorChunk() {
    structured.port.failing(a -> a.offset() == 131072 ? IoError.CHECKSUM : IoError.OK);
    structured.give(request(Nbd.CMD_READ, 0, 1, 0, MIB));
    List<Reply> replies = structured.replies();
    assertThat(replies.getLast().error()).isEqualTo(Nbd.EIO);
    assertThat(replies.getLast().isDone()).isTrue();
    assertThat(
            new String(replies.getLast().data(), 6, replies.getLast().data().length - 6, US_ASCII))
        .contains("CHECKSUM");
    assertThat(replies.stream().filter(Reply::isDone)).hasSize(1);
  }

  @Test
  void dontFragmentGivesOneChunk() {
    fill(structured);
    structured.give(request(Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 1, 131072 - 7, 131072 + 20));
    List<Reply> replies = structured.replies();
    assertThat(replies).hasSize(1);
    ByteBuffer data = replies.getFirst().buffer();
    assertThat(data.getLong()).isEqualTo(131072 - 7);
    byte[] rest = new byte[data.remaining()];
    data.get(rest);
    assertThat(rest).isEqualTo(range(structured, 131072 - 7, 131072 + 20));
    structured.give(request(Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 1, 0, Transmission.MAX_DF_BYTES + 1));
    assertThat(structured.onlyError()).isEqualTo(Nbd.EOVERFLOW);
    structured.port.failing(a -> a.offset() == 131072 ? IoError.EIO : IoError.OK);
    structured.give(request(Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 1, 131072 - 7, 131072 + 20));
    assertThat(structured.onlyError()).isEqualTo(Nbd.EIO);
    assertThat(structured.port.lentLoans()).isZero();
  }

  @Test
  void theTableOfRefusals() {
    long end = SIZE;
    Object[][] rows = {
      {Nbd.CMD_READ, 0, end, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_READ, 0, end - 4096, 4097L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_READ, 0, -1L, 2L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_READ, 0, Long.MIN_VALUE, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_READ, Nbd.CMD_FLAG_NO_HOLE, 0L, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 0L, 1L, Nbd.EINVAL, 0},
      {Nbd.CMD_READ, Nbd.CMD_FLAG_FUA, 0L, 1L, 0, 0},
      {Nbd.CMD_READ, 0, end, 0L, 0, 0},
      {Nbd.CMD_TRIM, 0, end, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_TRIM, 0, 0L, 0xffffffffL, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_TRIM, Nbd.CMD_FLAG_NO_HOLE, 0L, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_TRIM, 0, 0L, 0L, 0, 0},
      {Nbd.CMD_CACHE, 0, end, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_CACHE, 0, 0L, end, 0, 0},
      {Nbd.CMD_CACHE, Nbd.CMD_FLAG_REQ_ONE, 0L, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_CACHE, Nbd.CMD_FLAG_FUA, 0L, 1L, 0, 0},
      {Nbd.CMD_WRITE_ZEROES, 0, end, 1L, Nbd.ENOSPC, Nbd.ENOSPC},
      {Nbd.CMD_WRITE_ZEROES, 0, 1L, 0xffffffffL, Nbd.ENOSPC, Nbd.ENOSPC},
      {Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_DF, 0L, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_WRITE_ZEROES, 18, 0L, 4096L, Nbd.ENOTSUP, Nbd.ENOTSUP},
      {Nbd.CMD_WRITE_ZEROES, 16, 1L, 4096L, Nbd.ENOTSUP, Nbd.ENOTSUP},
      {Nbd.CMD_WRITE_ZEROES, 16, 0L, 4096L, 0, 0},
      {Nbd.CMD_WRITE_ZEROES, 0, 0L, 0L, 0, 0},
      {Nbd.CMD_FLUSH, 0, 1L, 0L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_FLUSH, 0, 0L, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_FLUSH, Nbd.CMD_FLAG_FUA, 0L, 0L, 0, 0},
      {Nbd.CMD_FLUSH, Nbd.CMD_FLAG_DF, 0L, 0L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_BLOCK_STATUS, 0, 0L, 1L, Nbd.EINVAL, 0},
      {Nbd.CMD_BLOCK_STATUS, 0, 0L, 0L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_BLOCK_STATUS, 0, end, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_BLOCK_STATUS, Nbd.CMD_FLAG_NO_HOLE, 0L, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {8, 0, 0L, 0L, Nbd.EINVAL, Nbd.EINVAL},
      {65535, 0, 0L, 4096L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_READ, 32, 0L, 1L, Nbd.EINVAL, Nbd.EINVAL},
      {Nbd.CMD_READ, 0, 0L, 33L << 20, Nbd.EINVAL, Nbd.EINVAL},
    };
    for (Object[] row : rows) {
      for (SessionRig rig : List.of(simple, structured)) {
        int type = (int) row[0];
        rig.give(request(type, (int) row[1], 42, (long) row[2], (long) row[3]));
        int data = type == Nbd.CMD_READ ? (int) (long) row[3] : 0;
        List<Reply> replies = SessionRig.replies(rig.received(), _ -> data);
        int wanted = (int) (rig == simple ? row[4] : row[5]);
        assertThat(replies).as(Arrays.toString(row)).hasSize(1);
        assertThat(replies.getFirst().error()).as(Arrays.toString(row)).isEqualTo(wanted);
        assertThat(replies.getFirst().cookie()).isEqualTo(42);
      }
    }
    assertThat(simple.out.closeReason()).isNull();
  }

  @Test
  void aReadBeyondTheLargestPayloadIsRefused() {
    for (boolean isStructured : new boolean[] {false, true}) {
      SessionRig rig = new SessionRig(40 * MIB);
      rig = isStructured ? rig.structured() : rig.simple();
      rig.give(request(Nbd.CMD_READ, 0, 1, 0, (32L << 20) + 1));
      assertThat(rig.onlyError()).isEqualTo(isStructured ? Nbd.EOVERFLOW : Nbd.EINVAL);
    }
  }

  @Test
  void thePayloadOfARefusedWriteIsConsumed() {
    byte[] data = pattern(300000, 1);
    Object[][] rows = {
      {0, SIZE - 299999L, Nbd.ENOSPC},
      {0, -4096L, Nbd.ENOSPC},
      {0, (long) SIZE, Nbd.ENOSPC},
      {Nbd.CMD_FLAG_DF, 0L, Nbd.EINVAL},
      {64, 0L, Nbd.EINVAL},
    };
    for (Object[] row : rows) {
      for (SessionRig rig : List.of(simple, structured)) {
        rig.give(
            concat(
                write((int) row[0], 8, (long) row[1], data), request(Nbd.CMD_FLUSH, 0, 9, 0, 0)));
        List<Reply> replies = rig.replies();
        assertThat(replies).hasSize(2);
        assertThat(replies.getFirst().error()).isEqualTo(row[2]);
        assertThat(replies.getLast().error()).isZero();
        assertThat(rig.port.asked()).noneMatch(a -> a.kind() == IoKind.WRITE);
      }
    }
  }

  @Test
  void aWriteBeyondTheLargestPayloadIsConsumedAndRefused() {
    SessionRig rig = new SessionRig(40 * MIB).simple();
    rig.give(write(0, 1, 0, new byte[(32 << 20) + 1]));
    assertThat(rig.onlyError()).isEqualTo(Nbd.EINVAL);
    rig.give(write(0, 1, 0, new byte[32 << 20]));
    assertThat(rig.onlyError()).isZero();
  }

  @Test
  void aWriteThatFailsInOneChunkFailsOnceAndStaysInStep() {
    simple.port.failing(a -> a.offset() == 131072 ? IoError.ENOSPC : IoError.OK);
    simple.give(concat(write(0, 8, 0, pattern(MIB, 2)), request(Nbd.CMD_FLUSH, 0, 9, 0, 0)));
    List<Reply> replies = simple.replies();
    assertThat(replies).hasSize(2);
    assertThat(replies).anyMatch(r -> r.cookie() == 8 && r.error() == Nbd.ENOSPC);
  }

  @Test
  void fuaIsPassedOnOrBecomesOneFlushBehindSeveralRequests() {
    structured.give(write(Nbd.CMD_FLAG_FUA, 1, 4096, pattern(8192, 1)));
    structured.give(request(Nbd.CMD_TRIM, Nbd.CMD_FLAG_FUA, 2, 0, 65536));
    structured.give(request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_FUA, 3, 0, 65536));
    structured.give(request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_FUA, 4, 1, 100));
    assertThat(structured.port.asked())
        .containsExactly(
            new Asked(IoKind.WRITE, 4096, 8192, true, false),
            new Asked(IoKind.TRIM, 0, 65536, true, false),
            new Asked(IoKind.ZERO, 0, 65536, true, false),
            new Asked(IoKind.WRITE, 1, 100, true, false));
    structured.port.asked().clear();
    structured.give(write(Nbd.CMD_FLAG_FUA, 5, 0, pattern(MIB, 1)));
    structured.give(request(Nbd.CMD_TRIM, Nbd.CMD_FLAG_FUA, 6, 0, 4 * MIB));
    structured.give(request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_FUA, 7, 1, 65536));
    List<Asked> asked = structured.port.asked();
    assertThat(asked.stream().filter(a -> a.kind() == IoKind.FLUSH)).hasSize(3);
    assertThat(asked).noneMatch(Asked::isFua);
    assertThat(asked.get(8).kind()).isEqualTo(IoKind.FLUSH);
    assertThat(asked.get(11).kind()).isEqualTo(IoKind.FLUSH);
    assertThat(asked.getLast().kind()).isEqualTo(IoKind.FLUSH);
    assertThat(structured.replies()).hasSize(7).allMatch(r -> r.error() == 0);
  }

  @Test
  void aFlushBehindFuaThatFailsFailsTheCommand() {
    simple.port.failing(a -> a.kind() == IoKind.FLUSH ? IoError.EIO : IoError.OK);
    simple.give(write(Nbd.CMD_FLAG_FUA, 5, 0, pattern(MIB, 1)));
    assertThat(simple.onlyError()).isEqualTo(Nbd.EIO);
  }

  @Test
  void trimRoundsInward() {
    simple.give(request(Nbd.CMD_TRIM, 0, 1, 4095, 8194));
    assertThat(simple.port.asked())
        .containsExactly(new Asked(IoKind.TRIM, 4096, 8192, false, false));
    simple.give(request(Nbd.CMD_TRIM, 0, 1, 1, 8190));
    assertThat(simple.port.asked()).hasSize(1);
    assertThat(simple.replies()).hasSize(2).allMatch(r -> r.error() == 0);
  }

  @Test
  void zeroesAreExactToTheByte() {
    for (long[] range :
        new long[][] {{0, 4096}, {1, 100}, {4000, 200}, {1, 3 * MIB}, {4096, 5 * MIB + 1}}) {
      fill(simple);
      byte[] wanted = simple.disk.bytes.clone();
      Arrays.fill(wanted, (int) range[0], (int) (range[0] + range[1]), (byte) 0);
      simple.give(request(Nbd.CMD_WRITE_ZEROES, 0, 1, range[0], range[1]));
      assertThat(simple.onlyError()).isZero();
      assertThat(simple.disk.bytes).isEqualTo(wanted);
    }
    simple.port.asked().clear();
    simple.give(request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_NO_HOLE, 1, 0, 4096));
    assertThat(simple.port.asked()).containsExactly(new Asked(IoKind.ZERO, 0, 4096, false, true));
  }

  @Test
  void fourGibibytesOfTrimAndZeroesTakeNoBuffers() {
    var huge = new HugePort();
    RecordingOutbound out = new RecordingOutbound();
    NbdSession session = new NbdSession(new NbdExport("big", ""), huge, out);
    session.start();
    byte[] bytes =
        concat(
            SessionRig.clientFlags(3),
            SessionRig.go(Nbd.OPT_GO, "big"),
            request(Nbd.CMD_TRIM, 0, 1, 512, 0xffffffffL),
            request(Nbd.CMD_WRITE_ZEROES, 0, 2, 4096, 0xfffff000L));
    session.consume(ByteBuffer.wrap(bytes), 0, bytes.length);
    out.send();
    byte[] sent = out.takeSent();
    List<Reply> replies =
        SessionRig.replies(Arrays.copyOfRange(sent, sent.length - 32, sent.length), _ -> 0);
    assertThat(replies).hasSize(2).allMatch(r -> r.error() == 0);
    assertThat(huge.zeroed).isEqualTo(0xfffff000L);
    assertThat(huge.trimmed).isBetween(0xfffff000L - 4096, 0xfffff000L);
  }

  private static List<int[]> extents(Reply reply) {
    ByteBuffer data = reply.buffer();
    assertThat(data.getInt()).isEqualTo(Handshake.ALLOCATION_CONTEXT_ID);
    List<int[]> all = new java.util.ArrayList<>();
    while (data.hasRemaining()) {
      all.add(new int[] {data.getInt(), data.getInt()});
    }
    return all;
  }

  @Test
  void blockStatusMergesNeighboursAcrossSpans() {
    structured.give(write(0, 1, 3 * MIB, pattern(8192, 1)));
    structured.give(request(Nbd.CMD_WRITE_ZEROES, 0, 1, 3 * MIB + 8192, 4096));
    structured.received();
    for (int perAnswer : new int[] {Integer.MAX_VALUE, 7, 1}) {
      structured.port.mapAtMost(perAnswer);
      structured.give(request(Nbd.CMD_BLOCK_STATUS, 0, 9, 100, SIZE - 200));
      List<Reply> replies = structured.replies();
      assertThat(replies).hasSize(1);
      assertThat(replies.getFirst().isDone()).isTrue();
      List<int[]> extents = extents(replies.getFirst());
      if (perAnswer == Integer.MAX_VALUE) {
        assertThat(extents)
            .containsExactly(
                new int[] {3 * MIB - 100, 3},
                new int[] {8192, 0},
                new int[] {5 * MIB - 8192 - 100, 3});
      } else {
        assertThat(extents.getFirst()[0]).isPositive();
      }
    }
  }

  @Test
  void blockStatusOfOneExtentIsNotLongerThanAsked() {
    structured.give(write(0, 1, 8192, pattern(4096, 1)));
    structured.received();
    long[][] rows = {{0, 512, 512, 3}, {0, SIZE, 8192, 3}, {8193, SIZE - 8193, 4095, 0}};
    for (long[] row : rows) {
      structured.give(request(Nbd.CMD_BLOCK_STATUS, Nbd.CMD_FLAG_REQ_ONE, 9, row[0], row[1]));
      assertThat(extents(structured.replies().getFirst()))
          .containsExactly(new int[] {(int) row[2], (int) row[3]});
    }
  }

  @Test
  void blockStatusIsCutAtItsLimitAndAlwaysMovesOn() {
    SessionRig rig = new SessionRig(2 * 4096 * (StatusQuery.MAX_EXTENTS + 10)).structured();
    byte[] block = new byte[4096];
    for (int i = 0; i < StatusQuery.MAX_EXTENTS + 10; i++) {
      rig.give(write(0, 1, 8192L * i, block));
    }
    rig.received();
    rig.give(request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, rig.disk.bytes.length));
    List<int[]> extents = extents(rig.replies().getFirst());
    assertThat(extents).hasSize(StatusQuery.MAX_EXTENTS);
    assertThat(extents).allMatch(e -> e[0] == 4096);
  }

  @Test
  void blockStatusThatFailsIsAnError() {
    structured.port.failing(a -> a.kind() == IoKind.MAP ? IoError.EIO : IoError.OK);
    structured.give(
        concat(
            request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, SIZE),
            request(Nbd.CMD_BLOCK_STATUS, 0, 2, 0, SIZE)));
    assertThat(structured.replies()).hasSize(2).allMatch(r -> r.error() == Nbd.EIO);
  }

  @Test
  void anUnsupportedAnswerOfTheVolumeIsNotEnotsupExceptForFastZero() {
    simple.port.failing(_ -> IoError.UNSUPPORTED);
    simple.give(request(Nbd.CMD_WRITE_ZEROES, 0, 1, 0, 4096));
    assertThat(simple.onlyError()).isEqualTo(Nbd.EINVAL);
    simple.give(request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_FAST_ZERO, 1, 0, 4096));
    assertThat(simple.onlyError()).isEqualTo(Nbd.ENOTSUP);
  }

  @Test
  void withoutCreditsNothingIsConsumedUntilOneComesBack() {
    SessionRig rig = new SessionRig(new MemoryVolumePort.Disk(SIZE), 2, 1).simple();
    byte[] reads =
        concat(
            request(Nbd.CMD_READ, 0, 1, 0, 512),
            request(Nbd.CMD_READ, 0, 2, 0, 512),
            request(Nbd.CMD_READ, 0, 3, 0, 512));
    rig.push(reads);
    assertThat(rig.leftOver()).isEqualTo(28);
    assertThat(rig.session.isBlocked()).isTrue();
    rig.offer();
    assertThat(rig.leftOver()).isEqualTo(28);
    assertThat(SessionRig.replies(rig.received(), _ -> 512)).hasSize(3);
    assertThat(rig.session.isBlocked()).isFalse();
  }

  @Test
  void aCongestedOutboundTakesNoNewWork() {
    simple.out.congestedAbove(40);
    byte[] requests = new byte[0];
    for (int i = 0; i < 10; i++) {
      requests = concat(requests, request(Nbd.CMD_CACHE, 0, i, 0, 1));
    }
    simple.push(requests);
    assertThat(simple.session.isBlocked()).isTrue();
    assertThat(simple.leftOver()).isEqualTo(7 * 28);
    assertThat(simple.replies()).hasSize(10);
  }

  @Test
  void atMostSoManyCommandsAreUnderWay() {
    SessionRig rig = new SessionRig(new MemoryVolumePort.Disk(SIZE), 100_000, 1).simple();
    byte[] requests = new byte[0];
    for (int i = 0; i < Transmission.MAX_COMMANDS + 1; i++) {
      requests = concat(requests, request(Nbd.CMD_FLUSH, 0, i, 0, 0));
    }
    rig.push(requests);
    assertThat(rig.port.taken()).isEqualTo(Transmission.MAX_COMMANDS);
    assertThat(rig.session.isBlocked()).isTrue();
    assertThat(rig.replies()).hasSize(Transmission.MAX_COMMANDS + 1);
  }

  @Test
  void aDisconnectInMidPayloadReleasesEverythingOnce() {
    byte[] all = write(0, 5, 0, pattern(MIB, 3));
    for (int cut = 28; cut < all.length; cut += 50_000) {
      SessionRig rig = new SessionRig(SIZE).simple();
      rig.give(request(Nbd.CMD_READ, 0, 1, 0, 3 * MIB));
      byte[] part = Arrays.copyOf(all, cut);
      for (int at = 0; at < part.length; at += 100_000) {
        rig.push(Arrays.copyOfRange(part, at, Math.min(part.length, at + 100_000)));
      }
      rig.out.drop();
      rig.session.disconnected();
      rig.session.disconnected();
      assertThat(rig.port.isClosed()).isTrue();
      rig.port.drain();
      assertThat(rig.session.isFinished()).isTrue();
      assertThat(rig.port.lentLoans()).isZero();
      assertThat(rig.out.queuedBytes()).isZero();
    }
  }

  @Test
  void disconnectAnswersWhatIsUnderWayAndThenCloses() {
    simple.push(
        concat(
            write(0, 1, 0, pattern(4096, 1)),
            request(Nbd.CMD_READ, 0, 2, 0, 512),
            request(Nbd.CMD_DISC, 0, 0, 0, 0),
            request(Nbd.CMD_READ, 0, 3, 0, 512)));
    assertThat(simple.out.closeReason()).isNull();
    simple.port.drain();
    assertThat(simple.out.closeReason()).contains("disconnected");
    simple.out.send();
    assertThat(SessionRig.replies(simple.out.takeSent(), c -> c == 2 ? 512 : 0)).hasSize(2);
    simple.session.disconnected();
    assertThat(simple.session.isFinished()).isTrue();
  }

  @Test
  void aStoppingServerAnswersWhatIsUnderWayAndRefusesTheRest() {
    simple.push(request(Nbd.CMD_READ, 0, 1, 0, 512));
    simple.session.stop();
    simple.push(concat(request(Nbd.CMD_READ, 0, 2, 0, 512), write(0, 3, 0, pattern(512, 1))));
    assertThat(simple.out.closeReason()).isNull();
    simple.port.drain();
    simple.out.send();
    List<Reply> replies = SessionRig.replies(simple.out.takeSent(), _ -> 512);
    assertThat(replies).extracting(Reply::error).containsExactly(108, 108, 0);
    assertThat(simple.out.closeReason()).contains("shut down");
  }

  @Test
  void bytesMayArriveInAnyPieces() {
    byte[] all = new byte[0];
    var random = SessionRig.random(5);
    for (int i = 0; i < 40; i++) {
      int length = 1 + random.nextInt(200_000);
      int offset = random.nextInt(SIZE - length);
      all = concat(all, write(0, i, offset, pattern(length, i)));
    }
    SessionRig whole = new SessionRig(new MemoryVolumePort.Disk(SIZE), 1, 1).simple();
    whole.give(all);
    SessionRig pieces = new SessionRig(new MemoryVolumePort.Disk(SIZE), 3, 1).simple();
    for (int at = 0; at < all.length; ) {
      int count =
          Math.min(all.length - at, 1 + random.nextInt(random.nextInt(100) == 0 ? 99 : 9999));
      pieces.give(Arrays.copyOfRange(all, at, at + count));
      at += count;
    }
    assertThat(pieces.disk.bytes).isEqualTo(whole.disk.bytes);
    assertThat(pieces.replies()).hasSize(40).allMatch(r -> r.error() == 0);
  }

  /** A volume without memory. */
  private static final class HugePort implements io.longhorn.engine.request.VolumePort {
    private static final class Bare extends IoRequest {
      void start(IoKind kind, long offset, int length) {
        begin(kind, offset, length, null);
      }

      void finish() {
        complete(IoError.OK);
      }
    }

    long zeroed;
    long trimmed;
    private int taken;

    @Override
    public long sizeBytes() {
      return 1L << 40;
    }

    @Override
    public IoRequest take(IoKind kind, long offset, int length) {
      assertThat(kind).isIn(IoKind.TRIM, IoKind.ZERO);
      Bare request = new Bare();
      request.start(kind, offset, length);
      taken++;
      return request;
    }

    @Override
    public void submit(IoRequest request) {
      if (request.kind() == IoKind.ZERO) {
        zeroed += request.length();
      } else {
        trimmed += request.length();
      }
      ((Bare) request).finish();
    }

    @Override
    public void release(IoRequest request) {
      taken--;
    }

    @Override
    public int taken() {
      return taken;
    }

    @Override
    public void close() {}
  }
}
