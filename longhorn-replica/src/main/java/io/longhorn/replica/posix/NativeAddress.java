package io.longhorn.replica.posix;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Socket addresses as the kernel's structs: sockaddr_in, sockaddr_in6, sockaddr_un. */
final class NativeAddress {
  private static final int UNIX_PATH_BYTES = 108;
  private static final ValueLayout.OfShort NETWORK_SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private NativeAddress() {}

  /**
   * Writes an address; returns its length. Throws {@link IllegalArgumentException} for a host that
   * was not resolved and for a path that a unix socket cannot have.
   */
  static long write(SocketAddress address, MemorySegment at) {
    at.fill((byte) 0);
    return switch (address) {
      case UnixDomainSocketAddress unix -> {
        byte[] path = unix.getPath().toString().getBytes(StandardCharsets.UTF_8);
        if (path.length == 0 || path.length >= UNIX_PATH_BYTES) {
          throw new IllegalArgumentException(
              "a unix socket's path has 1 to "
                  + (UNIX_PATH_BYTES - 1)
                  + " bytes, '"
                  + unix.getPath()
                  + "' has "
                  + path.length);
        }
        at.set(ValueLayout.JAVA_SHORT, 0, (short) SocketCalls.AF_UNIX);
        MemorySegment.copy(path, 0, at, ValueLayout.JAVA_BYTE, 2, path.length);
        yield 2L + path.length + 1;
      }
      case InetSocketAddress inet -> {
        InetAddress host = inet.getAddress();
        if (host == null) {
          throw new IllegalArgumentException("unknown host '" + inet.getHostString() + "'");
        }
        byte[] bytes = host.getAddress();
        at.set(NETWORK_SHORT, 2, (short) inet.getPort());
        if (host instanceof Inet6Address six) {
          at.set(ValueLayout.JAVA_SHORT, 0, (short) SocketCalls.AF_INET6);
          MemorySegment.copy(bytes, 0, at, ValueLayout.JAVA_BYTE, 8, bytes.length);
          at.set(ValueLayout.JAVA_INT, 24, six.getScopeId());
          yield 28L;
        }
        at.set(ValueLayout.JAVA_SHORT, 0, (short) SocketCalls.AF_INET);
        MemorySegment.copy(bytes, 0, at, ValueLayout.JAVA_BYTE, 4, bytes.length);
        yield 16L;
      }
      default ->
          throw new IllegalArgumentException("not an address of a stream socket: " + address);
    };
  }

  /** The port of a sockaddr_in or sockaddr_in6, at the same place in both. */
  static int port(MemorySegment at) {
    return Short.toUnsignedInt(at.get(NETWORK_SHORT, 2));
  }
}
