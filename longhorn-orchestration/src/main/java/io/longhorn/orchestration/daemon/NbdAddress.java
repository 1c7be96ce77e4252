package io.longhorn.orchestration.daemon;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.call.CallAddress;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where somebody wants an engine to listen on this machine. */
final class NbdAddress {
  private NbdAddress() {}

  /** An address that somebody else has is better refused now than waited for. */
  static void requireFree(String nbd) {
    if (nbd.isEmpty()) {
      return;
    }
    switch (CallAddress.parse(nbd)) {
      case CallAddress.Unix(Path path) -> requireFree(nbd, path.toAbsolutePath());
      case CallAddress.Tcp(String host, int port) -> {
        try (ServerSocket socket = new ServerSocket()) {
          socket.setReuseAddress(true);
          socket.bind(new InetSocketAddress(host, port));
        } catch (IOException | IllegalArgumentException e) {
          throw new VolumeException(
              IoError.BUSY, "nobody can listen at " + nbd + ": " + e.getMessage(), e);
        }
      }
    }
  }

  private static void requireFree(String nbd, Path path) {
    Path directory = path.getParent();
    if (directory == null || !Files.isDirectory(directory)) {
      throw invalid(
          "nobody can listen at " + nbd + ": there is no directory " + directory + "; make it");
    }
    if (!Files.isWritable(directory)) {
      throw invalid("nobody can listen at " + nbd + ": " + directory + " is not ours to write");
    }
    if (Files.isRegularFile(path) || Files.isDirectory(path)) {
      throw new VolumeException(
          IoError.BUSY, "nobody can listen at " + nbd + ": something else is there already");
    }
  }

  private static VolumeException invalid(String message) {
    return new VolumeException(IoError.INVALID, message);
  }
}
