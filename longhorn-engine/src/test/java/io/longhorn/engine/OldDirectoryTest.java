package io.longhorn.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.VolumeException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Replica directories put back from before the last session. */
class OldDirectoryTest {
  private static final long SIZE = 16 << 20;
  private static final int BLOCK = 4096;
  private static final int READS = 30;
  private static final long LOOK_AGAIN_NANOS = 2_000_000;

  @TempDir private Path home;

  private final List<Path> directories = new ArrayList<>();

  @BeforeEach
  void writeTwiceAndKeepACopyFromInBetween() throws IOException {
    for (String name : List.of("a", "b", "c")) {
      directories.add(home.resolve(name));
    }
    EmbeddedVolume.create("v", SIZE, directories);
    write(1);
    for (Path directory : directories) {
      copy(directory, old(directory));
    }
    write(2);
  }

  private static Path old(Path directory) {
    return directory.resolveSibling(directory.getFileName() + "-old");
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.createDirectories(to);
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(from.relativize(file)));
      }
    }
  }

  private void write(int version) {
    try (EmbeddedVolume volume = EmbeddedVolume.open("v", directories)) {
      byte[] bytes = new byte[BLOCK];
      Arrays.fill(bytes, (byte) version);
      volume.write(0, ByteBuffer.wrap(bytes));
      volume.flush();
    }
  }

  private static void assertOnlyTheNewIsRead(EmbeddedVolume volume) {
    for (int i = 0; i < READS; i++) {
      ByteBuffer read = ByteBuffer.allocate(BLOCK);
      volume.read(0, read);
      assertThat(read.get(0)).isEqualTo((byte) 2);
    }
  }

  private static void awaitRefusal(EmbeddedVolume volume) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (volume.status().replicas().stream()
        .noneMatch(replica -> replica.reason().contains("old copy of itself"))) {
      assertThat(System.nanoTime() - deadline).as("%s", volume.status()).isNegative();
      LockSupport.parkNanos(LOOK_AGAIN_NANOS);
    }
  }

  @Test
  void oneOldCopyIsNeverReadNorTakenBackAsIfItHadBeenAway() {
    directories.set(1, old(directories.get(1)));
    for (int session = 0; session < 2; session++) {
      try (EmbeddedVolume volume = EmbeddedVolume.open("v", directories)) {
        assertOnlyTheNewIsRead(volume);
        awaitRefusal(volume);
        assertOnlyTheNewIsRead(volume);
        assertThat(volume.status().inSync()).isEqualTo(2);
      }
    }
  }

  @Test
  void twoOldCopiesDoNotOpenTheVolume() {
    List<Path> twoOld =
        List.of(old(directories.get(0)), old(directories.get(1)), directories.get(2));
    assertThatThrownBy(() -> EmbeddedVolume.open("v", twoOld).close())
        .isInstanceOf(VolumeException.class)
        .hasMessageContaining("cannot be opened");
    directories.set(0, old(directories.get(0)));
    try (EmbeddedVolume volume = EmbeddedVolume.open("v", directories)) {
      assertOnlyTheNewIsRead(volume);
    }
  }
}
