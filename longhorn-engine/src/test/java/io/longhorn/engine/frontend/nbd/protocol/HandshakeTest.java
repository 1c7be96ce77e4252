package io.longhorn.engine.frontend.nbd.protocol;

import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.clientFlags;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.concat;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.go;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.meta;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.option;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.optionReplies;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.request;
import static io.longhorn.engine.frontend.nbd.protocol.SessionRig.text;
import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.engine.frontend.nbd.protocol.SessionRig.OptionReply;
import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.Test;

class HandshakeTest {
  private static final int SIZE = 1 << 20;
  private static final int FLAGS = 0x0d6d;

  private final SessionRig rig = new SessionRig(SIZE);

  private SessionRig greeted() {
    rig.give(clientFlags(3));
    rig.out.takeSent();
    return rig;
  }

  private List<OptionReply> answers(byte[] bytes) {
    rig.give(bytes);
    return optionReplies(rig.out.takeSent());
  }

  private OptionReply answer(byte[] bytes) {
    List<OptionReply> all = answers(bytes);
    assertThat(all).hasSize(1);
    return all.getFirst();
  }

  @Test
  void theGreetingIsFixedNewstyleWithoutZeroes() {
    byte[] greeting = rig.received();
    assertThat(greeting).isEqualTo(concat(text("NBDMAGICIHAVEOPT"), new byte[] {0, 3}));
  }

  @Test
  void exportNameEntersTransmissionWithOrWithoutTheZeroes() {
    for (boolean noZeroes : new boolean[] {false, true}) {
      SessionRig each = new SessionRig(SIZE);
      each.out.takeSent();
      each.received();
      each.give(
          concat(
              clientFlags(noZeroes ? 3 : 1),
              option(Nbd.OPT_EXPORT_NAME, text(SessionRig.NAME)),
              request(Nbd.CMD_FLUSH, 0, 7, 0, 0)));
      byte[] bytes = each.received();
      ByteBuffer in = ByteBuffer.wrap(bytes);
      assertThat(in.getLong()).isEqualTo(SIZE);
      assertThat(in.getShort() & 0xffff).isEqualTo(FLAGS);
      byte[] zeroes = new byte[noZeroes ? 0 : 124];
      in.get(zeroes);
      assertThat(zeroes).containsOnly(noZeroes ? new byte[0] : new byte[] {0});
      assertThat(in.getInt()).isEqualTo(Nbd.SIMPLE_REPLY_MAGIC);
      assertThat(in.remaining()).isEqualTo(12);
    }
  }

  @Test
  void theDefaultNameAnswersLikeTheVolumesName() {
    greeted();
    for (String name : List.of("", SessionRig.NAME)) {
      List<OptionReply> replies = answers(go(Nbd.OPT_INFO, name, Nbd.INFO_NAME));
      assertThat(replies).hasSize(3);
      assertThat(replies.get(0).buffer().getShort()).isEqualTo((short) Nbd.INFO_EXPORT);
      assertThat(replies.get(1).data()).isEqualTo(concat(new byte[] {0, 1}, text("vol-1")));
      assertThat(replies.get(2).type()).isEqualTo(Nbd.REP_ACK);
    }
  }

  @Test
  void infoGivesEachItemOnceAndIgnoresUnknownOnes() {
    greeted();
    List<OptionReply> replies = answers(go(Nbd.OPT_INFO, "vol-1", 3, 77, 2, 1, 0, 3, 65535));
    assertThat(replies).extracting(OptionReply::type).containsExactly(3, 3, 3, 3, Nbd.REP_ACK);
    assertThat(replies.get(1).data())
        .isEqualTo(
            ByteBuffer.allocate(14)
                .putShort((short) 3)
                .putInt(1)
                .putInt(4096)
                .putInt(32 << 20)
                .array());
    assertThat(replies.get(2).data()).isEqualTo(concat(new byte[] {0, 2}, text("a volume")));
  }

  @Test
  void anUnknownExportIsRefusedAndTheClientMayGoOn() {
    greeted();
    assertThat(answer(go(Nbd.OPT_GO, "other")).type()).isEqualTo(Nbd.REP_ERR_UNKNOWN);
    assertThat(answer(go(Nbd.OPT_INFO, "vol-")).type()).isEqualTo(Nbd.REP_ERR_UNKNOWN);
    assertThat(answers(go(Nbd.OPT_GO, "vol-1")).getLast().type()).isEqualTo(Nbd.REP_ACK);
    assertThat(rig.session.isTransmitting()).isTrue();
  }

