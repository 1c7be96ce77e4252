package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello;
import io.longhorn.api.wire.Hello.Role;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.Promise;
import io.longhorn.api.wire.RecordCodec;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.api.wire.ReplicaStatus;
import io.longhorn.api.wire.SnapshotSpec;
import io.longhorn.replica.server.WireClient.Answer;
import io.longhorn.replica.store.BareStore;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The protocol of one connection, frame by frame, through a real socket. */
@Timeout(60)
class ReplicaSessionTest {
  private static final int BLOCK = 4096;
  private static final int CHUNK = 128 << 10;
  private static final long SIZE = BareStore.SIZE_BYTES;
  private static final byte[] NONE = {};

  /** What a connection that does not own may ask. */
  private static final Set<FrameType> PUBLIC =
      EnumSet.of(
          FrameType.HELLO, FrameType.PROMISE, FrameType.STATUS, FrameType.LAYERS, FrameType.PING);

  private static ServedReplica replica;
  private static long generations;

  @BeforeAll
  static void serve() {
    replica = ServedReplica.tcp();
  }

  @AfterAll
  static void stop() {
    replica.close();
  }

  private static WireClient own() {
    generations++;
    return replica.own(generations);
  }

  /** A frame in the owner's session and what it is answered. */
  record Row(
      String what,
      FrameType type,
      int flags,
      long offset,
      int length,
      long operation,
      byte[] payload,
      boolean isData,
      IoError status,
      int payloadBytes) {
    @Override
    public String toString() {
      return type + " " + what + " -> " + status;
    }
  }

  private static Row row(
      FrameType type, String what, long offset, int length, IoError status, int payloadBytes) {
    return new Row(what, type, 0, offset, length, 0, NONE, false, status, payloadBytes);
  }

  private static Row write(String what, int flags, long offset, int length, int bytes, IoError e) {
    return new Row(what, FrameType.WRITE, flags, offset, length, 0, new byte[bytes], true, e, 0);
  }

  private static Row control(FrameType type, String what, byte[] payload, IoError status) {
    return new Row(what, type, 0, 0, 0, 1, payload, false, status, 0);
  }

  private static Row bits(FrameType type, String what, long first, int bytes, IoError status) {
    return new Row(what, type, 0, first, 0, 0, new byte[bytes], false, status, 0);
  }

  private static final IoError OK = IoError.OK;
  private static final IoError INVALID = IoError.INVALID;

