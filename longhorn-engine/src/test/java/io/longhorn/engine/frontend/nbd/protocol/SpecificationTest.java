package io.longhorn.engine.frontend.nbd.protocol;

import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.clientFlags;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.concat;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.go;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.meta;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.option;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.optionReplies;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.request;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.text;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.write;
import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.engine.frontend.nbd.protocol.SessionRig.OptionReply;
import io.longhorn.engine.frontend.nbd.protocol.SessionRig.Reply;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.MemoryVolumePort;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * A row for every MUST and MUST NOT of the NBD specification that binds a server, each executed.
 *
 * <p>The document is {@code doc/proto.md} of NetworkBlockDevice/nbd at commit
 * 6725f91e6a33bc9f62d31d82798c04ec1cde1c73 (2025-06-26); numbers are its lines. Left out: what
 * binds a client; TLS beyond the mode NOTLS (lines 566-624, 638-711, 1236, 1307); the experimental
 * extensions; read-only exports (1109), which there are none of; chunks that are never sent
 * (OFFSET_HOLE 1823-1835, ERROR_OFFSET 1916-1931, BLOCK_SIZE_REQD 1313).
 */
class SpecificationTest {
  private static final int MIB = 1 << 20;
  private static final int SIZE = 4 * MIB;
  private static final byte[] NONE = {};

  private record Must(String lines, String what, Runnable check) {}

  private final List<Must> rows = new ArrayList<>();

  private void must(String lines, String what, Runnable check) {
    rows.add(new Must(lines, what, check));
  }

  @TestFactory
  Stream<DynamicTest> everyMust() {
    greeting();
    exportName();
    options();
    tls();
    info();
    contexts();
    sizes();
    replies();
    durability();
    reads();
    chunks();
    changes();
    status();
    ending();
    return rows.stream()
        .map(row -> DynamicTest.dynamicTest(row.lines() + " " + row.what(), row.check()::run));
  }

  // What the rows are made of

  private static SessionRig fresh() {
    return new SessionRig(SIZE);
  }

  private static SessionRig haggling() {
    SessionRig rig = fresh();
    rig.give(clientFlags(3));
    rig.out.takeSent();
    return rig;
  }

  private static SessionRig haggledStructured() {
    SessionRig rig = haggling();
    answers(rig, option(Nbd.OPT_STRUCTURED_REPLY, NONE));
    return rig;
  }

  private static SessionRig simple() {
    return fresh().simple();
  }

  private static SessionRig structured() {
    return fresh().structured();
  }

  private static List<OptionReply> answers(SessionRig rig, byte[] bytes) {
    rig.give(bytes);
    return optionReplies(rig.out.takeSent());
  }

  private static int answer(SessionRig rig, byte[] bytes) {
    List<OptionReply> all = answers(rig, bytes);
    assertThat(all).hasSize(1);
    return all.getFirst().type();
  }

  private static int flags(SessionRig rig) {
    return answers(rig, go(Nbd.OPT_INFO, "")).getFirst().buffer().getShort(10) & 0xffff;
  }

  private static List<Reply> ask(SessionRig rig, byte[] bytes) {
    rig.give(bytes);
    return rig.replies();
  }

  private static int error(SessionRig rig, byte[] bytes) {
    rig.give(bytes);
    return rig.onlyError();
  }

  private static void fill(SessionRig rig) {
    SessionRig.random(3).nextBytes(rig.disk.bytes);
  }

  private static byte[] any(int length) {
    byte[] bytes = new byte[length];
    SessionRig.random(length).nextBytes(bytes);
    return bytes;
  }

  private static void failReads(SessionRig rig, long at) {
    rig.port.failing(a -> a.kind() == IoKind.READ && a.offset() == at ? IoError.EIO : IoError.OK);
  }

  private static List<int[]> extents(Reply reply) {
    ByteBuffer data = reply.buffer();
    assertThat(data.getInt()).isEqualTo(Handshake.ALLOCATION_CONTEXT_ID);
    List<int[]> all = new ArrayList<>();
    while (data.hasRemaining()) {
      all.add(new int[] {data.getInt(), data.getInt()});
    }
    return all;
  }

  // The rows

  private void greeting() {
    must(
        "137, 1087",
        "close if it does not recognize the client's flags",
        () -> {
          for (int bit = 2; bit < 32; bit++) {
            SessionRig rig = fresh();
            rig.give(clientFlags(1 << bit | 3));
            assertThat(rig.out.closeReason()).isNotNull();
          }
        });
    must(
        "1057, 1181",
        "FIXED_NEWSTYLE is set",
        () -> assertThat(fresh().received()[17] & 1).isEqualTo(1));
    must(
        "1064",
        "no other handshake flags than the two",
        () -> assertThat(ByteBuffer.wrap(fresh().received()).getShort(16)).isEqualTo((short) 3));
    must(
        "38",
        "strings are at most 4096 bytes, without NUL",
        () -> {
          SessionRig rig = haggling();
          byte[] list = answers(rig, option(Nbd.OPT_LIST, NONE)).getFirst().data();
          assertThat(list.length).isLessThanOrEqualTo(4 + 4096);
          assertThat(Arrays.copyOfRange(list, 4, list.length)).doesNotContain(0);
        });
  }