  @Test
  void anUnknownExportByExportNameEndsTheConnection() {
    greeted().give(option(Nbd.OPT_EXPORT_NAME, text("other")));
    assertThat(rig.out.closeReason()).isNotNull();
    assertThat(rig.out.takeSent()).isEmpty();
  }

  @Test
  void malformedInfoIsInvalid() {
    greeted();
    for (byte[] data :
        List.of(
            new byte[0],
            new byte[5],
            new byte[] {0, 0, 0, 1, 0, 0},
            new byte[] {-1, -1, -1, -1, 0, 0},
            new byte[] {0, 0, 0, 0, 0, 1},
            new byte[] {0, 0, 0, 0, 0, 0, 0})) {
      assertThat(answer(option(Nbd.OPT_GO, data)).type()).isEqualTo(Nbd.REP_ERR_INVALID);
      assertThat(answer(option(Nbd.OPT_INFO, data)).type()).isEqualTo(Nbd.REP_ERR_INVALID);
    }
    assertThat(rig.session.isTransmitting()).isFalse();
  }

  @Test
  void listNamesTheOneExport() {
    greeted();
    List<OptionReply> replies = answers(option(Nbd.OPT_LIST, new byte[0]));
    assertThat(replies).extracting(OptionReply::type).containsExactly(Nbd.REP_SERVER, Nbd.REP_ACK);
    assertThat(replies.getFirst().data())
        .isEqualTo(concat(new byte[] {0, 0, 0, 5}, text("vol-1a volume")));
    assertThat(answer(option(Nbd.OPT_LIST, new byte[1])).type()).isEqualTo(Nbd.REP_ERR_INVALID);
  }

  @Test
  void whatIsNotThereYetIsRefusedInItsOwnWay() {
    greeted();
    assertThat(answer(option(Nbd.OPT_STARTTLS, new byte[0])).type()).isEqualTo(Nbd.REP_ERR_POLICY);
    assertThat(answer(option(Nbd.OPT_EXTENDED_HEADERS, new byte[0])).type())
        .isEqualTo(Nbd.REP_ERR_UNSUP);
    assertThat(answer(option(4, new byte[9])).type()).isEqualTo(Nbd.REP_ERR_UNSUP);
    assertThat(answer(option(-1, new byte[3])).type()).isEqualTo(Nbd.REP_ERR_UNSUP);
  }

  @Test
  void tooLongOptionsAreSkippedAndAbsurdOnesEndTheConnection() {
    greeted();
    byte[] big = new byte[Handshake.MAX_OPTION_BYTES + 1];
    assertThat(answer(option(Nbd.OPT_INFO, big)).type()).isEqualTo(Nbd.REP_ERR_TOO_BIG);
    assertThat(answer(option(99, big)).type()).isEqualTo(Nbd.REP_ERR_UNSUP);
    assertThat(answers(option(Nbd.OPT_LIST, new byte[0]))).hasSize(2);
    rig.give(option(99, Handshake.MAX_SKIPPED_BYTES + 1, new byte[0]));
    assertThat(rig.out.closeReason()).isNotNull();
  }

  @Test
  void aClientThatHagglesForEverIsCutOff() {
    greeted();
    for (int i = 0; i < Handshake.MAX_OPTIONS; i++) {
      assertThat(rig.out.closeReason()).isNull();
      answer(option(99, new byte[0]));
    }
    rig.give(option(99, new byte[0]));
    assertThat(rig.out.closeReason()).isNotNull();
  }