  static Stream<Row> rows() {
    List<Row> rows = new ArrayList<>();
    for (FrameType type :
        List.of(FrameType.READ, FrameType.ZERO, FrameType.TRIM, FrameType.ABSENT)) {
      boolean isRead = type == FrameType.READ;
      rows.add(row(type, "of one block", 0, BLOCK, OK, isRead ? BLOCK : 0));
      rows.add(row(type, "of a chunk", CHUNK, CHUNK, OK, isRead ? CHUNK : 0));
      rows.add(row(type, "of the last block", SIZE - BLOCK, BLOCK, OK, isRead ? BLOCK : 0));
      rows.add(row(type, "of nothing", 0, 0, INVALID, 0));
      rows.add(row(type, "beyond the end", SIZE, BLOCK, INVALID, 0));
      rows.add(row(type, "over the end", SIZE - BLOCK, 2 * BLOCK, INVALID, 0));
      rows.add(row(type, "at no block", 512, BLOCK, INVALID, 0));
      rows.add(row(type, "of half a block", 0, 512, INVALID, 0));
      rows.add(row(type, "before the beginning", -BLOCK, BLOCK, INVALID, 0));
      rows.add(row(type, "of more than 2 GiB", 0, -BLOCK, INVALID, 0));
      rows.add(row(type, "at the end of time", Long.MAX_VALUE - BLOCK + 1, BLOCK, INVALID, 0));
    }
    rows.add(row(FrameType.READ, "over a chunk's end", CHUNK - BLOCK, 2 * BLOCK, INVALID, 0));
    rows.add(row(FrameType.READ, "of two chunks", 0, 2 * CHUNK, INVALID, 0));
    rows.add(
        new Row("with a payload", FrameType.READ, 0, 0, BLOCK, 0, new byte[8], false, INVALID, 0));
    rows.add(
        new Row(
            "that allocates",
            FrameType.ZERO,
            FrameHeader.FLAG_ALLOCATE,
            0,
            BLOCK,
            0,
            NONE,
            false,
            OK,
            0));
    rows.add(
        new Row("with FUA", FrameType.TRIM, FrameHeader.FLAG_FUA, 0, BLOCK, 0, NONE, false, OK, 0));
    rows.add(write("of a block", 0, 0, BLOCK, BLOCK, OK));
    rows.add(write("of a chunk", 0, 0, CHUNK, CHUNK, OK));
    rows.add(write("of a chunk elsewhere", 0, 8L * CHUNK, CHUNK, CHUNK, OK));
    rows.add(write("with FUA", FrameHeader.FLAG_FUA, 0, BLOCK, BLOCK, OK));
    rows.add(write("without its data", 0, 0, BLOCK, 0, INVALID));
    rows.add(write("with less than it says", 0, 0, 2 * BLOCK, BLOCK, INVALID));
    rows.add(write("with more than it says", 0, 0, BLOCK, 2 * BLOCK, INVALID));
    rows.add(write("over the end", 0, SIZE - BLOCK, 2 * BLOCK, 2 * BLOCK, INVALID));
    rows.add(write("over a chunk's end", 0, CHUNK - BLOCK, 2 * BLOCK, 2 * BLOCK, INVALID));
    rows.add(
        new Row(
            "without CRCs", FrameType.WRITE, 0, 0, BLOCK, 0, new byte[BLOCK], false, INVALID, 0));
    rows.add(row(FrameType.FLUSH, "", 0, 0, OK, 0));
    rows.add(row(FrameType.BLOCK_HASHES, "of two blocks", 0, 2 * BLOCK, OK, 34));
    rows.add(row(FrameType.BLOCK_HASHES, "of a span", 0, 512 * BLOCK, OK, 512 * 17));
    rows.add(row(FrameType.BLOCK_HASHES, "of more", 0, 513 * BLOCK, INVALID, 0));
    rows.add(row(FrameType.BLOCK_HASHES, "over the end", SIZE, BLOCK, INVALID, 0));
    rows.add(row(FrameType.BLOCK_MAP, "of a block", 0, BLOCK, OK, 8));
    rows.add(row(FrameType.BLOCK_MAP, "of a span", 0, 512 * BLOCK, OK, 8));
    rows.add(row(FrameType.BLOCK_MAP, "of nothing", 0, 0, INVALID, 0));
    rows.add(row(FrameType.INTENT_READ, "of all", 0, 524_288, OK, 65_536));
    rows.add(row(FrameType.INTENT_READ, "from the middle", 64, 8, OK, 1));
    rows.add(row(FrameType.INTENT_READ, "of nothing", 0, 0, INVALID, 0));
    rows.add(row(FrameType.INTENT_READ, "from the middle of a byte", 4, 8, INVALID, 0));
    rows.add(row(FrameType.INTENT_READ, "of half a byte", 0, 4, OK, 1));
    rows.add(row(FrameType.INTENT_READ, "of more than there can be", 0, 524_289, INVALID, 0));
    rows.add(row(FrameType.INTENT_READ, "of more than 2^31", 0, -8, INVALID, 0));
    rows.add(row(FrameType.INTENT_READ, "of too many", 8, 524_288, INVALID, 0));
    rows.add(row(FrameType.INTENT_READ, "before the first", -8, 8, INVALID, 0));
    for (FrameType type : List.of(FrameType.INTENT_MERGE, FrameType.INTENT_CLEAR)) {
      rows.add(bits(type, "of a byte", 0, 1, OK));
      rows.add(bits(type, "of all", 0, 65_536, OK));
      rows.add(bits(type, "of nothing", 0, 0, INVALID));
      rows.add(bits(type, "from the middle of a byte", 1, 1, INVALID));
      rows.add(bits(type, "of too many", 8, 65_536, INVALID));
      rows.add(bits(type, "of far too many", 0, CHUNK, INVALID));
      rows.add(bits(type, "before the first", -8, 1, INVALID));
    }
    byte[] stamp = new FieldWriter().number(1, 1).number(2, 5).toBytes();
    rows.add(control(FrameType.INTENT_VALID_SINCE, "a record", stamp, OK));
    rows.add(control(FrameType.MARK_EQUAL, "", NONE, OK));
    byte[] snapshot = new SnapshotSpec("s", 7, 1, true).write().toBytes();
    rows.add(control(FrameType.SNAPSHOT, "", snapshot, OK));
    rows.add(new Row("operation 0", FrameType.SNAPSHOT, 0, 0, 0, 0, snapshot, false, INVALID, 0));
    rows.add(control(FrameType.QUIESCE, "", NONE, IoError.UNSUPPORTED));
    rows.add(control(FrameType.COPY, "", NONE, IoError.UNSUPPORTED));
    rows.add(control(FrameType.PING, "", NONE, OK));
    rows.add(control(FrameType.RELEASE, "", NONE, OK));
    return rows.stream();
  }

