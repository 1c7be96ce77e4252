package io.longhorn.replica.posix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SocketCallsTest {
  @TempDir Path directory;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory = arena.allocate(1 << 16, 4096);

  @AfterEach
  void close() {
    arena.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"127.0.0.1", "::1"})
  void aTcpListenerAcceptsAndEchoes(String host) throws Exception {
    InetAddress address = InetAddress.getByName(host);
    int listener = SocketCalls.socket(SocketCalls.family(new InetSocketAddress(address, 0)));
    if (listener < 0) {
      assumeThat(host).as("no IPv6 here").isEqualTo("127.0.0.1");
    }
    assertThat(SocketCalls.setOption(listener, SocketCalls.SOL_SOCKET, SocketCalls.SO_REUSEADDR, 1))
        .isZero();
    int bound = SocketCalls.bind(listener, new InetSocketAddress(address, 0));
    assumeThat(bound).as("no IPv6 here").isZero();
    assertThat(SocketCalls.listen(listener, 4)).isZero();
    int port = SocketCalls.localPort(listener);
    assertThat(port).isPositive();
    echo(listener, new InetSocketAddress(address, port), true);
  }

  @Test
  void aUnixListenerAcceptsAndEchoes() throws Exception {
    UnixDomainSocketAddress address = UnixDomainSocketAddress.of(directory.resolve("s"));
    int listener = SocketCalls.socket(SocketCalls.AF_UNIX);
    assertThat(SocketCalls.bind(listener, address)).isZero();
    assertThat(SocketCalls.listen(listener, 4)).isZero();
    echo(listener, address, false);
    int second = SocketCalls.socket(SocketCalls.AF_UNIX);
    assertThat(SocketCalls.connect(second, address)).isEqualTo(-Errno.ECONNREFUSED);
    assertThat(SocketCalls.bind(second, address)).isEqualTo(-Errno.EADDRINUSE);
    FileCalls.close(second);
  }

  private void echo(int listener, SocketAddress address, boolean isTcp) throws Exception {
    try (SocketChannel client = SocketChannel.open(address)) {
      int link = SocketCalls.accept(listener);
      assertThat(link).isPositive();
      if (isTcp) {
        assertThat(SocketCalls.setOption(link, SocketCalls.IPPROTO_TCP, SocketCalls.TCP_NODELAY, 1))
            .isZero();
      }
      client.write(ByteBuffer.wrap(new byte[] {1, 2, 3}));
      assertThat(SocketCalls.recv(link, memory.address(), 100, 0)).isEqualTo(3);
      assertThat(SocketCalls.recv(link, memory.address(), 100, SocketCalls.MSG_DONTWAIT))
          .isEqualTo(-Errno.EAGAIN);
      assertThat(SocketCalls.send(link, memory.address(), 3, 0)).isEqualTo(3);
      ByteBuffer got = ByteBuffer.allocate(3);
      while (got.hasRemaining() && client.read(got) > 0) {}
      assertThat(got.array()).containsExactly(1, 2, 3);
      assertThat(SocketCalls.shutdown(link, SocketCalls.SHUT_RDWR)).isZero();
      assertThat(SocketCalls.recv(link, memory.address(), 100, 0)).isZero();
      assertThat(SocketCalls.send(link, memory.address(), 3, 0)).isEqualTo(-Errno.EPIPE);
      FileCalls.close(link);
    } finally {
      FileCalls.close(listener);
    }
  }

  @Test
  void pollWaitsForWhicheverComesFirst() {
    int[] ends = new int[2];
    assertThat(SocketCalls.socketpair(ends)).isZero();
    int event = SocketCalls.eventfd();
    entry(0, ends[0]);
    entry(1, event);
    assertThat(SocketCalls.poll(memory.address(), 2, 0)).isZero();
    SocketCalls.signal(event);
    SocketCalls.signal(event);
    assertThat(SocketCalls.poll(memory.address(), 2, -1)).isEqualTo(1);
    assertThat(memory.get(ValueLayout.JAVA_SHORT, SocketCalls.POLLFD_BYTES + 6))
        .isEqualTo(SocketCalls.POLLIN);
    assertThat(SocketCalls.drain(event)).isEqualTo(8);
    assertThat(SocketCalls.drain(event)).isEqualTo(-Errno.EAGAIN);
    SocketCalls.send(ends[1], memory.address(), 1, 0);
    assertThat(SocketCalls.poll(memory.address(), 2, -1)).isEqualTo(1);
    assertThat(memory.get(ValueLayout.JAVA_SHORT, 6)).isEqualTo(SocketCalls.POLLIN);
    FileCalls.close(ends[0]);
    FileCalls.close(ends[1]);
    FileCalls.close(event);
  }

  @Test
  void addressesThatNoSocketCanHaveAreRefused() {
    int fd = SocketCalls.socket(SocketCalls.AF_UNIX);
    assertThatThrownBy(
            () -> SocketCalls.bind(fd, UnixDomainSocketAddress.of("/" + "x".repeat(107))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("1 to 107 bytes");
    assertThatThrownBy(
            () -> SocketCalls.bind(fd, InetSocketAddress.createUnresolved("nowhere.invalid", 1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("unknown host");
    FileCalls.close(fd);
  }

  @Test
  void theCallsOfTheDataPathAllocateNothing() {
    int[] ends = new int[2];
    SocketCalls.socketpair(ends);
    int event = SocketCalls.eventfd();
    entry(0, ends[0]);
    entry(1, event);
    IntUnaryOperator calls =
        rounds -> {
          long done = 0;
          for (int i = 0; i < rounds; i++) {
            done += SocketCalls.send(ends[1], memory.address() + 64, 100, 0);
            done += SocketCalls.signal(event);
            done += SocketCalls.poll(memory.address(), 2, -1);
            done += SocketCalls.drain(event);
            done += SocketCalls.recv(ends[0], memory.address() + 64, 1000, 0);
          }
          return (int) (done & 1);
        };
    assertThat(Allocation.perRound(calls)).isLessThan(Allocation.NOTHING);
    FileCalls.close(ends[0]);
    FileCalls.close(ends[1]);
    FileCalls.close(event);
  }

  private void entry(int index, int fd) {
    long at = (long) index * SocketCalls.POLLFD_BYTES;
    memory.set(ValueLayout.JAVA_INT, at, fd);
    memory.set(ValueLayout.JAVA_SHORT, at + 4, SocketCalls.POLLIN);
    memory.set(ValueLayout.JAVA_SHORT, at + 6, (short) 0);
  }
}