  private void exportName() {
    must(
        "165, 251, 1173",
        "EXPORT_NAME of an export that is not there terminates the session",
        () -> {
          SessionRig rig = haggling();
          rig.give(option(Nbd.OPT_EXPORT_NAME, text("other")));
          assertThat(rig.out.closeReason()).isNotNull();
          assertThat(rig.out.takeSent()).isEmpty();
        });
    must(
        "1060, 1083",
        "no 124 zeros after EXPORT_NAME if NO_ZEROES was negotiated",
        () -> {
          SessionRig rig = haggling();
          rig.give(option(Nbd.OPT_EXPORT_NAME, NONE));
          assertThat(rig.out.takeSent()).hasSize(10);
          SessionRig old = fresh();
          old.received();
          old.give(concat(clientFlags(1), option(Nbd.OPT_EXPORT_NAME, NONE)));
          assertThat(old.out.takeSent()).hasSize(134);
        });
    must(
        "1105",
        "HAS_FLAGS is 1",
        () -> {
          SessionRig rig = haggling();
          rig.give(option(Nbd.OPT_EXPORT_NAME, NONE));
          assertThat(ByteBuffer.wrap(rig.out.takeSent()).getShort(8) & 1).isEqualTo(1);
        });
  }

  private void options() {
    must(
        "270",
        "a server that does not want the client errors its options",
        () -> {
          SessionRig rig = haggling();
          rig.session.stop();
          assertThat(answer(rig, option(Nbd.OPT_LIST, NONE))).isEqualTo(Nbd.REP_ERR_SHUTDOWN);
          assertThat(rig.out.closeReason()).isNull();
        });
    must(
        "1195, 2422",
        "ABORT is answered with ACK",
        () -> {
          SessionRig rig = haggling();
          assertThat(answer(rig, option(Nbd.OPT_ABORT, NONE))).isEqualTo(Nbd.REP_ACK);
          assertThat(answer(haggling(), option(Nbd.OPT_ABORT, new byte[9]))).isEqualTo(Nbd.REP_ACK);
        });
    must(
        "2411",
        "LIST, INFO and GO with INFO_EXPORT are there",
        () -> {
          SessionRig rig = haggling();
          assertThat(answers(rig, option(Nbd.OPT_LIST, NONE)).getLast().type())
              .isEqualTo(Nbd.REP_ACK);
          for (int each : new int[] {Nbd.OPT_INFO, Nbd.OPT_GO}) {
            List<OptionReply> all = answers(rig, go(each, ""));
            assertThat(all.getFirst().buffer().getShort()).isEqualTo((short) Nbd.INFO_EXPORT);
            assertThat(all.getLast().type()).isEqualTo(Nbd.REP_ACK);
          }
        });
    must(
        "2420",
        "an option that is not implemented is UNSUP, and the next one is parsed",
        () -> {
          SessionRig rig = haggling();
          for (int each : new int[] {0, 4, 11, 12, 1000, -1, Integer.MIN_VALUE}) {
            for (int length : new int[] {0, 1, 4096, 100_000}) {
              SessionRig one = haggling();
              assertThat(answer(one, option(each, new byte[length]))).isEqualTo(Nbd.REP_ERR_UNSUP);
              assertThat(answers(one, option(Nbd.OPT_LIST, NONE))).hasSize(2);
            }
          }
          assertThat(rig.out.closeReason()).isNull();
        });
    must(
        "1539",
        "the length of a name in REP_SERVER is within the reply",
        () -> {
          OptionReply reply = answers(haggling(), option(Nbd.OPT_LIST, NONE)).getFirst();
          assertThat(reply.buffer().getInt()).isBetween(0, reply.data().length - 4);
        });
    must(
        "463",
        "no disconnect but where the document allows it: errors keep the session",
        () -> {
          SessionRig rig = haggling();
          answer(rig, go(Nbd.OPT_GO, "other"));
          answer(rig, option(Nbd.OPT_GO, NONE));
          answer(rig, option(Nbd.OPT_SET_META_CONTEXT, NONE));
          assertThat(rig.out.closeReason()).isNull();
          SessionRig open = simple();
          assertThat(error(open, request(Nbd.CMD_READ, 0, 1, SIZE, 1))).isEqualTo(Nbd.EINVAL);
          assertThat(error(open, request(99, 0, 1, 0, 0))).isEqualTo(Nbd.EINVAL);
          assertThat(open.out.closeReason()).isNull();
        });
  }