  @ParameterizedTest
  @MethodSource("rows")
  void theOwnersFramesAreAnsweredAsTheyDeserve(Row row) {
    try (WireClient client = own()) {
      long sequence =
          client.frame(
              row.type().code(),
              row.flags(),
              row.offset(),
              row.length(),
              row.operation(),
              row.payload(),
              row.isData());
      Answer answer = client.ask();
      assertThat(answer.status()).isEqualTo(row.status());
      assertThat(answer.sequence()).isEqualTo(sequence);
      assertThat(answer.type()).isEqualTo(row.type().code());
      assertThat(answer.generation()).isEqualTo(generations);
      assertThat(answer.payload()).hasSize(row.payloadBytes());
      // Whatever it was, the session goes on.
      client.control(FrameType.PING, NONE);
      assertThat(client.ask().status()).isEqualTo(OK);
    }
  }

  /** What a frame of a type needs to be one that would be served. */
  private static void appendServable(WireClient client, FrameType type) {
    switch (type) {
      case WRITE -> client.write(0, 0, new byte[BLOCK]);
      case INTENT_READ -> client.bare(type, 0, 0, 8);
      case INTENT_MERGE, INTENT_CLEAR -> client.control(type, new byte[1]);
      case INTENT_VALID_SINCE ->
          client.control(type, new FieldWriter().number(1, 1).number(2, 5).toBytes());
      case SNAPSHOT ->
          client.frame(
              type.code(), 0, 0, 0, 1, new SnapshotSpec("s", 7, 1, true).write().toBytes(), false);
      case RECORD -> client.control(type, RecordCodec.write(record(1)).toBytes());
      case HELLO ->
          client.control(
              type,
              WireClient.hello(
                      Role.OWNER, replica.store.volume, replica.store.replica, ServedReplica.ENGINE)
                  .write()
                  .toBytes());
      case PROMISE ->
          client.control(type, new Promise(++generations, ServedReplica.ENGINE).write().toBytes());
      default -> client.bare(type, 0, 0, BLOCK);
    }
  }

  private static MembershipRecord record(long number) {
    return new MembershipRecord(
        new RecordStamp(generations, number),
        new TreeSet<>(List.of(replica.store.replica)),
        new TreeMap<>());
  }