  @Test
  void contextsNeedStructuredReplies() {
    greeted();
    byte[] set = meta(Nbd.OPT_SET_META_CONTEXT, "vol-1", Nbd.BASE_ALLOCATION);
    assertThat(answer(set).type()).isEqualTo(Nbd.REP_ERR_INVALID);
    assertThat(answer(meta(Nbd.OPT_LIST_META_CONTEXT, "vol-1")).type())
        .isEqualTo(Nbd.REP_ERR_INVALID);
    answer(option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]));
    assertThat(answers(set)).hasSize(2);
  }

  @Test
  void contextsAreListedByWildcardAndSelectedByName() {
    greeted();
    answer(option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]));
    int list = Nbd.OPT_LIST_META_CONTEXT;
    int set = Nbd.OPT_SET_META_CONTEXT;
    assertThat(answers(meta(list, ""))).hasSize(2);
    assertThat(answers(meta(list, "", "base:"))).hasSize(2);
    assertThat(answers(meta(list, "", "base:allocation", "base:"))).hasSize(2);
    assertThat(answers(meta(list, "", "qemu:", "base:other", "no colon"))).hasSize(1);
    assertThat(answers(meta(set, ""))).hasSize(1);
    assertThat(answers(meta(set, "", "base:"))).hasSize(1);
    List<OptionReply> selected = answers(meta(set, "", "x-y:", "base:allocation"));
    assertThat(selected).hasSize(2);
    assertThat(selected.getFirst().data())
        .isEqualTo(concat(new byte[] {0, 0, 0, 1}, text("base:allocation")));
    assertThat(answer(meta(set, "other", "base:allocation")).type()).isEqualTo(Nbd.REP_ERR_UNKNOWN);
  }

  @Test
  void malformedContextQueriesAreInvalid() {
    greeted();
    answer(option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]));
    for (byte[] data :
        List.of(
            new byte[0],
            new byte[7],
            new byte[] {0, 0, 0, 1, 0, 0, 0, 0},
            new byte[] {0, 0, 0, 0, 0, 0, 0, 1},
            new byte[] {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 'b'},
            new byte[] {0, 0, 0, 0, -1, -1, -1, -1, 0, 0, 0, 1, 'b'},
            new byte[] {0, 0, 0, 0, 0, 0, 0, 1, -1, -1, -1, -1, 'b'},
            new byte[] {0, 0, 0, 0, 0, 0, 0, 0, 0})) {
      assertThat(answer(option(Nbd.OPT_SET_META_CONTEXT, data)).type())
          .isEqualTo(Nbd.REP_ERR_INVALID);
    }
  }

  @Test
  void aContextBelongsToTheExportNameItWasSetFor() {
    greeted();
    answer(option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]));
    answers(meta(Nbd.OPT_SET_META_CONTEXT, "", "base:allocation"));
    answers(go(Nbd.OPT_GO, "vol-1"));
    rig.give(request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, 4096));
    assertThat(rig.onlyError()).isEqualTo(Nbd.EINVAL);
  }

  @Test
  void aFailedOrEmptySetDropsTheContextThatWasSetBefore() {
    for (byte[] second :
        List.of(
            meta(Nbd.OPT_SET_META_CONTEXT, "vol-1"),
            meta(Nbd.OPT_SET_META_CONTEXT, "other", "base:allocation"),
            option(Nbd.OPT_SET_META_CONTEXT, new byte[3]),
            option(Nbd.OPT_SET_META_CONTEXT, new byte[Handshake.MAX_OPTION_BYTES + 1]))) {
      SessionRig each = new SessionRig(SIZE);
      each.give(clientFlags(3));
      each.give(option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]));
      each.give(meta(Nbd.OPT_SET_META_CONTEXT, "vol-1", "base:allocation"));
      each.give(second);
      each.give(go(Nbd.OPT_GO, "vol-1"));
      each.received();
      each.give(request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, 4096));
      assertThat(each.onlyError()).isEqualTo(Nbd.EINVAL);
    }
  }

  @Test
  void dfIsOfferedWithStructuredRepliesOnly() {
    greeted();
    assertThat(answers(go(Nbd.OPT_INFO, "")).getFirst().buffer().getShort(10) & 0xffff)
        .isEqualTo(FLAGS);
    answer(option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]));
    assertThat(answers(go(Nbd.OPT_INFO, "")).getFirst().buffer().getShort(10) & 0xffff)
        .isEqualTo(FLAGS | Nbd.SEND_DF);
  }

  @Test
  void bytesMayArriveOneByOne() {
    byte[] all =
        concat(
            clientFlags(3),
            option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]),
            option(99, new byte[Handshake.MAX_OPTION_BYTES + 10]),
            meta(Nbd.OPT_SET_META_CONTEXT, "vol-1", "base:allocation"),
            go(Nbd.OPT_GO, "vol-1", 3));
    rig.give(all);
    byte[] expected = rig.received();
    SessionRig slow = new SessionRig(SIZE);
    for (byte one : all) {
      slow.give(new byte[] {one});
    }
    assertThat(slow.received()).isEqualTo(expected);
    assertThat(slow.session.isTransmitting()).isTrue();
  }

  @Test
  void aStoppingServerRefusesOptionsUntilTheClientLeaves() {
    greeted().session.stop();
    assertThat(answer(option(Nbd.OPT_LIST, new byte[0])).type()).isEqualTo(Nbd.REP_ERR_SHUTDOWN);
    assertThat(answer(go(Nbd.OPT_GO, "")).type()).isEqualTo(Nbd.REP_ERR_SHUTDOWN);
    assertThat(answer(option(Nbd.OPT_ABORT, new byte[0])).type()).isEqualTo(Nbd.REP_ACK);
    assertThat(rig.out.closeReason()).isNotNull();
  }
}