  private void tls() {
    must(
        "518, 551, 560, 1231",
        "NOTLS: STARTTLS is answered with POLICY",
        () -> {
          assertThat(answer(haggling(), option(Nbd.OPT_STARTTLS, NONE)))
              .isEqualTo(Nbd.REP_ERR_POLICY);
          assertThat(answer(haggling(), option(Nbd.OPT_STARTTLS, new byte[3])))
              .isEqualTo(Nbd.REP_ERR_INVALID);
        });
    must(
        "545",
        "the mode is the same for the life of a connection",
        () -> {
          SessionRig rig = haggling();
          for (int i = 0; i < 3; i++) {
            assertThat(answer(rig, option(Nbd.OPT_STARTTLS, NONE))).isEqualTo(Nbd.REP_ERR_POLICY);
            answers(rig, option(Nbd.OPT_STRUCTURED_REPLY, NONE));
          }
        });
    must(
        "564",
        "NOTLS: no option is answered with TLS_REQD",
        () -> {
          int tlsRequired = Nbd.REP_ERROR | 5;
          for (int each = 2; each < 20; each++) {
            assertThat(answers(haggling(), option(each, NONE)))
                .noneMatch(reply -> reply.type() == tlsRequired);
          }
          assertThat(answers(haggling(), go(Nbd.OPT_GO, "other")))
              .noneMatch(reply -> reply.type() == tlsRequired);
        });
  }

  private void info() {
    must(
        "1268",
        "a name longer than the option's data is not believed",
        () -> {
          byte[] data = ByteBuffer.allocate(10).putInt(5).array();
          assertThat(answer(haggling(), option(Nbd.OPT_INFO, data))).isEqualTo(Nbd.REP_ERR_INVALID);
        });
    must(
        "1277",
        "unknown information requests are ignored",
        () ->
            assertThat(answers(haggling(), go(Nbd.OPT_INFO, "", 4, 99, 65535)))
                .extracting(OptionReply::type)
                .containsExactly(Nbd.REP_INFO, Nbd.REP_ACK));
    must(
        "1299, 1556",
        "success includes INFO_EXPORT, asked for or not",
        () -> {
          for (int[] items : new int[][] {{}, {0}, {3}, {1, 2}}) {
            assertThat(answers(haggling(), go(Nbd.OPT_INFO, "", items)))
                .anyMatch(reply ->
                    reply.type() == Nbd.REP_INFO && reply.buffer().getShort() == Nbd.INFO_EXPORT);
          }
        });
    must(
        "1342",
        "GO right after INFO with the same parameters answers the same",
        () -> {
          SessionRig rig = haggledStructured();
          List<OptionReply> info = answers(rig, go(Nbd.OPT_INFO, "vol-1", 1, 2, 3));
          List<OptionReply> go = answers(rig, go(Nbd.OPT_GO, "vol-1", 1, 2, 3));
          assertThat(go).hasSameSizeAs(info);
          for (int i = 0; i < go.size(); i++) {
            assertThat(go.get(i).data()).isEqualTo(info.get(i).data());
          }
        });
    must(
        "1352",
        "no padding after GO's ACK, with or without NO_ZEROES",
        () -> {
          for (int clientFlags : new int[] {1, 3}) {
            SessionRig rig = fresh();
            rig.received();
            rig.give(concat(clientFlags(clientFlags), go(Nbd.OPT_GO, "")));
            assertThat(rig.out.takeSent()).hasSize(32 + 20);
          }
        });
    must(
        "1583",
        "INFO_EXPORT has length 12",
        () -> assertThat(answers(haggling(), go(Nbd.OPT_INFO, "")).getFirst().data()).hasSize(12));
    must(
        "1598, 1610",
        "INFO_NAME and INFO_DESCRIPTION have at least 2 bytes",
        () -> {
          List<OptionReply> all = answers(haggling(), go(Nbd.OPT_INFO, "", 1, 2));
          assertThat(all.get(1).data().length).isGreaterThanOrEqualTo(2);
          assertThat(all.get(2).data().length).isGreaterThanOrEqualTo(2);
        });
    must(
        "1619, 1629",
        "INFO_BLOCK_SIZE is given if asked for, with length 14",
        () -> assertThat(answers(haggling(), go(Nbd.OPT_INFO, "", 3)).get(1).data()).hasSize(14));
    must(
        "1099",
        "no flag for what is not supported",
        () -> {
          int flags = flags(haggledStructured());
          assertThat(flags & (Nbd.READ_ONLY | Nbd.ROTATIONAL | 1 << 9 | 0xf000)).isZero();
        });
    must(
        "1121, 1123",
        "SEND_DF with structured replies, and only then",
        () -> {
          assertThat(flags(haggling()) & Nbd.SEND_DF).isZero();
          assertThat(flags(haggledStructured()) & Nbd.SEND_DF).isNotZero();
        });
    must(
        "1143, 1145",
        "SEND_FAST_ZERO, together with SEND_WRITE_ZEROES",
        () -> {
          int both = Nbd.SEND_FAST_ZERO | Nbd.SEND_WRITE_ZEROES;
          assertThat(flags(haggling()) & both).isEqualTo(both);
        });
  }

