package io.longhorn.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedVolumeRepairTest {
  private static final int BLOCK = 4096;
  private static final int AT = 5 * BLOCK;

  @Test
  void aDamagedBlockOfASnapshotIsReadFromAnotherReplicaAndMendedInItsOwnLayer(@TempDir Path home)
      throws IOException {
    List<Path> directories = List.of(home.resolve("a"), home.resolve("b"), home.resolve("c"));
    byte[] content = new byte[4 * BLOCK];
    Arrays.fill(content, (byte) 7);
    EmbeddedVolume.create("mend", 4 << 20, directories);
    try (EmbeddedVolume volume = EmbeddedVolume.open("mend", directories)) {
      volume.write(AT, ByteBuffer.wrap(content));
      volume.snapshot("before");
    }
    Path sealed = layers(home.resolve("a")).getFirst();
    Path head = layers(home.resolve("a")).getLast();
    damage(sealed, AT + BLOCK);
    damage(layers(home.resolve("b")).getFirst(), AT + 2 * BLOCK);

    try (EmbeddedVolume volume = EmbeddedVolume.open("mend", directories)) {
      // Reads go to the replicas in turn: each is asked several times.
      for (int i = 0; i < 12; i++) {
        ByteBuffer back = ByteBuffer.allocate(content.length);
        volume.read(AT, back);
        assertThat(back.array()).isEqualTo(content);
      }
      assertThat(volume.status().inSync()).isEqualTo(3);
    }

    assertThat(bytes(sealed, AT, content.length)).isEqualTo(content);
    assertThat(bytes(head, AT, content.length)).as("the head got nothing").containsOnly(0);
  }

  private static List<Path> layers(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .filter(file -> file.getFileName().toString().matches("L\\d+\\.dat"))
          .sorted()
          .toList();
    }
  }

  private static void damage(Path file, long at) throws IOException {
    try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
      open.seek(at + 100);
      open.write(99);
    }
  }

  private static byte[] bytes(Path file, long at, int length) throws IOException {
    try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "r")) {
      byte[] bytes = new byte[length];
      open.seek(at);
      open.readFully(bytes, 0, (int) Math.min(length, open.length() - at));
      return bytes;
    }
  }
}
