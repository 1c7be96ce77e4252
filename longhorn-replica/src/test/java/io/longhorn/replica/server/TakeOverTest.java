package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.IoError;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello.Role;
import io.longhorn.api.wire.Promise;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.replica.server.WireClient.Answer;
import io.longhorn.replica.store.BareStore;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Two engines want one replica (I3, R1, R8). */
@Timeout(60)
class TakeOverTest {
  private static final int BLOCK = 4096;
  private static final byte[] NONE = {};

  private ServedReplica replica;
  private BareStore store;

  @BeforeEach
  void serve() {
    replica = ServedReplica.tcp();
    store = replica.store;
  }

  @AfterEach
  void stop() {
    replica.close();
  }

  private byte blockAt(long offset) {
    return store.blocks.get(ValueLayout.JAVA_BYTE, offset);
  }

  private static byte[] block(int value) {
    byte[] block = new byte[BLOCK];
    Arrays.fill(block, (byte) value);
    return block;
  }

  private void claim(WireClient client, long generation) {
    client.control(
        FrameType.PROMISE, new Promise(generation, ServedReplica.ENGINE).write().toBytes());
    client.send();
  }

  @Test
  void theOlderOwnerGetsNothingMoreAndItsLateFramesHaveNoEffect() {
    try (WireClient older = replica.own(1);
        WireClient newer = replica.greet(Role.OWNER)) {
      older.write(0, 0, block(1));
      assertThat(older.ask().status()).isEqualTo(IoError.OK);
      assertThat(newer.promise(ServedReplica.ENGINE, 2).status()).isEqualTo(IoError.OK);
      older.write(0, 0, block(7));
      older.bare(FrameType.FLUSH, 0, 0, 0);
      older.send();
      assertThat(older.next()).isNull();
      newer.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(newer.ask().payload()[0]).isEqualTo((byte) 1);
      assertThat(blockAt(0)).isEqualTo((byte) 1);
    }
  }

  @Test
  void aPromiseWaitsForWhatTheOlderOwnerHadBegun() {
    try (WireClient older = replica.own(1);
        WireClient newer = replica.greet(Role.OWNER);
        WireClient observer = replica.greet(Role.OBSERVER)) {
      store.hold();
      older.write(0, 0, block(3));
      older.send();
      Eventually.until("the write is with a disk thread", store.permits::hasQueuedThreads);
      claim(newer, 2);
      assertThat(older.next()).as("the older owner is cut off").isNull();
      // Not promised yet: who asks hears of the old one, and the newer link lives.
      observer.control(FrameType.STATUS, NONE);
      assertThat(observer.ask().status()).isEqualTo(IoError.OK);
      newer.control(FrameType.PING, NONE);
      newer.send();
      Answer ping = newer.next();
      assertThat(ping.type()).isEqualTo(FrameType.PING.code());
      assertThat(store.promised()).isEqualTo(1);
      store.letGo();
      Answer promised = newer.next();
      assertThat(ReplicaInfo.read(promised.fields()).promised()).isEqualTo(2);
      assertThat(store.promised()).isEqualTo(2);
      assertThat(blockAt(0)).as("begun before, so done before").isEqualTo((byte) 3);
    }
  }

  @Test
  void theSameEngineOnANewConnectionEndsItsOlderSessionFirst() {
    try (WireClient first = replica.own(5);
        WireClient second = replica.own(5)) {
      assertThat(first.next()).isNull();
      second.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(second.ask().status()).isEqualTo(IoError.OK);
    }
  }

  @Test
  void aLowerGenerationAndAnotherEngineWithTheSameOneAreFenced() {
    try (WireClient owner = replica.own(5);
        WireClient other = replica.connect();
        WireClient late = replica.greet(Role.OWNER)) {
      assertThat(other.own(store.volume, store.replica, ServedReplica.OTHER_ENGINE, 5).status())
          .isEqualTo(IoError.FENCED);
      assertThat(late.promise(ServedReplica.ENGINE, 4).status()).isEqualTo(IoError.FENCED);
      late.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(late.ask().status()).isEqualTo(IoError.FENCED);
      owner.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(owner.ask().status()).isEqualTo(IoError.OK);
    }
  }

  @Test
  void whoWaitsIsOvertakenByAYetNewerPromise() {
    try (WireClient older = replica.own(1);
        WireClient waiting = replica.greet(Role.OWNER);
        WireClient newest = replica.greet(Role.OWNER)) {
      store.hold();
      older.write(0, 0, block(3));
      older.send();
      Eventually.until("the write is with a disk thread", store.permits::hasQueuedThreads);
      claim(waiting, 2);
      assertThat(older.next()).isNull();
      claim(newest, 3);
      assertThat(waiting.next().status()).isEqualTo(IoError.FENCED);
      store.letGo();
      assertThat(ReplicaInfo.read(newest.next().fields()).promised()).isEqualTo(3);
    }
  }

  @Test
  void whoWaitsAndGoesAwayLeavesTheReplicaToTheNext() {
    try (WireClient older = replica.own(1)) {
      store.hold();
      older.write(0, 0, block(3));
      older.send();
      Eventually.until("the write is with a disk thread", store.permits::hasQueuedThreads);
      try (WireClient waiting = replica.greet(Role.OWNER)) {
        claim(waiting, 2);
        assertThat(older.next()).isNull();
      }
      try (WireClient next = replica.greet(Role.OWNER)) {
        claim(next, 3);
        store.letGo();
        assertThat(ReplicaInfo.read(next.next().fields()).promised()).isEqualTo(3);
      }
    }
  }

  @Test
  void theOwnerMayTakeAHigherGenerationOnTheSameConnection() {
    try (WireClient owner = replica.own(1)) {
      assertThat(owner.promise(ServedReplica.ENGINE, 2).status()).isEqualTo(IoError.OK);
      owner.generation = 1;
      owner.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(owner.ask().status()).isEqualTo(IoError.FENCED);
      owner.generation = 2;
      owner.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(owner.ask().status()).isEqualTo(IoError.OK);
      store.hold();
      owner.bare(FrameType.FLUSH, 0, 0, 0);
      claim(owner, 3);
      assertThat(owner.next().status()).as("with a flush under way").isEqualTo(IoError.BUSY);
    }
  }

  @Test
  void aNewOwnerComesAfterTheOldOneWentAway() {
    for (int generation = 1; generation <= 20; generation++) {
      try (WireClient owner = replica.own(generation)) {
        owner.write(0, 0, block(generation));
        owner.bare(FrameType.FLUSH, 0, 0, 0);
        owner.send();
        if (generation % 2 == 0) {
          owner.next();
        }
      }
    }
    try (WireClient last = replica.own(21)) {
      last.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(last.ask().payload()[0]).isBetween((byte) 19, (byte) 20);
    }
  }

  @Test
  void closingTheServerWaitsForWhatWasBegunAndClosesTheStore() {
    try (WireClient owner = replica.own(1)) {
      store.hold();
      owner.write(0, 0, block(9));
      owner.send();
      Eventually.until("the write is with a disk thread", store.permits::hasQueuedThreads);
      Thread closing = Thread.ofPlatform().start(replica.server::close);
      assertThat(owner.next()).isNull();
      assertThat(store.isClosed).isFalse();
      store.letGo();
      Eventually.until("closed", () -> !closing.isAlive());
      assertThat(store.isClosed).isTrue();
      assertThat(blockAt(0)).isEqualTo((byte) 9);
    }
  }
}