  private void contexts() {
    int list = Nbd.OPT_LIST_META_CONTEXT;
    int set = Nbd.OPT_SET_META_CONTEXT;
    must(
        "947, 951, 954, 1464, 1643",
        "a context is namespace:leaf in UTF-8, of a known namespace",
        () -> {
          byte[] data = answers(haggledStructured(), meta(list, "")).getFirst().data();
          String name = new String(data, 4, data.length - 4, StandardCharsets.UTF_8);
          assertThat(name).isEqualTo("base:allocation");
        });
    must(
        "991",
        "'base:' selects nothing in SET",
        () -> assertThat(answer(haggledStructured(), meta(set, "", "base:"))).isEqualTo(1));
    must(
        "992",
        "'base:' is a wildcard in LIST",
        () -> assertThat(answers(haggledStructured(), meta(list, "", "base:"))).hasSize(2));
    must(
        "999",
        "an unknown leaf of base is ignored",
        () -> {
          assertThat(answer(haggledStructured(), meta(set, "", "base:x"))).isEqualTo(1);
          assertThat(answer(haggledStructured(), meta(list, "", "base:x"))).isEqualTo(1);
        });
    must(
        "1420",
        "a syntactically wrong query is INVALID",
        () -> {
          byte[] beyond = meta(list, "", "base:").clone();
          beyond[beyond.length - 6] = 6;
          assertThat(answer(haggledStructured(), beyond)).isEqualTo(Nbd.REP_ERR_INVALID);
        });
    must(
        "1425, 1427",
        "queries of an unknown namespace are ignored; if nothing matches, one ACK",
        () -> {
          assertThat(answer(haggledStructured(), meta(list, "", "x-y:z", "qemu:"))).isEqualTo(1);
          assertThat(answers(haggledStructured(), meta(list, "", "x-y:z", "base:"))).hasSize(2);
        });
    must(
        "1430",
        "LIST gives contexts, then ACK or an error",
        () ->
            assertThat(answers(haggledStructured(), meta(list, "vol-1")))
                .extracting(OptionReply::type)
                .containsExactly(Nbd.REP_META_CONTEXT, Nbd.REP_ACK));
    must(
        "1437",
        "LIST without queries gives all contexts",
        () -> assertThat(answers(haggledStructured(), meta(list, ""))).hasSize(2));
    must(
        "1445",
        "LIST with queries gives what matches one or more of them",
        () ->
            assertThat(answers(haggledStructured(), meta(list, "", "base:", "base:allocation")))
                .hasSize(2));
    must(
        "1502",
        "SET without queries selects nothing",
        () -> {
          SessionRig rig = haggledStructured();
          answers(rig, meta(set, "", "base:allocation"));
          assertThat(answer(rig, meta(set, ""))).isEqualTo(1);
          answers(rig, go(Nbd.OPT_GO, ""));
          assertThat(error(rig, request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, 1))).isEqualTo(Nbd.EINVAL);
        });
    must(
        "1506",
        "SET gives one reply per selected context, with its id, then ACK",
        () ->
            assertThat(
                    answers(
                        haggledStructured(), meta(set, "", "base:allocation", "base:allocation")))
                .extracting(OptionReply::type)
                .containsExactly(Nbd.REP_META_CONTEXT, Nbd.REP_ACK));
  }

  private void sizes() {
    must(
        "817, 827, 838",
        "block sizes: powers of two, min <= 64 KiB, preferred >= 512, payload >= preferred",
        () -> {
          ByteBuffer sizes = answers(haggling(), go(Nbd.OPT_INFO, "", 3)).get(1).buffer();
          sizes.getShort();
          int min = sizes.getInt();
          int preferred = sizes.getInt();
          int most = sizes.getInt();
          assertThat(Integer.bitCount(min)).isEqualTo(1);
          assertThat(min).isLessThanOrEqualTo(1 << 16);
          assertThat(Integer.bitCount(preferred)).isEqualTo(1);
          assertThat(preferred).isGreaterThanOrEqualTo(Math.max(min, 512));
          assertThat(most).isGreaterThanOrEqualTo(preferred);
        });
    must(
        "805",
        "what falls outside the constraints fails cleanly, without corrupting data",
        () -> {
          SessionRig rig = new SessionRig(40 * MIB).simple();
          assertThat(error(rig, write(0, 1, 0, any((32 << 20) + 1)))).isEqualTo(Nbd.EINVAL);
          assertThat(Arrays.equals(rig.disk.bytes, new byte[40 * MIB])).isTrue();
          assertThat(error(rig, request(Nbd.CMD_FLUSH, 0, 1, 0, 0))).isZero();
        });
    must(
        "864, 1791",
        "no chunk is longer than the largest payload",
        () -> {
          SessionRig rig = new SessionRig(33 * MIB).structured();
          assertThat(ask(rig, request(Nbd.CMD_READ, 0, 1, 0, 32 << 20)))
              .allMatch(reply -> reply.data().length <= (32 << 20) + 8);
        });
  }

  private void replies() {
    must(
        "292, 361, 391, 1960",
        "without negotiation every reply is simple",
        () -> {
          SessionRig rig = simple();
          rig.give(
              concat(
                  request(Nbd.CMD_READ, 0, 1, 0, 512),
                  request(Nbd.CMD_READ, 0, 2, SIZE, 512),
                  request(Nbd.CMD_FLUSH, 0, 3, 0, 0),
                  request(Nbd.CMD_BLOCK_STATUS, 0, 4, 0, 512),
                  request(55, 0, 5, 0, 512)));
          assertThat(SessionRig.replies(rig.received(), c -> c == 1 ? 512 : 0))
              .hasSize(5)
              .allMatch(Reply::isSimple);
        });
    must(
        "307",
        "the reply has the request's cookie",
        () -> {
          for (SessionRig rig : List.of(simple(), structured())) {
            for (long cookie : new long[] {0, -1, Long.MIN_VALUE, 0x0123456789abcdefL}) {
              assertThat(ask(rig, request(Nbd.CMD_CACHE, 0, cookie, 0, 1)).getFirst().cookie())
                  .isEqualTo(cookie);
              assertThat(ask(rig, request(77, 0, cookie, 0, 1)).getFirst().cookie())
                  .isEqualTo(cookie);
            }
          }
        });
    must(
        "394, 1373, 1977",
        "negotiated, READ is always answered by chunks, an early error too",
        () -> {
          SessionRig rig = structured();
          assertThat(ask(rig, request(Nbd.CMD_READ, 0, 1, 0, 512))).noneMatch(Reply::isSimple);
          assertThat(ask(rig, request(Nbd.CMD_READ, 0, 1, SIZE, 512))).noneMatch(Reply::isSimple);
          assertThat(ask(rig, request(Nbd.CMD_READ, 64, 1, 0, 512))).noneMatch(Reply::isSimple);
          assertThat(ask(rig, request(Nbd.CMD_READ, 0, 1, 0, 0))).noneMatch(Reply::isSimple);
        });
    must(
        "407, 1771, 1773",
        "DONE is on the last chunk and on no other",
        () -> {
          SessionRig rig = structured();
          for (int length : new int[] {0, 1, 131072, 131073, MIB}) {
            List<Reply> all = ask(rig, request(Nbd.CMD_READ, 0, 1, 5, length));
            assertThat(all.getLast().isDone()).isTrue();
            assertThat(all.subList(0, all.size() - 1)).noneMatch(Reply::isDone);
          }
        });
    must(
        "411, 2009",
        "no chunk is final while an error is still possible",
        () -> {
          for (long failing : new long[] {0, 131072, 7 * 131072}) {
            SessionRig rig = structured();
            failReads(rig, failing);
            List<Reply> all = ask(rig, request(Nbd.CMD_READ, 0, 1, 0, MIB));
            assertThat(all.stream().filter(Reply::isDone)).hasSize(1);
            assertThat(all.getLast().error()).isEqualTo(Nbd.EIO);
          }
        });
    must(
        "1774, 1798, 1799",
        "a chunk of type NONE has DONE and no payload",
        () -> {
          Reply reply = ask(structured(), request(Nbd.CMD_READ, 0, 1, 0, 0)).getFirst();
          assertThat(reply.type()).isEqualTo(Nbd.REPLY_NONE);
          assertThat(reply.isDone()).isTrue();
          assertThat(reply.data()).isEmpty();
        });
    must(
        "1778",
        "no other reply flags",
        () ->
            assertThat(ask(structured(), request(Nbd.CMD_READ, 0, 1, 0, MIB)))
                .allMatch(reply -> (reply.flags() & ~1) == 0));
    must(
        "1899, 1904, 1909",
        "an error chunk: length >= 6, message within it, error not 0",
        () -> {
          SessionRig rig = structured();
          for (byte[] wrong :
              List.of(
                  request(Nbd.CMD_READ, 0, 1, SIZE, 1),
                  request(Nbd.CMD_TRIM, 0, 1, SIZE, 1),
                  request(99, 0, 1, 0, 0),
                  write(64, 1, 0, any(10)))) {
            Reply reply = ask(rig, wrong).getFirst();
            assertThat(reply.type()).isEqualTo(Nbd.REPLY_ERROR);
            assertThat(reply.data().length).isBetween(6, 6 + 4096);
            assertThat((int) reply.buffer().getShort(4)).isEqualTo(reply.data().length - 6);
            assertThat(reply.error()).isNotZero();
          }
        });
  }

  private void durability() {
    must(
        "322, 2086",
        "FLUSH is answered only when the volume has flushed",
        () -> {
          SessionRig rig = simple();
          assertThat(error(rig, write(0, 1, 0, any(4096)))).isZero();
          rig.push(request(Nbd.CMD_FLUSH, 0, 2, 0, 0));
          assertThat(rig.out.queuedBytes()).isZero();
          assertThat(rig.port.asked().getLast().kind()).isEqualTo(IoKind.FLUSH);
          assertThat(rig.replies()).hasSize(1);
          rig.port.failing(_ -> IoError.EIO);
          assertThat(error(rig, request(Nbd.CMD_FLUSH, 0, 3, 0, 0))).isEqualTo(Nbd.EIO);
        });
    must(
        "333, 1732",
        "a command with FUA is answered only when it is durable",
        () -> {
          int fua = Nbd.CMD_FLAG_FUA;
          for (byte[] each :
              List.of(
                  write(fua, 1, 0, any(4096)),
                  write(fua, 1, 100, any(MIB)),
                  request(Nbd.CMD_TRIM, fua, 1, 0, 4096),
                  request(Nbd.CMD_TRIM, fua, 1, 0, SIZE),
                  request(Nbd.CMD_WRITE_ZEROES, fua, 1, 0, 4096),
                  request(Nbd.CMD_WRITE_ZEROES, fua, 1, 7, MIB))) {
            SessionRig rig = new SessionRig(new MemoryVolumePort.Disk(SIZE), 64, 1).simple();
            for (int at = 0; at < each.length; at += 100_000) {
              rig.push(Arrays.copyOfRange(each, at, Math.min(each.length, at + 100_000)));
            }
            while (rig.port.step()) {
              boolean isAnswered = rig.out.queuedBytes() > 0;
              assertThat(isAnswered).isEqualTo(rig.port.isIdle());
            }
            var last = rig.port.asked().getLast();
            assertThat(last.isFua() || last.kind() == IoKind.FLUSH).isTrue();
            assertThat(rig.onlyError()).isZero();
          }
        });
    must(
        "1723",
        "FUA is accepted with every command",
        () -> {
          SessionRig rig = structured();
          int fua = Nbd.CMD_FLAG_FUA;
          for (int type : new int[] {0, 3, 4, 5, 6, 7}) {
            int length = type == Nbd.CMD_FLUSH ? 0 : 4096;
            assertThat(ask(rig, request(type, fua, 1, 0, length)))
                .allMatch(reply -> reply.error() == 0);
          }
          assertThat(error(rig, write(fua, 1, 0, any(1)))).isZero();
        });
    must(
        "1130",
        "FLUSH on one connection covers what was answered on another",
        () -> {
          // Both sessions hand their requests to one volume, whose flush knows no connections.
          var disk = new MemoryVolumePort.Disk(SIZE);
          SessionRig one = new SessionRig(disk, 8, 1).simple();
          SessionRig other = new SessionRig(disk, 8, 2).simple();
          byte[] data = any(4096);
          assertThat(error(one, write(0, 1, 0, data))).isZero();
          assertThat(error(other, request(Nbd.CMD_FLUSH, 0, 1, 0, 0))).isZero();
          assertThat(other.port.asked().getLast().kind()).isEqualTo(IoKind.FLUSH);
          other.give(request(Nbd.CMD_READ, 0, 1, 0, 4096));
          assertThat(SessionRig.replies(other.received(), _ -> 4096).getFirst().data())
              .isEqualTo(data);
        });
  }

  private void reads() {
    must(
        "1951, 2003",
        "a read gives all of its range",
        () -> {
          for (int length : new int[] {1, 512, 131073, MIB}) {
            SessionRig rig = simple();
            fill(rig);
            rig.give(request(Nbd.CMD_READ, 0, 1, 77, length));
            byte[] wanted = Arrays.copyOfRange(rig.disk.bytes, 77, 77 + length);
            assertThat(SessionRig.replies(rig.received(), _ -> length).getFirst().data())
                .isEqualTo(wanted);
            SessionRig chunks = structured();
            int sum =
                ask(chunks, request(Nbd.CMD_READ, 0, 1, 77, length)).stream()
                    .mapToInt(reply -> reply.data().length - 8)
                    .sum();
            assertThat(sum).isEqualTo(length);
          }
        });
    must(
        "1968",
        "a simple read that fails has no payload",
        () -> {
          SessionRig rig = simple();
          failReads(rig, 0);
          rig.give(request(Nbd.CMD_READ, 0, 1, 0, 4096));
          assertThat(rig.received()).hasSize(16);
        });
    must(
        "1972",
        "an error after the header of a simple read ends the connection, nothing follows",
        () -> {
          SessionRig rig = simple();
          failReads(rig, 4 * 131072);
          rig.give(concat(request(Nbd.CMD_READ, 0, 1, 0, MIB), request(3, 0, 2, 0, 0)));
          assertThat(rig.out.closeReason()).isNotNull();
          // Four pieces and their header, and the reply to FLUSH if it came first.
          assertThat(rig.received().length).isLessThanOrEqualTo(4 * 131072 + 2 * 16);
        });
    must(
        "2014, 2018",
        "a structured read that fails completes its chunks and has an error chunk",
        () -> {
          SessionRig rig = structured();
          failReads(rig, 131072);
          List<Reply> all = ask(rig, request(Nbd.CMD_READ, 0, 1, 0, 4 * 131072));
          assertThat(all.getLast().error()).isEqualTo(Nbd.EIO);
          assertThat(all.subList(0, all.size() - 1))
              .allMatch(reply -> reply.data().length == 131072 + 8);
        });
    must(
        "2045, 2048",
        "DF: at most one content chunk, zeros in it",
        () -> {
          SessionRig rig = structured();
          assertThat(error(rig, write(0, 1, 131072, any(100)))).isZero();
          List<Reply> all = ask(rig, request(Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 1, 131000, 65536));
          assertThat(all).hasSize(1);
          assertThat(all.getFirst().type()).isEqualTo(Nbd.REPLY_OFFSET_DATA);
          assertThat(all.getFirst().data()).hasSize(8 + 65536);
        });
    must(
        "2052",
        "DF: 65,536 bytes always; EOVERFLOW beyond the limit, without content",
        () -> {
          SessionRig rig = structured();
          for (long offset : new long[] {0, 1, 131071, 100000}) {
            assertThat(ask(rig, request(Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 1, offset, 65536)))
                .hasSize(1)
                .allMatch(reply -> reply.error() == 0);
          }
          assertThat(error(rig, request(Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 1, 0, MIB)))
              .isEqualTo(Nbd.EOVERFLOW);
        });
  }

  private void chunks() {
    must(
        "1807, 1810, 1811, 1984, 1988, 1989",
        "content chunks: not empty, inside the request, not overlapping",
        () -> {
          SessionRig rig = structured();
          for (int[] range : new int[][] {{0, 1}, {131071, 2}, {5, MIB}, {1000, 2 * MIB}}) {
            BitSet seen = new BitSet(range[1]);
            for (Reply reply : ask(rig, request(Nbd.CMD_READ, 0, 1, range[0], range[1]))) {
              int at = (int) (reply.buffer().getLong() - range[0]);
              int length = reply.data().length - 8;
              assertThat(length).isPositive();
              assertThat(at).isBetween(0, range[1] - length);
              int overlap = seen.nextSetBit(at);
              assertThat(overlap < 0 || overlap >= at + length).as("overlap").isTrue();
              seen.set(at, at + length);
            }
            assertThat(seen.cardinality()).isEqualTo(range[1]);
          }
        });
    must(
        "1997",
        "a read that would not fit a chunk is split or refused",
        () ->
            assertThat(error(structured(), request(Nbd.CMD_READ, 0, 1, 0, 0xffffffffL)))
                .isNotZero());
  }

  private void changes() {
    must(
        "2065",
        "WRITE writes, and then replies",
        () -> {
          SessionRig rig = simple();
          byte[] data = any(5000);
          rig.push(write(0, 1, 3, data));
          assertThat(rig.out.queuedBytes()).isZero();
          rig.port.drain();
          assertThat(Arrays.copyOfRange(rig.disk.bytes, 3, 5003)).isEqualTo(data);
          assertThat(rig.onlyError()).isZero();
        });
    must(
        "2069, 2134, 2218",
        "an error is in the reply's error field",
        () -> {
          SessionRig rig = simple();
          rig.port.failing(_ -> IoError.ENOSPC);
          assertThat(error(rig, write(0, 1, 0, any(1)))).isEqualTo(Nbd.ENOSPC);
          assertThat(error(rig, request(Nbd.CMD_WRITE_ZEROES, 0, 1, 0, 4096)))
              .isEqualTo(Nbd.ENOSPC);
          assertThat(error(rig, request(Nbd.CMD_CACHE, 0, 1, SIZE, 1))).isEqualTo(Nbd.EINVAL);
        });
    must(
        "2137",
        "CACHE changes nothing",
        () -> {
          SessionRig rig = simple();
          fill(rig);
          byte[] before = rig.disk.bytes.clone();
          assertThat(error(rig, request(Nbd.CMD_CACHE, 0, 1, 0, SIZE))).isZero();
          assertThat(rig.disk.bytes).isEqualTo(before);
        });
    must(
        "2148",
        "CACHE rejects flags that it does not have",
        () -> {
          for (int bit = 1; bit < 16; bit++) {
            assertThat(error(simple(), request(Nbd.CMD_CACHE, 1 << bit, 1, 0, 1)))
                .isEqualTo(Nbd.EINVAL);
          }
        });
    must(
        "2157, 2168",
        "WRITE_ZEROES zeroes exactly its range, and then replies",
        () -> {
          for (int[] range : new int[][] {{0, 4096}, {1, 1}, {4095, 2}, {100, 3 * MIB}}) {
            SessionRig rig = simple();
            fill(rig);
            byte[] wanted = rig.disk.bytes.clone();
            Arrays.fill(wanted, range[0], range[0] + range[1], (byte) 0);
            rig.push(request(Nbd.CMD_WRITE_ZEROES, 0, 1, range[0], range[1]));
            assertThat(rig.out.queuedBytes()).isZero();
            rig.port.drain();
            assertThat(rig.onlyError()).isZero();
            assertThat(rig.disk.bytes).isEqualTo(wanted);
          }
        });
    must(
        "1742, 2171",
        "NO_HOLE is supported: the area is provisioned",
        () -> {
          SessionRig rig = structured();
          int noHole = Nbd.CMD_FLAG_NO_HOLE;
          assertThat(error(rig, request(Nbd.CMD_WRITE_ZEROES, noHole, 1, 100, 3 * MIB))).isZero();
          List<int[]> extents =
              extents(ask(rig, request(Nbd.CMD_BLOCK_STATUS, 0, 1, 100, 3 * MIB)).getFirst());
          assertThat(extents).containsExactly(new int[] {3 * MIB, 0});
        });
    must(
        "2176",
        "without FAST_ZERO no ENOTSUP",
        () -> {
          SessionRig rig = simple();
          assertThat(error(rig, request(Nbd.CMD_WRITE_ZEROES, 2, 1, 1, 5))).isZero();
          rig.port.failing(_ -> IoError.UNSUPPORTED);
          assertThat(error(rig, request(Nbd.CMD_WRITE_ZEROES, 0, 1, 0, 4096)))
              .isNotIn(0, Nbd.ENOTSUP);
        });
    must(
        "1759, 2180",
        "FAST_ZERO fails at once with ENOTSUP where it is not faster, and changes nothing",
        () -> {
          SessionRig rig = simple();
          fill(rig);
          byte[] before = rig.disk.bytes.clone();
          int fast = Nbd.CMD_FLAG_FAST_ZERO;
          byte[] noHole = request(Nbd.CMD_WRITE_ZEROES, fast | 2, 1, 0, SIZE);
          assertThat(error(rig, noHole)).isEqualTo(Nbd.ENOTSUP);
          assertThat(error(rig, request(Nbd.CMD_WRITE_ZEROES, fast, 1, 10, 100)))
              .isEqualTo(Nbd.ENOTSUP);
          assertThat(rig.port.asked()).isEmpty();
          assertThat(rig.disk.bytes).isEqualTo(before);
          assertThat(error(rig, request(Nbd.CMD_WRITE_ZEROES, fast, 1, 0, SIZE))).isZero();
        });
  }

  private void status() {
    int command = Nbd.CMD_BLOCK_STATUS;
    must(
        "917, 1842, 2238",
        "BLOCK_STATUS: one chunk for the one context",
        () ->
            assertThat(ask(structured(), request(command, 0, 1, 0, SIZE)))
                .hasSize(1)
                .allMatch(reply -> reply.type() == Nbd.REPLY_BLOCK_STATUS && reply.isDone()));
    must(
        "943, 945",
        "BLOCK_STATUS is answered by chunks, and only if they were negotiated",
        () -> {
          assertThat(ask(structured(), request(command, 0, 1, 0, 1))).noneMatch(Reply::isSimple);
          SessionRig rig = haggling();
          answer(rig, meta(Nbd.OPT_SET_META_CONTEXT, "", "base:allocation"));
          answers(rig, go(Nbd.OPT_GO, ""));
          assertThat(error(rig, request(command, 0, 1, 0, 1))).isEqualTo(Nbd.EINVAL);
        });
    must(
        "970, 1010",
        "what may still need space is a hole",
        () -> {
          SessionRig rig = structured();
          assertThat(error(rig, write(0, 1, 4096, any(4096)))).isZero();
          assertThat(error(rig, request(Nbd.CMD_TRIM, 0, 1, 8192, 4096))).isZero();
          assertThat(extents(ask(rig, request(command, 0, 1, 0, SIZE)).getFirst()))
              .containsExactly(
                  new int[] {4096, 3}, new int[] {4096, 0}, new int[] {SIZE - 8192, 3});
        });
    must(
        "1839, 1853, 2257",
        "at least one descriptor, each with a length",
        () -> {
          SessionRig rig = structured();
          for (int[] range : new int[][] {{0, 1}, {4095, 1}, {SIZE - 1, 1}, {7, SIZE - 7}}) {
            Reply reply = ask(rig, request(command, 0, 1, range[0], range[1])).getFirst();
            assertThat(reply.data().length % 8).isEqualTo(4);
            assertThat(extents(reply)).isNotEmpty().allMatch(extent -> extent[0] > 0);
          }
        });
    must(
        "1753, 1857, 1858, 2250",
        "REQ_ONE: one descriptor, not longer than asked",
        () -> {
          SessionRig rig = structured();
          assertThat(error(rig, write(0, 1, 4096, any(4096)))).isZero();
          for (int[] range : new int[][] {{0, SIZE}, {0, 1}, {4096, 100}, {4000, 200}}) {
            byte[] request = request(command, Nbd.CMD_FLAG_REQ_ONE, 1, range[0], range[1]);
            List<int[]> all = extents(ask(rig, request).getFirst());
            assertThat(all).hasSize(1);
            assertThat(all.getFirst()[0]).isBetween(1, range[1]);
          }
        });
    must(
        "1861",
        "all extents but the last end before the request does",
        () -> {
          SessionRig rig = structured();
          assertThat(error(rig, write(0, 1, 4096, any(4096)))).isZero();
          List<int[]> all = extents(ask(rig, request(command, 0, 1, 10, 5000)).getFirst());
          int sum = all.stream().limit(all.size() - 1L).mapToInt(extent -> extent[0]).sum();
          assertThat(sum).isLessThan(5000);
        });
  }

  private void ending() {
    must(
        "435, 2074",
        "DISC: what is outstanding is handled, then the connection is closed",
        () -> {
          SessionRig rig = simple();
          rig.push(concat(write(0, 1, 0, any(512)), request(Nbd.CMD_DISC, 0, 2, 0, 0)));
          assertThat(rig.out.closeReason()).isNull();
          rig.port.drain();
          assertThat(rig.out.closeReason()).isNotNull();
          assertThat(rig.replies()).hasSize(1);
        });
  }
}
