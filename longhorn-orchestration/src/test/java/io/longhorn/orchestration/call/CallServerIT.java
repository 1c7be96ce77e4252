package io.longhorn.orchestration.call;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.orchestration.Await;
import io.longhorn.orchestration.Seed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class CallServerIT {
  private static final Duration PATIENCE = Duration.ofSeconds(Await.SECONDS);
  private static final byte[] NO_BYTES = {};

  @TempDir private Path directory;
  private CallAddress address;
  private final List<AutoCloseable> open = new ArrayList<>();
  private final CountDownLatch released = new CountDownLatch(1);
  private final Semaphore waiting = new Semaphore(0);

  @BeforeEach
  void chooseAddress() {
    address = new CallAddress.Unix(directory.resolve("s"));
  }

  @AfterEach
  void closeAll() throws Exception {
    released.countDown();
    for (AutoCloseable each : open.reversed()) {
      each.close();
    }
  }

  private <T extends AutoCloseable> T keep(T resource) {
    open.add(resource);
    return resource;
  }

  private CallServer serve(CallAddress at) {
    return keep(CallServer.open(at, this::handle));
  }

  private CallClient client() {
    return keep(CallClient.connect(address, PATIENCE));
  }

  private RawPeer rawPeer() throws IOException {
    return keep(new RawPeer(address));
  }

  /** STATUS echoes; the others are what a test needs. */
  private byte[] handle(FrameType type, FieldReader request) {
    return switch (type) {
      case STATUS -> new FieldWriter().text(2, "<" + request.text(1) + ">").toBytes();
      case HELLO -> throw new VolumeException(IoError.NOT_FOUND, "there is no " + request.text(1));
      case LAYERS -> throw new VolumeException(IoError.BUSY, "m".repeat(100_000));
      case FLUSH -> throw new IllegalStateException("a defect");
      case TRIM -> new byte[FrameHeader.MAX_PAYLOAD_BYTES];
      case QUIESCE -> {
        waiting.release();
        await(released);
        yield NO_BYTES;
      }
      default -> throw new VolumeException(IoError.UNSUPPORTED, "not here: " + type);
    };
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(Await.SECONDS, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private void awaitOneMoreThatWaits() throws InterruptedException {
    assertThat(waiting.tryAcquire(Await.SECONDS, TimeUnit.SECONDS)).isTrue();
  }

  private static String echo(CallClient client, String text) {
    return client.call(FrameType.STATUS, new FieldWriter().text(1, text), PATIENCE).text(2);
  }

  private static void assertError(IoError error, String message, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            VolumeException.class,
            e -> {
              assertThat(e.error()).as(e.getMessage()).isEqualTo(error);
              assertThat(e.getMessage()).contains(message).doesNotContain("\n");
            });
  }

  @ParameterizedTest
  @ValueSource(strings = {"unix", "tcp"})
  void aCallIsAnswered(String kind) {
    if (kind.equals("tcp")) {
      address = CallAddress.parse("tcp:localhost:0");
    }
    address = serve(address).address();
    CallClient client = client();
    assertThat(echo(client, "a")).isEqualTo("<a>");
    assertThat(echo(client, "b".repeat(100_000))).hasSize(100_002);
    assertThat(client.call(FrameType.PING, new FieldWriter(), PATIENCE).has(1)).isFalse();
  }

  @Test
  void anErrorKeepsItsCodeAndMessageAndTheConnectionGoesOn() {
    serve(address);
    CallClient client = client();
    assertError(
        IoError.NOT_FOUND,
        "there is no x",
        () -> client.call(FrameType.HELLO, new FieldWriter().text(1, "x"), PATIENCE));
    assertThatThrownBy(() -> client.call(FrameType.LAYERS, new FieldWriter(), PATIENCE))
        .satisfies(e -> assertThat(e.getMessage()).hasSize(CallServer.MAX_MESSAGE_CHARS));
    assertError(
        IoError.EIO, "a defect", () -> client.call(FrameType.FLUSH, new FieldWriter(), PATIENCE));
    assertThat(echo(client, "still")).isEqualTo("<still>");
  }

  @Test
  void aTypeOfANewerBuildIsUnsupportedAndTheConnectionGoesOn() throws IOException {
    serve(address);
    RawPeer peer = rawPeer();
    CallFrame unknown = peer.send(RawPeer.frame(200, 0, 7, NO_BYTES)).answer();
    assertThat(unknown.status()).isEqualTo(IoError.UNSUPPORTED.code());
    assertThat(unknown.typeCode()).isEqualTo(200);
    assertThat(unknown.sequence()).isEqualTo(7);
    CallFrame pong = peer.send(RawPeer.frame(FrameType.PING.code(), 0, 8, NO_BYTES)).answer();
    assertThat(pong.status()).isZero();
  }

  @Test
  void fieldsThatCannotBeReadAndRepliesThatNobodyAskedForEndTheConnection() throws IOException {
    serve(address);
    byte[] noFields = {1, 2, 3};
    byte[] missing = new FieldWriter().text(9, "x").toBytes();
    List<byte[]> frames =
        List.of(
            RawPeer.frame(FrameType.STATUS.code(), 0, 1, noFields),
            RawPeer.frame(FrameType.STATUS.code(), 0, 1, missing),
            RawPeer.frame(FrameType.PING.code(), FrameHeader.FLAG_REPLY, 1, NO_BYTES));
    for (byte[] frame : frames) {
      assertThat(rawPeer().send(frame).answersUntilTheEnd())
          .singleElement()
          .satisfies(answer -> assertThat(answer.status()).isEqualTo(IoError.PROTOCOL.code()));
    }
  }

  @Test
  void aFrameOfAnotherVersionIsAnsweredAndTheConnectionEnds() throws IOException {
    serve(address);
    byte[] frame = RawPeer.frame(FrameType.PING.code(), 0, 3, NO_BYTES);
    frame[2] = 9;
    assertThat(rawPeer().send(RawPeer.sealed(frame)).answersUntilTheEnd())
        .singleElement()
        .satisfies(answer -> assertThat(answer.status()).isEqualTo(IoError.UNKNOWN_VERSION.code()));
  }

  @Test
  void damagedFramesEndTheConnectionWithoutAnAnswer() throws IOException {
    serve(address);
    byte[] good = new FieldWriter().text(1, "x").toBytes();
    byte[] payload = RawPeer.frame(FrameType.STATUS.code(), 0, 1, good);
    payload[FrameHeader.BYTES + 6] ^= 1;
    byte[] header = RawPeer.frame(FrameType.STATUS.code(), 0, 1, good);
    header[20] ^= 1;
    byte[] crcs = RawPeer.frame(FrameType.STATUS.code(), 0, 1, good);
    FrameHeader.payload(MemorySegment.ofArray(crcs), 0, 1, good.length);
    byte[] large = RawPeer.frame(FrameType.STATUS.code(), 0, 1, good);
    FrameHeader.payload(MemorySegment.ofArray(large), 0, 0, FrameHeader.MAX_PAYLOAD_BYTES + 1);
    for (byte[] frame : List.of(payload, header, RawPeer.sealed(crcs), RawPeer.sealed(large))) {
      assertThat(rawPeer().send(frame).answersUntilTheEnd()).isEmpty();
    }
    assertThat(echo(client(), "others")).isEqualTo("<others>");
  }

  @Test
  void whateverBytesAPeerSendsNobodyElseNotices() throws IOException {
    serve(address);
    RandomGenerator random = Seed.random("CallServerIT");
    CallClient other = client();
    byte[] good =
        RawPeer.frame(FrameType.STATUS.code(), 0, 1, new FieldWriter().text(1, "hello").toBytes());
    for (int i = 0; i < 300; i++) {
      byte[] bytes;
      if (i % 2 == 0) {
        bytes = new byte[random.nextInt(300)];
        random.nextBytes(bytes);
      } else {
        bytes = good.clone();
        for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
          bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
        }
        if (i % 4 == 1) {
          RawPeer.sealed(bytes);
        }
      }
      try (RawPeer peer = new RawPeer(address)) {
        peer.send(bytes).endOfOutput().answersUntilTheEnd();
      } catch (IOException _) {
        // It was closed before everything was sent.
      }
      assertThat(echo(other, "n" + i)).isEqualTo("<n" + i + ">");
    }
  }

  @Test
  void aConnectionOverTheLimitIsToldAndTheNextOneAfterAnEndIsTaken() {
    serve(address);
    List<CallClient> clients = new ArrayList<>();
    for (int i = 0; i < CallServer.MAX_CONNECTIONS; i++) {
      clients.add(client());
      assertThat(echo(clients.getLast(), "x")).isEqualTo("<x>");
    }
    CallClient more = client();
    assertError(IoError.BUSY, "256 connections", () -> echo(more, "y"));
    assertError(IoError.DISCONNECTED, "", () -> echo(more, "y"));
    clients.getFirst().close();
    Await.until("there is room for one more", () -> isTaken(client()));
  }

  private static boolean isTaken(CallClient client) {
    try {
      return echo(client, "z").equals("<z>");
    } catch (VolumeException e) {
      assertThat(e.error()).isIn(IoError.BUSY, IoError.DISCONNECTED);
      return false;
    }
  }

  @Test
  void longPollsWaitSideBySideAndHoldNobodyUp() throws Exception {
    serve(address);
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<FieldReader>> polls = new ArrayList<>();
      for (int i = 0; i < 100; i++) {
        CallClient poller = client();
        polls.add(
            threads.submit(() -> poller.call(FrameType.QUIESCE, new FieldWriter(), PATIENCE)));
      }
      awaitOneMoreThatWaits();
      assertThat(echo(client(), "meanwhile")).isEqualTo("<meanwhile>");
      assertThat(polls).noneMatch(Future::isDone);
      released.countDown();
      for (Future<FieldReader> poll : polls) {
        assertThat(poll.get(Await.SECONDS, TimeUnit.SECONDS)).isNotNull();
      }
    }
  }

  @Test
  void theThreadsOfOneClientTakeTurns() throws Exception {
    serve(address);
    CallClient client = client();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<String>> answers = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        String text = "t" + i;
        answers.add(threads.submit(() -> echo(client, text)));
      }
      for (int i = 0; i < answers.size(); i++) {
        assertThat(answers.get(i).get(Await.SECONDS, TimeUnit.SECONDS)).isEqualTo("<t" + i + ">");
      }
    }
  }

  @Test
  void anAnswerThatDoesNotComeIsATimeoutAndEndsTheConnection() {
    serve(address);
    CallClient client = client();
    assertError(
        IoError.TIMEOUT,
        "no answer within 50 ms",
        () -> client.call(FrameType.QUIESCE, new FieldWriter(), Duration.ofMillis(50)));
    assertThat(client.isOpen()).isFalse();
    assertError(IoError.DISCONNECTED, "broke", () -> echo(client, "x"));
  }

  @Test
  void closingEitherSideEndsACallThatWaits() throws Exception {
    CallServer server = serve(address);
    for (AutoCloseable ended : List.of(client(), server)) {
      CallClient waiter = ended instanceof CallClient own ? own : client();
      CompletableFuture<IoError> error =
          CompletableFuture.supplyAsync(() -> {
            try {
              waiter.call(FrameType.QUIESCE, new FieldWriter(), PATIENCE);
              return IoError.OK;
            } catch (VolumeException e) {
              return e.error();
            }
          });
      awaitOneMoreThatWaits();
      ended.close();
      assertThat(error.get(Await.SECONDS, TimeUnit.SECONDS)).isEqualTo(IoError.DISCONNECTED);
    }
    assertError(IoError.DISCONNECTED, "cannot connect", this::client);
  }

  @Test
  void aServerThatSpeaksSomethingElseIsAProtocolError() throws Exception {
    byte[] otherCall = RawPeer.frame(FrameType.STATUS.code(), FrameHeader.FLAG_REPLY, 99, NO_BYTES);
    byte[] request = RawPeer.frame(FrameType.STATUS.code(), 0, 1, NO_BYTES);
    byte[] otherType = RawPeer.frame(FrameType.PING.code(), FrameHeader.FLAG_REPLY, 1, NO_BYTES);
    byte[] noFields =
        RawPeer.frame(FrameType.STATUS.code(), FrameHeader.FLAG_REPLY, 1, new byte[] {7});
    byte[] noCall = RawPeer.frame(FrameType.STATUS.code(), FrameHeader.FLAG_REPLY, 0, NO_BYTES);
    byte[] noise = new byte[FrameHeader.BYTES];
    for (byte[] bytes : List.of(otherCall, request, otherType, noFields, noCall, noise)) {
      try (ServerSocketChannel peer = bareListener()) {
        CallClient client = client();
        CompletableFuture<Void> answered =
            CompletableFuture.runAsync(() -> answerWith(peer, bytes));
        assertError(IoError.PROTOCOL, "does not speak this protocol", () -> echo(client, "x"));
        assertThat(client.isOpen()).isFalse();
        answered.get(Await.SECONDS, TimeUnit.SECONDS);
      }
      Files.delete(directory.resolve("s"));
    }
  }

  @Test
  void aServerThatHangsUpIsDisconnected() throws Exception {
    try (ServerSocketChannel peer = bareListener()) {
      CallClient client = client();
      CompletableFuture<Void> closed =
          CompletableFuture.runAsync(() -> answerWith(peer, new byte[10]));
      assertError(IoError.DISCONNECTED, "broke", () -> echo(client, "x"));
      closed.get(Await.SECONDS, TimeUnit.SECONDS);
    }
  }

  private ServerSocketChannel bareListener() throws IOException {
    return ServerSocketChannel.open(StandardProtocolFamily.UNIX)
        .bind(UnixDomainSocketAddress.of(directory.resolve("s")));
  }

  private static void answerWith(ServerSocketChannel listener, byte[] bytes) {
    try (var channel = listener.accept()) {
      CallFrame.read(channel);
      channel.write(ByteBuffer.wrap(bytes));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void theFileOfADeadServerIsReplaced() throws IOException {
    bareListener().close();
    assertThat(directory.resolve("s")).exists();
    assertError(IoError.DISCONNECTED, "refused", this::client);
    serve(address);
    assertThat(echo(client(), "x")).isEqualTo("<x>");
  }

  @Test
  void aSocketThatSomebodyListensOnIsLeftAlone() throws IOException {
    serve(address);
    assertError(IoError.BUSY, "already listening", () -> serve(address));
    assertThat(echo(client(), "x")).isEqualTo("<x>");
    address = new CallAddress.Unix(directory.resolve("bare"));
    try (ServerSocketChannel bare = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      bare.bind(address.socketAddress());
      assertError(IoError.BUSY, "already listening", () -> serve(address));
    }
  }

  @Test
  void ofManyThatStartAtOnceOneListens() throws Exception {
    bareListener().close();
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      List<Future<Boolean>> started = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        started.add(threads.submit(this::isListening));
      }
      int listening = 0;
      for (Future<Boolean> each : started) {
        listening += each.get(Await.SECONDS, TimeUnit.SECONDS) ? 1 : 0;
      }
      assertThat(listening).isEqualTo(1);
    }
    assertThat(echo(client(), "x")).isEqualTo("<x>");
  }

  private boolean isListening() {
    try {
      CallServer server = CallServer.open(address, this::handle);
      synchronized (open) {
        keep(server);
      }
      return true;
    } catch (VolumeException e) {
      assertThat(e.error()).isEqualTo(IoError.BUSY);
      return false;
    }
  }

  @Test
  void whatCannotBeListenedOnIsOneLine() throws IOException {
    Path file = Files.writeString(directory.resolve("file"), "precious");
    assertError(IoError.INVALID, "no socket", () -> serve(new CallAddress.Unix(file)));
    assertThat(file).hasContent("precious");
    assertError(
        IoError.INVALID,
        "does not exist; create it",
        () -> serve(new CallAddress.Unix(directory.resolve("none").resolve("s"))));
    assertError(
        IoError.INVALID,
        "host 'no.such.invalid'",
        () -> serve(CallAddress.parse("tcp:no.such.invalid:0")));
    CallAddress taken = serve(CallAddress.parse("tcp:127.0.0.1:0")).address();
    assertError(IoError.BUSY, "use another port", () -> serve(taken));
  }

  @Test
  void theSocketIsItsOwnersAndGoesWithTheServer() throws IOException {
    CallServer server = serve(address);
    Path file = directory.resolve("s");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    server.close();
    assertThat(file).doesNotExist();
    server.close();
  }

  @Test
  void aFileThatIsNotItsOwnAnyMoreStays() throws IOException {
    CallServer first = serve(address);
    Files.delete(directory.resolve("s"));
    CallServer second = serve(address);
    first.close();
    assertThat(echo(client(), "x")).isEqualTo("<x>");
    second.close();
    assertThat(directory.resolve("s")).doesNotExist();
  }
}
