package io.longhorn.orchestration.call;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import java.io.IOException;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A listening socket. That of a unix address can be used by its owner only; the file that a dead
 * process left is replaced, one that somebody listens on never is: whoever binds holds the lock of
 * {@code PATH.lock} meanwhile, which stays there, empty.
 */
final class Listener implements AutoCloseable {
  private static final int BACKLOG = 128;

  /** File locks hold between processes, this one between the threads of this one. */
  private static final ReentrantLock BINDING = new ReentrantLock();

  private final ServerSocketChannel channel;
  private final CallAddress address;
  private final Optional<Object> fileKey;

  private Listener(ServerSocketChannel channel, CallAddress address, Optional<Object> fileKey) {
    this.channel = channel;
    this.address = address;
    this.fileKey = fileKey;
  }

  static Listener open(CallAddress address) {
    try {
      return switch (address) {
        case CallAddress.Tcp tcp -> openTcp(tcp);
        case CallAddress.Unix unix -> openUnix(unix);
      };
    } catch (NoSuchFileException e) {
      throw failed(address, "its directory does not exist; create it first", e);
    } catch (IOException e) {
      throw failed(address, e.getMessage() + "; use another address", e);
    }
  }

  private static Listener openTcp(CallAddress.Tcp address) throws IOException {
    ServerSocketChannel channel = ServerSocketChannel.open();
    try {
      channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
      channel.bind(address.socketAddress(), BACKLOG);
      int port = ((InetSocketAddress) channel.getLocalAddress()).getPort();
      return new Listener(channel, new CallAddress.Tcp(address.host(), port), Optional.empty());
    } catch (BindException e) {
      channel.close();
      throw new VolumeException(
          IoError.BUSY,
          "cannot listen on " + address + ": " + e.getMessage() + "; use another port",
          e);
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  private static Listener openUnix(CallAddress.Unix address) throws IOException {
    Path lockPath = address.path().resolveSibling(address.path().getFileName() + ".lock");
    BINDING.lock();
    try (FileChannel lockFile =
            FileChannel.open(lockPath, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock _ = lockFile.lock()) {
      removeStale(address);
      ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
      try {
        channel.bind(address.socketAddress(), BACKLOG);
        Files.setPosixFilePermissions(address.path(), PosixFilePermissions.fromString("rw-------"));
        return new Listener(channel, address, Optional.ofNullable(fileKey(address.path())));
      } catch (IOException | RuntimeException e) {
        channel.close();
        throw e;
      }
    } finally {
      BINDING.unlock();
    }
  }

  private static void removeStale(CallAddress.Unix address) throws IOException {
    Path path = address.path();
    if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    BasicFileAttributes what =
        Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    if (!what.isOther()) {
      throw new VolumeException(
          IoError.INVALID,
          "cannot listen on " + address + ": there is a file that is no socket; use another path");
    }
    if (isAnswered(address)) {
      throw new VolumeException(
          IoError.BUSY,
          "cannot listen on "
              + address
              + ": another process is already listening there; stop it or use another path");
    }
    Files.deleteIfExists(path);
  }

  /** Whether somebody listens: only a refused connection says that nobody does. */
  private static boolean isAnswered(CallAddress.Unix address) throws IOException {
    try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      // Not blocking: a listener whose backlog is full is one that lives.
      probe.configureBlocking(false);
      probe.connect(UnixDomainSocketAddress.of(address.path()));
      return true;
    } catch (SocketException e) {
      String why = String.valueOf(e.getMessage());
      if (why.contains("refused")) {
        return false;
      }
      throw e;
    }
  }

  private static @Nullable Object fileKey(Path path) throws IOException {
    return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
        .fileKey();
  }

  /** Where it listens, with the port that the kernel chose. */
  CallAddress address() {
    return address;
  }

  /** Waits for the next connection. */
  SocketChannel accept() throws IOException {
    return channel.accept();
  }

  boolean isOpen() {
    return channel.isOpen();
  }

  /** Stops listening. The file goes first: while this one listens, nobody puts another there. */
  @Override
  public void close() {
    try {
      if (address instanceof CallAddress.Unix(Path path)
          && channel.isOpen()
          && fileKey.equals(Optional.ofNullable(fileKey(path)))) {
        Files.deleteIfExists(path);
      }
    } catch (IOException _) {
      // A file that nobody listens on is replaced the next time.
    }
    try {
      channel.close();
    } catch (IOException _) {
      // It is closed all the same.
    }
  }

  private static VolumeException failed(CallAddress address, String why, IOException cause) {
    return new VolumeException(IoError.INVALID, "cannot listen on " + address + ": " + why, cause);
  }
}