  @ParameterizedTest
  @EnumSource(FrameType.class)
  void whoDoesNotOwnLooksAndDoesNothing(FrameType type) {
    try (WireClient client = replica.greet(Role.OBSERVER)) {
      appendServable(client, type);
      IoError expected = PUBLIC.contains(type) ? OK : IoError.FENCED;
      // A promise is for an owner; the role is another one.
      if (type == FrameType.PROMISE || type == FrameType.HELLO) {
        expected = type == FrameType.PROMISE ? INVALID : OK;
      }
      assertThat(client.ask().status()).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @EnumSource(FrameType.class)
  void anotherTagThanTheSessionsIsFenced(FrameType type) {
    try (WireClient client = own()) {
      client.generation = generations - 1;
      appendServable(client, type);
      boolean isUntagged = type == FrameType.HELLO || type == FrameType.PROMISE;
      assertThat(client.ask().status()).isEqualTo(isUntagged ? OK : IoError.FENCED);
      client.generation = generations + 1;
      appendServable(client, FrameType.READ);
      assertThat(client.ask().status()).isEqualTo(IoError.FENCED);
    }
  }

  @ParameterizedTest
  @EnumSource(FrameType.class)
  void nothingComesBeforeHello(FrameType type) {
    try (WireClient client = replica.connect()) {
      appendServable(client, type);
      Answer answer = client.ask();
      if (type == FrameType.HELLO) {
        assertThat(answer.status()).isEqualTo(OK);
      } else {
        assertThat(answer.status()).isEqualTo(IoError.PROTOCOL);
        assertThat(answer.text()).contains("HELLO");
        assertThat(client.next()).isNull();
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = FrameType.class,
      names = {
        "READ",
        "WRITE",
        "ZERO",
        "TRIM",
        "ABSENT",
        "FLUSH",
        "BLOCK_HASHES",
        "BLOCK_MAP",
        "INTENT_MERGE",
        "INTENT_CLEAR",
        "INTENT_VALID_SINCE",
        "RECORD",
        "MARK_EQUAL",
        "SNAPSHOT",
        "RELEASE"
      })
  void anErrorOfTheStoreIsTheAnswer(FrameType type) {
    try (ServedReplica failing = ServedReplica.tcp();
        WireClient client = failing.own(100_000)) {
      failing.store.endings.put(
          type == FrameType.ABSENT || type == FrameType.TRIM ? FrameType.ZERO : type, IoError.EIO);
      generations = 100_000;
      appendServable(client, type);
      assertThat(client.ask().status()).isEqualTo(IoError.EIO);
      client.control(FrameType.PING, NONE);
      assertThat(client.ask().status()).isEqualTo(OK);
    }
  }

  @Test
  void aWriteWithFuaWhoseFlushFailsHasFailed() {
    try (ServedReplica failing = ServedReplica.tcp();
        WireClient client = failing.own(1)) {
      failing.store.endings.put(FrameType.FLUSH, IoError.EIO);
      client.write(FrameHeader.FLAG_FUA, 0, new byte[BLOCK]);
      assertThat(client.ask().status()).isEqualTo(IoError.EIO);
    }
  }

  @Test
  void aPromiseThatCannotBeMadeDurableIsNotAnswered() {
    try (ServedReplica failing = ServedReplica.tcp()) {
      failing.store.endings.put(FrameType.PROMISE, IoError.EIO);
      try (WireClient client = failing.connect()) {
        Answer answer =
            client.own(failing.store.volume, failing.store.replica, ServedReplica.ENGINE, 1);
        assertThat(answer.status()).isEqualTo(IoError.EIO);
        client.bare(FrameType.READ, 0, 0, BLOCK);
        assertThat(client.ask().status()).isEqualTo(IoError.FENCED);
      }
    }
  }

  @Test
  void allThatIsNoRequestEndsTheConnectionWithAReason() {
    try (WireClient client = own()) {
      client.bare(FrameType.PING, FrameHeader.FLAG_REPLY, 0, 0);
      client.bare(FrameType.PING, 0, 0, 0);
      Answer answer = client.ask();
      assertThat(answer.status()).isEqualTo(IoError.PROTOCOL);
      assertThat(answer.text()).contains("reply");
      assertThat(client.next()).isNull();
    }
    try (WireClient client = own()) {
      client.frame(FrameType.FLUSH.code(), 0, 0, 0, 0, new byte[BLOCK], true);
      assertThat(client.ask().status()).isEqualTo(IoError.PROTOCOL);
      assertThat(client.next()).isNull();
    }
    try (WireClient client = own()) {
      client.control(FrameType.RECORD, new byte[] {1, 2, 3});
      assertThat(client.ask().status()).isEqualTo(IoError.PROTOCOL);
      assertThat(client.next()).isNull();
    }
    try (WireClient client = own()) {
      client.control(
          FrameType.INTENT_VALID_SINCE, new FieldWriter().number(1, -1).number(2, 5).toBytes());
      assertThat(client.ask().status()).isEqualTo(IoError.PROTOCOL);
      assertThat(client.next()).isNull();
    }
  }

  @Test
  void aControlPayloadThatWasDamagedOnTheWayEndsTheConnection() {
    try (WireClient client = own()) {
      client.control(FrameType.RECORD, RecordCodec.write(record(9)).toBytes());
      byte[] bytes = client.taken();
      bytes[bytes.length - 1] ^= 1;
      client.raw(bytes);
      client.send();
      assertThat(client.next()).isNull();
    }
    assertThat(replica.store.record().stamp().number()).isNotEqualTo(9);
  }

  @Test
  void aFrameTypeOfALaterBuildIsUnsupportedAndTheSessionGoesOn() {
    try (WireClient client = own()) {
      client.frame(200, 0, 0, 0, 0, new byte[10], false);
      Answer answer = client.ask();
      assertThat(answer.status()).isEqualTo(IoError.UNSUPPORTED);
      assertThat(answer.type()).isEqualTo(200);
      client.control(FrameType.PING, NONE);
      assertThat(client.ask().status()).isEqualTo(OK);
    }
  }

  @Test
  void aFrameOfALaterVersionIsToldSo() {
    try (WireClient client = replica.connect()) {
      client.control(FrameType.HELLO, NONE);
      byte[] frame = client.taken();
      frame[2] = 2;
      reseal(frame);
      client.raw(frame);
      assertThat(client.ask().status()).isEqualTo(IoError.UNKNOWN_VERSION);
      assertThat(client.next()).isNull();
    }
  }

  private static void reseal(byte[] frame) {
    CRC32C sum = new CRC32C();
    sum.update(frame, 0, 60);
    ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN).putInt(60, (int) sum.getValue());
  }

  /** A HELLO that is wrong in one way, and what it is answered. */
  record WrongHello(String what, Hello hello, IoError status) {
    @Override
    public String toString() {
      return what;
    }
  }

  static Stream<WrongHello> wrongHellos() {
    VolumeId volume = new VolumeId(new UUID(1, 1));
    ReplicaId id = new ReplicaId(new UUID(2, 2));
    EngineId engine = ServedReplica.ENGINE;
    VolumeId otherVolume = new VolumeId(new UUID(1, 2));
    ReplicaId otherId = new ReplicaId(new UUID(2, 1));
    return Stream.of(
        new WrongHello(
            "another volume",
            new Hello(1, 1, Role.OWNER, "replicas", otherVolume, id, engine, 0),
            IoError.WRONG_IDENTITY),
        new WrongHello(
            "another replica",
            new Hello(1, 1, Role.OWNER, "replicas", volume, otherId, engine, 0),
            IoError.WRONG_IDENTITY),
        new WrongHello(
            "another authority",
            new Hello(1, 1, Role.OWNER, "store:x", volume, id, engine, 0),
            IoError.WRONG_AUTHORITY),
        new WrongHello(
            "only later versions",
            new Hello(2, 9, Role.OWNER, "replicas", volume, id, engine, 0),
            IoError.UNKNOWN_VERSION));
  }

  @ParameterizedTest
  @MethodSource("wrongHellos")
  void aHelloToSomebodyElseIsRefusedWithAReasonAndTheConnectionCloses(WrongHello wrong) {
    try (WireClient client = replica.connect()) {
      Answer answer = client.hello(wrong.hello());
      assertThat(answer.status()).isEqualTo(wrong.status());
      assertThat(answer.text()).isNotBlank();
      assertThat(client.next()).isNull();
    }
  }

  @Test
  void helloSaysWhoIsThereAndChangesNothing() {
    try (WireClient owner = own();
        WireClient client = replica.connect()) {
      Answer answer =
          client.hello(
              WireClient.hello(
                  Role.STANDBY,
                  replica.store.volume,
                  replica.store.replica,
                  ServedReplica.OTHER_ENGINE));
      ReplicaInfo info = ReplicaInfo.read(answer.fields());
      assertThat(info.replica()).isEqualTo(replica.store.replica);
      assertThat(info.sizeBytes()).isEqualTo(SIZE);
      assertThat(info.promised()).isEqualTo(generations);
      assertThat(info.credits()).isEqualTo(ReplicaHost.CREDITS);
      owner.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(owner.ask().status()).isEqualTo(OK);
    }
  }

  @Test
  void anEngineThatDoesNotKnowTheVolumeYetLearnsItFromHello() {
    try (WireClient client = replica.connect()) {
      Answer answer =
          client.hello(
              WireClient.hello(
                  Role.OWNER, Hello.ANY_VOLUME, replica.store.replica, ServedReplica.ENGINE));
      assertThat(answer.status()).isEqualTo(OK);
      assertThat(ReplicaInfo.read(answer.fields()).volume()).isEqualTo(replica.store.volume);
    }
  }

  @Test
  void aPromiseNamesTheEngineThatSaidHello() {
    try (WireClient client = replica.greet(Role.OWNER)) {
      assertThat(client.promise(ServedReplica.OTHER_ENGINE, generations + 1).status())
          .isEqualTo(INVALID);
      client.control(
          FrameType.PROMISE,
          new FieldWriter().number(1, 0).uuid(2, ServedReplica.ENGINE.uuid()).toBytes());
      assertThat(client.ask().status()).isEqualTo(IoError.PROTOCOL);
    }
  }

  @Test
  void recordsAreTakenIfTheyAreNewerAndOfThisGeneration() {
    try (WireClient client = own()) {
      client.control(FrameType.RECORD, RecordCodec.write(record(20)).toBytes());
      assertThat(client.ask().status()).isEqualTo(OK);
      assertThat(replica.store.record()).isEqualTo(record(20));
      client.control(FrameType.RECORD, RecordCodec.write(record(20)).toBytes());
      assertThat(client.ask().status()).isEqualTo(OK);
      client.control(FrameType.RECORD, RecordCodec.write(record(19)).toBytes());
      assertThat(client.ask().status()).isEqualTo(IoError.STALE);
      MembershipRecord ahead =
          new MembershipRecord(
              new RecordStamp(generations + 1, 21),
              new TreeSet<>(List.of(replica.store.replica)),
              new TreeMap<>());
      client.control(FrameType.RECORD, RecordCodec.write(ahead).toBytes());
      assertThat(client.ask().status()).isEqualTo(INVALID);
      assertThat(replica.store.record()).isEqualTo(record(20));
      try (WireClient observer = replica.connect()) {
        Answer hello =
            observer.hello(
                WireClient.hello(
                    Role.OBSERVER,
                    replica.store.volume,
                    replica.store.replica,
                    ServedReplica.ENGINE));
        assertThat(ReplicaInfo.read(hello.fields()).record()).isEqualTo(record(20));
      }
    }
  }

  @Test
  void releaseEndsTheSessionAndSaysWhichGenerationItWas() {
    try (WireClient client = own()) {
      client.control(FrameType.RELEASE, NONE);
      assertThat(client.ask().status()).isEqualTo(OK);
      client.bare(FrameType.READ, 0, 0, BLOCK);
      assertThat(client.ask().status()).isEqualTo(IoError.FENCED);
      client.control(
          FrameType.HELLO,
          WireClient.hello(
                  Role.OWNER, replica.store.volume, replica.store.replica, ServedReplica.ENGINE)
              .write()
              .toBytes());
      assertThat(ReplicaInfo.read(client.ask().fields()).releasedGeneration())
          .isEqualTo(generations);
    }
  }

  @Test
  void statusAndLayersAreForEverybody() {
    try (WireClient owner = own();
        WireClient observer = replica.greet(Role.OBSERVER)) {
      owner.bare(FrameType.READ, 0, 0, 2 * BLOCK);
      owner.ask();
      owner.control(FrameType.PING, NONE);
      owner.ask();
      observer.control(FrameType.STATUS, NONE);
      ReplicaStatus status = ReplicaStatus.read(observer.ask().fields());
      assertThat(status.isOwned()).isTrue();
      assertThat(status.reads()).isPositive();
      assertThat(status.readBytes()).isGreaterThanOrEqualTo(2 * BLOCK);
      assertThat(status.volumeName()).isEqualTo("bare");
      observer.control(FrameType.LAYERS, NONE);
      assertThat(LayerList.read(observer.ask().fields()).layers()).hasSize(1);
    }
  }

  @Test
  void aZeroThatAllocatesIsToldApart() {
    try (WireClient client = own()) {
      replica.store.calls.clear();
      client.bare(FrameType.ZERO, FrameHeader.FLAG_ALLOCATE, 0, BLOCK);
      assertThat(client.ask().status()).isEqualTo(OK);
      assertThat(replica.store.calls).containsExactly("zeroAllocated");
    }
  }

  @Test
  void bitsThatAreMergedAreRead() {
    try (WireClient client = own()) {
      client.frame(FrameType.INTENT_MERGE.code(), 0, 248, 0, 0, new byte[] {(byte) 0xA5}, false);
      assertThat(client.ask().status()).isEqualTo(OK);
      client.bare(FrameType.INTENT_READ, 0, 248, 8);
      assertThat(client.ask().payload()[0] & 0xA5).isEqualTo(0xA5);
      client.frame(FrameType.INTENT_CLEAR.code(), 0, 248, 0, 0, new byte[] {(byte) 0xFF}, false);
      assertThat(client.ask().status()).isEqualTo(OK);
      client.bare(FrameType.INTENT_READ, 0, 248, 8);
      assertThat(client.ask().payload()).containsExactly(0);
    }
  }
}
